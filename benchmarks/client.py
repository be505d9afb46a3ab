"""What the client costs over raw boto3: the same responses of a local function, read by both.

    python benchmarks/client.py [rounds]

The contestants take turns in one process. LocalLambda and the function share the machine with them, so
the differences are larger than these ratios say; with `verified` the function frames the body as well.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

from streamify_client import StreamClient
from streamify_server.local import LocalLambda

FUNCTION = """
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    for _ in range(event["chunks"]):
        yield bytes(event["size"])
"""
SHAPES = {"20,000 chunks of 100 bytes": (20_000, 100), "512 chunks of 64 KiB": (512, 64 * 1024)}


def raw(client: Any, payload: bytes) -> int:
    answer = client.invoke_with_response_stream(FunctionName="body", Payload=payload)
    stream = answer["EventStream"]
    return sum(len(event["PayloadChunk"]["Payload"]) for event in stream if "PayloadChunk" in event)


def own(client: StreamClient, payload: bytes) -> int:
    with client.stream("body", payload) as stream:
        return sum(map(len, stream.iter_bytes()))


def measure(readers: dict[str, Callable[[bytes], int]], chunks: int, size: int, rounds: int) -> None:
    payload = b'{"chunks": %d, "size": %d}' % (chunks, size)
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(rounds + 1):
        for name, read in readers.items():
            began = time.perf_counter()
            if read(payload) != chunks * size:
                raise SystemExit(f"{name} lost bytes")
            if number:
                taken[name].append(time.perf_counter() - began)
    base = statistics.median(taken["boto3"])
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(
            f"  {name:22}{chunks * size / median / 1e6:8.1f} MB/s{median / chunks * 1e6:8.1f} us a chunk"
            f"{median / base:7.2f} times boto3's time"
        )


def main() -> None:
    """Print throughput and time a chunk, for many small chunks and for large ones."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    with tempfile.TemporaryDirectory() as folder, LocalLambda() as aws:
        (Path(folder) / "body.py").write_text(FUNCTION, encoding="utf-8")
        aws.add_function("body", handler="body.handler", code=folder, timeout=100)
        boto = boto3.client("lambda", **aws.client_kwargs)
        with (
            StreamClient(**aws.client_kwargs, verified="off") as plain,
            StreamClient(**aws.client_kwargs) as verified,
        ):
            readers: dict[str, Callable[[bytes], int]] = {
                "boto3": lambda payload: raw(boto, payload),
                "StreamClient, plain": lambda payload: own(plain, payload),
                "StreamClient, verified": lambda payload: own(verified, payload),
            }
            for name, (chunks, size) in SHAPES.items():
                print(name)
                measure(readers, chunks, size, rounds)
        boto.close()


if __name__ == "__main__":
    main()
