"""The delay of paced chunks to a raw reader of LocalLambda: one every 10 ms, with its timestamp.

    python benchmarks/latency.py [--only "async generator"] [--chunks 200] [--pause 0.01]

Both processes read the system's monotonic clock (Linux, macOS).
"""

import json
import re
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from producers import PRODUCERS, event_for
from streamify_server.local import LocalLambda
from turns import Claim, Results, claims_table, command_line

MEDIAN, LATE = "median", "99 of 100 within"
CELLS = (MEDIAN, LATE)
STAMP = re.compile(rb"(\d{20})\n")
UNIT = "a millisecond"
CLAIMS = [Claim(f"{name}, ms", name, UNIT, most={MEDIAN: 1.0}) for name in PRODUCERS]


def measure_latency(names: Sequence[str], chunks: int, pause: float) -> Results:
    """Measure the milliseconds from producing a chunk to its arrival."""
    results: Results = {MEDIAN: {UNIT: 1.0}, LATE: {UNIT: 1.0}}
    with LocalLambda() as aws:
        for name in names:
            function = PRODUCERS[name]
            folder = Path(__file__).parent / "functions"
            aws.add_function(function, handler=f"paced.{function}", code=folder, timeout=60)
            delays(aws.endpoint_url, name, 10, pause)
            measured = delays(aws.endpoint_url, name, chunks, pause)
            results[MEDIAN][name] = statistics.median(measured)
            results[LATE][name] = statistics.quantiles(measured, n=100)[-1]
    return results


def delays(endpoint: str, name: str, chunks: int, pause: float) -> list[float]:
    measured = list(arrivals(endpoint, name, chunks, pause))
    if len(measured) != chunks:
        raise SystemExit(f"{name} lost chunks: {len(measured)} of {chunks} came")
    return measured


def arrivals(endpoint: str, name: str, chunks: int, pause: float) -> Iterator[float]:
    """Read the response from a plain socket and yield the delay of each chunk."""
    url = urlsplit(endpoint)
    payload = json.dumps(event_for(name, count=chunks, pause=pause)).encode()
    target = f"/2021-11-15/functions/{PRODUCERS[name]}/response-streaming-invocations"
    head = f"POST {target} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(payload)}\r\n\r\n"
    with socket.create_connection((url.hostname or "", url.port or 80), timeout=60) as sock:
        sock.sendall(head.encode() + payload)
        data, seen = b"", 0
        while not data.endswith(b"\r\n0\r\n\r\n"):
            if not (more := sock.recv(1 << 16)):
                return
            now = time.monotonic_ns()
            data += more
            for found in STAMP.finditer(data, seen):
                yield (now - int(found[1])) / 1e6
                seen = found.end()


def main() -> None:
    """Measure and print."""
    parser = command_line(__doc__)
    parser.add_argument(
        "--only", action="append", choices=[*PRODUCERS], help="a producer; may be given several times"
    )
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two chunks")
    given = parser.parse_args()
    results = measure_latency(given.only or [*PRODUCERS], given.chunks, given.pause)
    print(claims_table(CLAIMS, results, CELLS))


if __name__ == "__main__":
    main()
