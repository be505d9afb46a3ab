"""200 MB from a function into a file, and 600 MB in parts: neither process holds them."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from streamify_client import StreamClient
from streamify_server.local import LocalLambda

CHUNK = 64 * 1024
CHUNKS = 200 * 1024 * 1024 // CHUNK
GROWTH = 32 * 1024 * 1024
FUNCTIONS = Path(__file__).parent / "functions"
CLIENT = """
import json, sys
from streamify_client import StreamClient

options = json.loads(sys.argv[1])
with StreamClient(**options) as client:
    client.stream_to_file("large", {"chunks": 1}, sys.argv[2])
    print("warm", flush=True)
    sys.stdin.readline()
    client.stream_to_file("large", {"chunks": int(sys.argv[3])}, sys.argv[2], overwrite=True)
    print("done", flush=True)
    sys.stdin.readline()
"""


class Peaks:
    """The largest resident size of some processes, looked at until told to stop."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._over = threading.Event()
        self.before = [process.memory_info().rss for process in processes]
        self.peaks = list(self.before)
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for number, process in enumerate(self._processes):
                self.peaks[number] = max(self.peaks[number], process.memory_info().rss)

    def stop(self) -> list[int]:
        """By how much each grew."""
        self._over.set()
        self._thread.join()
        return [peak - before for peak, before in zip(self.peaks, self.before, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("verified", ["auto", "off"])
def test_two_hundred_megabytes_into_a_file_grow_neither_process(verified: str, tmp_path: Path) -> None:
    target = tmp_path / "large.bin"
    with LocalLambda() as aws:
        aws.add_function("large", handler="large.handler", code=FUNCTIONS, timeout=100)
        arguments = [json.dumps({**aws.client_kwargs, "verified": verified}), str(target), str(CHUNKS)]
        command = [sys.executable, "-c", CLIENT, *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdin
            assert client.stdout
            assert client.stdout.readline() == "warm\n"
            functions = [psutil.Process(number) for number in aws.process_ids()]
            assert len(functions) == 1
            peaks = Peaks([psutil.Process(client.pid), *functions])
            client.stdin.write("\n")
            client.stdin.flush()
            assert client.stdout.readline() == "done\n"
            grown = peaks.stop()
            client.communicate("\n")
    with target.open("rb") as file:
        for number in range(CHUNKS):
            assert file.read(CHUNK) == number.to_bytes(4, "big") * (CHUNK // 4)
        assert not file.read(1)
    print(f"grown: client {grown[0] / 2**20:.1f} MiB, function {grown[1] / 2**20:.1f} MiB")
    assert max(grown) < GROWTH


@pytest.mark.slow
def test_six_hundred_megabytes_go_through_a_limit_of_two_hundred() -> None:
    with LocalLambda() as aws:
        aws.add_function("large", handler="going_on.large", code=FUNCTIONS, timeout=900)
        with StreamClient(**aws.client_kwargs) as client:
            client.stream("large", {"count": 1}).read()
            peaks = Peaks([psutil.Process(), *map(psutil.Process, aws.process_ids())])
            size = 0
            stream = client.stream("large", {"count": 600})
            for chunk in stream.iter_bytes():
                assert chunk[:1] == chunk[-1:] == bytes([size // 2**20 % 256])
                size += len(chunk)
            grown = peaks.stop()
    assert size == 600 * 2**20
    assert stream.result.verified
    assert len(stream.result.parts) >= 4
    assert max(part.bytes_received for part in stream.result.parts) < 200_000_000
    assert max(grown) < GROWTH
