"""The speed of decoding frames: our FrameDecoder and botocore's EventStreamBuffer, on the same bytes.

    python benchmarks/decoder.py [rounds]

The contestants take turns in one process. Compare the ratios, not the speeds.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator

from botocore.eventstream import EventStreamBuffer

from streamify_client.wire.eventstream import FrameDecoder, encode_frame

HEADERS = {
    ":event-type": "PayloadChunk",
    ":content-type": "application/octet-stream",
    ":message-type": "event",
}
READ = 64 * 1024  # bytes in one read of a transport
TOTAL = 16 * 1024 * 1024


def pieces(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(data), READ):
        yield bytes(view[start : start + READ])


def ours(data: bytes) -> int:
    decoder, size = FrameDecoder(), 0
    for piece in pieces(data):
        for frame in decoder.receive(piece):
            size += len(frame.payload)
    return size


def botocores(data: bytes) -> int:
    buffer, size = EventStreamBuffer(), 0
    for piece in pieces(data):
        buffer.add_data(piece)
        for message in buffer:
            size += len(message.payload)
    return size


def seconds(decode: Callable[[bytes], int], data: bytes) -> float:
    began = time.perf_counter()
    if decode(data) != TOTAL:
        raise SystemExit(f"{decode.__name__} lost bytes")
    return time.perf_counter() - began


def main() -> None:
    """Print MB/s of both, and their ratio, for small and large chunks."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 7
    for size in (1024, 64 * 1024):
        data = encode_frame(HEADERS, bytes(size)) * (TOTAL // size)
        taken = [(seconds(ours, data), seconds(botocores, data)) for _ in range(rounds + 1)][1:]
        own, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
        print(
            f"chunks of {size // 1024:2} KiB: FrameDecoder {TOTAL / own / 1e6:7.0f} MB/s, "
            f"botocore {TOTAL / theirs / 1e6:7.0f} MB/s, ratio {theirs / own:.2f}"
        )


if __name__ == "__main__":
    main()
