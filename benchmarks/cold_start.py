"""How long a function's process takes from its start to the first GET /next: ours and plain awslambdaric.

    python benchmarks/cold_start.py [--runs 30]

The contestants take turns, so that whatever else the machine does hits all of them alike.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

PLAIN = "def handler(event, context):\n    return 'hello'\n"
STREAMING = """
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield "hello"
"""
CONTESTANTS = {
    "awslambdaric, plain handler": ("awslambdaric", PLAIN),
    "streamify, plain handler": ("streamify_server.runtime", PLAIN),
    "streamify, streaming handler": ("streamify_server.runtime", STREAMING),
}


def start_to_next(module: str, code: Path, listener: socket.socket) -> float:
    """Seconds from starting the process to its first request, which is GET /next."""
    command = [sys.executable, "-m", module, "app.handler"]
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=code, env=environment(code, listener)) as process:
        try:
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(1 << 16)
                taken = time.perf_counter() - begun
                process.kill()
        finally:
            process.kill()
    if b"/runtime/invocation/next" not in request:
        raise SystemExit(f"{module} asked for {request[:100]!r}")
    return taken


def environment(code: Path, listener: socket.socket) -> Mapping[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parent.parent / "src"),
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{listener.getsockname()[1]}",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": "fn",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "LAMBDA_TASK_ROOT": str(code),
    }


def measure(runs: int) -> dict[str, list[float]]:
    """Seconds of every run, by contestant; the first round is only to warm the file cache."""
    taken: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        for turn in range(runs + 1):
            for number, (name, (module, source)) in enumerate(CONTESTANTS.items()):
                code = Path(folder) / str(number)
                code.mkdir(exist_ok=True)
                (code / "app.py").write_text(source, encoding="utf-8")
                seconds = start_to_next(module, code, listener)
                if turn:
                    taken[name].append(seconds)
    return taken


def main() -> None:
    """Print median and fastest run of each contestant, and how they compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=30)
    taken = measure(parser.parse_args().runs)
    base = statistics.median(next(iter(taken.values())))
    print(f"{'':32}{'median':>9}{'fastest':>10}{'more':>10}{'ratio':>8}")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(
            f"{name:32}{median * 1e3:6.1f} ms{min(seconds) * 1e3:7.1f} ms"
            f"{(median - base) * 1e3:+7.1f} ms{median / base:8.2f}"
        )


if __name__ == "__main__":
    main()
