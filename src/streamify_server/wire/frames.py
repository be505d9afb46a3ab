"""Encoder for Amazon event-stream frames, the format of Lambda's streams and of verified streams."""

import struct
import zlib
from collections.abc import Callable, Iterable

try:
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

_STRING = 7
_HEADS_KEPT = 1024  # cached frame heads, by payload length
_SMALL = 256  # bytes below which zlib's function is faster than isal's


def encode_frame(headers: Iterable[tuple[str, str]], payload: bytes | bytearray | memoryview) -> bytes:
    """Encode one frame, with its headers in the given order.

    The layout is that of the AWS SDKs' event streams
    (https://smithy.io/2.0/aws/amazon-eventstream.html): two lengths and their CRC-32, headers, payload,
    CRC-32 of all.

    Args:
        headers: Names and string values; a name has 1 to 255 bytes, a value at most 32,767.
        payload: The body of the frame.

    Raises:
        ValueError: A header name or value is too long.

    >>> encode_frame([], b"").hex()
    '000000100000000005c248eb7d98c8ff'
    """
    encoded = b"".join(_encode_header(name, value) for name, value in headers)
    prelude = struct.pack(">II", 16 + len(encoded) + len(payload), len(encoded))
    head = prelude + struct.pack(">I", crc32(prelude)) + encoded
    return b"".join((head, payload, struct.pack(">I", crc32(payload, crc32(head)))))


def frame_writer(
    name: str, value: str, write: Callable[[bytes], None]
) -> tuple[Callable[[bytes], None], Callable[[], tuple[int, int]]]:
    """Return a function that writes payloads, each in a frame with this one header.

    It is a closure, because attribute access and calls would make small payloads 50 % slower.

    Returns:
        The function, and one that returns how many bytes and payloads have been written.

    >>> written = []
    >>> write, count = frame_writer("a", "b", written.append)
    >>> write(b"data")
    >>> written == [encode_frame([("a", "b")], b"data")], count()
    (True, (4, 1))
    """
    encoded = _encode_header(name, value)
    overhead = 16 + len(encoded)
    heads: dict[int, tuple[bytes, int]] = {}
    large_crc32, small_crc32, join = crc32, zlib.crc32, b"".join
    size = payloads = 0

    def head_of(length: int) -> tuple[bytes, int]:
        prelude = struct.pack(">II", overhead + length, len(encoded))
        head = prelude + struct.pack(">I", crc32(prelude)) + encoded
        if len(heads) >= _HEADS_KEPT:
            heads.clear()
        heads[length] = found = head, crc32(head)
        return found

    def put(payload: bytes) -> None:
        nonlocal size, payloads
        length = len(payload)
        head, checksum = heads.get(length) or head_of(length)
        checksum = (small_crc32 if length < _SMALL else large_crc32)(payload, checksum)
        write(join((head, payload, checksum.to_bytes(4, "big"))))
        size += length
        payloads += 1

    def count() -> tuple[int, int]:
        return size, payloads

    return put, count


def _encode_header(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    if not 0 < len(raw_name) < 256 or len(raw_value) > 32767:
        raise ValueError(f"The frame header {name[:40]!r} does not fit: 255 bytes of name, 32,767 of value.")
    return (
        struct.pack(">B", len(raw_name)) + raw_name + struct.pack(">BH", _STRING, len(raw_value)) + raw_value
    )
