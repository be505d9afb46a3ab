"""Amazon event-stream frames, encoded: what Lambda sends, and what verified streams are made of."""

import struct
from collections.abc import Callable, Iterable

try:
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

_STRING = 7
_HEADS_KEPT = 1024  # heads of frames by the length of their payload


def encode_frame(headers: Iterable[tuple[str, str]], payload: bytes | bytearray | memoryview) -> bytes:
    """Encode one frame, its headers in the order given.

    The layout is that of the event streams of the AWS SDKs
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


def one_header(name: str, value: str) -> Callable[[bytes], bytes]:
    """An encoder for many frames whose only header is this one.

    >>> one_header("a", "b")(b"data") == encode_frame([("a", "b")], b"data")
    True
    """
    encoded = _encode_header(name, value)
    size = len(encoded)
    overhead = 16 + size
    heads: dict[int, tuple[bytes, int]] = {}
    pack = struct.Struct(">I").pack

    def head_of(length: int) -> tuple[bytes, int]:
        prelude = struct.pack(">II", overhead + length, size)
        head = prelude + pack(crc32(prelude)) + encoded
        if len(heads) >= _HEADS_KEPT:
            heads.clear()
        heads[length] = found = head, crc32(head)
        return found

    def frame(payload: bytes) -> bytes:
        length = len(payload)
        head, checksum = heads.get(length) or head_of(length)
        return b"%b%b%b" % (head, payload, pack(crc32(payload, checksum)))

    return frame


def _encode_header(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    if not 0 < len(raw_name) < 256 or len(raw_value) > 32767:
        raise ValueError(f"The frame header {name[:40]!r} does not fit: 255 bytes of name, 32,767 of value.")
    return (
        struct.pack(">B", len(raw_name)) + raw_name + struct.pack(">BH", _STRING, len(raw_value)) + raw_value
    )
