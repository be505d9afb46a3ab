"""Amazon event-stream framing.

The format: https://smithy.io/2.0/aws/amazon-eventstream.html. Integers are big-endian::

    uint32 total length | uint32 headers length | uint32 CRC-32 of those eight bytes
    headers | payload | uint32 CRC-32 of everything before it
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from . import BytesLike
from .checksum import crc32_function
from .errors import CorruptInputError, TruncatedInputError, WireError

HeaderValue = bool | int | bytes | str | UUID

_PRELUDE = struct.Struct("!III")
_UINT16 = struct.Struct("!H")
_CHECKSUM = struct.Struct("!I")
_INTEGERS = {2: struct.Struct("!b"), 3: struct.Struct("!h"), 4: struct.Struct("!i"), 5: struct.Struct("!q")}
_TRUE, _FALSE, _BYTES, _STRING, _TIMESTAMP, _UUID = 0, 1, 6, 7, 8, 9
_OVERHEAD = _PRELUDE.size + _CHECKSUM.size


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. Timestamps are integers: milliseconds since the epoch, of which not all fit a datetime."""

    headers: Mapping[str, HeaderValue]
    payload: bytes


class FrameDecoder:
    """Turns bytes into frames; both checksums are right before anything of a frame is believed or handed on.

    The default limits are those of botocore: 128 KiB of headers and 24 MiB of payload in a frame.
    """

    def __init__(self, *, max_headers: int = 128 * 1024, max_payload: int = 24 * 1024 * 1024) -> None:
        self._max_headers = max_headers
        self._max_payload = max_payload
        self._crc32 = crc32_function()
        self._buffer = bytearray()
        self._start = 0  # where the buffer begins in the input
        self._lengths: tuple[int, int] | None = None  # of the frame under way: total, headers
        self._header_block = b""
        self._headers: Mapping[str, HeaderValue] = MappingProxyType({})
        self._error: WireError | None = None

    @property
    def inside_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._buffer)

    @property
    def offset(self) -> int:
        """How many bytes of the input the frames so far took."""
        return self._start

    def feed(self, data: BytesLike) -> Iterator[Frame]:
        """Take bytes in; return the frames that are complete by now."""
        self._buffer += data
        return self._complete_frames()

    def finish(self) -> list[Frame]:
        """The input has ended: raise TruncatedInputError if that was inside a frame."""
        frames = list(self._complete_frames())
        if self._buffer:
            wanted = f" of {self._lengths[0]}" if self._lengths else ""
            raise TruncatedInputError(
                f"the stream ended inside a frame: {len(self._buffer)} bytes{wanted} had arrived", self._start
            )
        return frames

    def _complete_frames(self) -> Iterator[Frame]:
        if self._error:
            raise self._error
        try:
            while (frame := self._next_frame()) is not None:
                yield frame
        except WireError as error:
            self._error = error
            self._buffer.clear()
            raise

    def _next_frame(self) -> Frame | None:
        if self._lengths is None:
            if len(self._buffer) < _PRELUDE.size:
                return None
            self._lengths = self._read_lengths()
        total, headers_length = self._lengths
        if len(self._buffer) < total:
            return None
        with memoryview(self._buffer) as view:
            self._check(view, total)
            payload_start = _PRELUDE.size + headers_length
            headers = self._read_headers(bytes(view[_PRELUDE.size : payload_start]))
            payload = bytes(view[payload_start : total - _CHECKSUM.size])
        # CPython moves the start of a bytearray here and not its bytes, so many small frames cost no copies.
        del self._buffer[:total]
        self._start += total
        self._lengths = None
        return Frame(headers, payload)

    def _read_lengths(self) -> tuple[int, int]:
        total, headers_length, checksum = _PRELUDE.unpack_from(self._buffer)
        # Nothing is allocated or waited for by a length whose checksum is wrong.
        if self._crc32(bytes(self._buffer[:8]), 0) != checksum:
            raise CorruptInputError("the checksum of a frame's lengths is wrong", self._start)
        if headers_length > self._max_headers:
            raise CorruptInputError(
                f"a frame announces {headers_length} bytes of headers, the limit is {self._max_headers}",
                self._start,
            )
        payload_length = total - headers_length - _OVERHEAD
        if payload_length < 0:
            raise CorruptInputError(
                f"a frame's lengths contradict each other: {total}, {headers_length}", self._start
            )
        if payload_length > self._max_payload:
            raise CorruptInputError(
                f"a frame announces {payload_length} bytes of payload, the limit is {self._max_payload}",
                self._start,
            )
        return total, headers_length

    def _check(self, view: memoryview, total: int) -> None:
        end = total - _CHECKSUM.size
        with view[:end] as checked:
            if self._crc32(checked, 0) != _CHECKSUM.unpack_from(view, end)[0]:
                raise CorruptInputError("the checksum of a frame is wrong", self._start)

    def _read_headers(self, block: bytes) -> Mapping[str, HeaderValue]:
        if block != self._header_block:  # nearly all frames of a stream have the same headers
            try:
                self._headers = MappingProxyType(parse_headers(block))
            except WireError as error:
                raise CorruptInputError(
                    error.message, self._start + _PRELUDE.size + (error.offset or 0)
                ) from None
            self._header_block = block
        return self._headers


