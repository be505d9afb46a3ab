"""The time from the start of a function's process to its first GET /next, on an emulated managed runtime.

    python benchmarks/cold_start.py [--runs 15] [--limit 12]

Contestants: AWS's client with a plain handler; the same with this package and a streaming handler; the
wrapper of the layer. They take turns, so that other load on the machine affects all of them alike. With
--limit, it fails if a median exceeds that of AWS's client by more than this many milliseconds. The last
column is processor time (Linux), which is more reliable on a busy machine.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.layer import build_layer, unpack
from support.managed import Managed

PLAIN = "def handler(event, context):\n    return 'hello'\n"
STREAMING = """
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield "hello"
"""
WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}
CONTESTANTS = {
    "AWS's client, plain handler": (PLAIN, {}),
    "AWS's client, streaming handler": (STREAMING, {}),
    "wrapper, plain handler": (PLAIN, WRAPPER),
    "wrapper, streaming handler": (STREAMING, WRAPPER),
}


class Listener:
    """Replaces the Runtime API until the first request."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(30)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def request(self) -> bytes:
        """Wait for a request and return it, without answering."""
        connection, _ = self._socket.accept()
        with connection:
            return connection.recv(1 << 16)

    def close(self) -> None:
        self._socket.close()


def start_to_next(aws: Managed, listener: Listener, environment: dict[str, str]) -> tuple[float, float]:
    """Return the seconds from the start of the process to its first request, and its processor time."""
    begun = time.perf_counter()
    process = aws.start(listener.address, environment)
    try:
        request = listener.request()
        taken = time.perf_counter() - begun
        used = processor_time(process.pid)
    finally:
        aws.stop()
    if b"/runtime/invocation/next" not in request:
        raise SystemExit(f"{process.args} asked for {request[:100]!r}; its log: {aws.log}")
    return taken, used


def processor_time(pid: int) -> float:
    """Return the seconds that the threads of a process have run."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # a thread that has ended
            total += int(thread.read_text().split()[0])
    return total / 1e9


def measure(root: Path, runs: int) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds of every run, by contestant. An additional first round warms the file cache."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS}
    opt = unpack(build_layer(root / "layer.zip"), root / "opt")
    functions = {}
    for number, (name, (source, _)) in enumerate(CONTESTANTS.items()):
        functions[name] = Managed(root / str(number))
        functions[name].install_runtime_client()
        functions[name].opt.rmdir()
        functions[name].opt.symlink_to(opt)
        functions[name].write(app=source)
        compileall(functions[name].root)
    listener = Listener()
    try:
        for turn in range(runs + 1):
            for name, (_, environment) in CONTESTANTS.items():
                seconds = start_to_next(functions[name], listener, environment)
                if turn:
                    taken[name].append(seconds)
    finally:
        listener.close()
    return taken


def compileall(folder: Path) -> None:
    """Compile bytecode, as a deployment tool or AWS would have done."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)


def main() -> None:
    """Print the medians of each contestant, and their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--limit", type=float, help="milliseconds above AWS's client that are too many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        taken = measure(Path(folder), options.runs)
    medians = {name: tuple(map(statistics.median, zip(*runs, strict=True))) for name, runs in taken.items()}
    base, base_used = next(iter(medians.values()))
    print(f"{'':34}{'median':>9}{'more':>10}{'ratio':>8}{'processor':>13}{'more':>10}")
    for name, (median, used) in medians.items():
        print(
            f"{name:34}{median * 1e3:6.1f} ms{(median - base) * 1e3:+7.1f} ms{median / base:8.2f}"
            f"{used * 1e3:10.1f} ms{(used - base_used) * 1e3:+7.1f} ms"
        )
    most = max(median for median, _ in medians.values()) - base
    if options.limit is not None and most * 1e3 > options.limit:
        raise SystemExit(f"{most * 1e3:.1f} ms above AWS's client; the limit is {options.limit:g} ms")


if __name__ == "__main__":
    main()