def parse_headers(block: bytes) -> dict[str, HeaderValue]:
    """Parse the headers of one frame; an error's offset counts from the block's first byte."""
    headers: dict[str, HeaderValue] = {}
    position = 0
    while position < len(block):
        name, after_name = _take_string(block, position + 1, block[position])
        if name in headers:
            raise CorruptInputError(f"a frame has the header {name!r} twice", position)
        if after_name == len(block):
            raise CorruptInputError(f"the header {name!r} has no value", position)
        headers[name], position = _parse_value(block, after_name)
    return headers


def _parse_value(block: bytes, position: int) -> tuple[HeaderValue, int]:
    kind, start = block[position], position + 1
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, start
    if integer := _INTEGERS.get(5 if kind == _TIMESTAMP else kind):
        value, end = _take(block, start, integer.size)
        return integer.unpack(value)[0], end
    if kind == _UUID:
        value, end = _take(block, start, 16)
        return UUID(bytes=value), end
    if kind not in (_BYTES, _STRING):
        raise CorruptInputError(f"a frame has a header of the unknown type {kind}", position)
    size, start = _take(block, start, _UINT16.size)
    take = _take if kind == _BYTES else _take_string
    return take(block, start, _UINT16.unpack(size)[0])


def _take(block: bytes, start: int, size: int) -> tuple[bytes, int]:
    end = start + size
    if end > len(block):
        raise CorruptInputError("a header reaches beyond the headers of its frame", start)
    return block[start:end], end


def _take_string(block: bytes, start: int, size: int) -> tuple[str, int]:
    value, end = _take(block, start, size)
    try:
        return value.decode("utf-8"), end
    except UnicodeDecodeError as error:
        raise CorruptInputError("a frame has a header that is not UTF-8", start + error.start) from None


def encode_frame(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """Build one frame with string headers, the only kind that Lambda sends.

    Raises:
        ValueError: A name is longer than 255 bytes or a value longer than 65,535.
    """
    crc32 = crc32_function()
    block = b"".join(_encode_header(name, value) for name, value in headers.items())
    lengths = struct.pack("!II", _OVERHEAD + len(block) + len(payload), len(block))
    head = lengths + _CHECKSUM.pack(crc32(lengths, 0)) + block + payload
    return head + _CHECKSUM.pack(crc32(head, 0))


def _encode_header(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    if len(raw_name) > 0xFF or len(raw_value) > 0xFFFF:
        raise ValueError(f"the header {name[:40]!r} is too long for a frame")
    return bytes([len(raw_name)]) + raw_name + bytes([_STRING]) + _UINT16.pack(len(raw_value)) + raw_value
