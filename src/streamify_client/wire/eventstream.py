"""Amazon event-stream framing.

The format: https://smithy.io/2.0/aws/amazon-eventstream.html. Integers are big-endian::

    uint32 total length | uint32 headers length | uint32 CRC-32 of those eight bytes
    headers | payload | uint32 CRC-32 of everything before it
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, NamedTuple
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
_LARGE = 16 * 1024  # bytes: what is smaller costs less to copy than to be kept apart
_KNOWN_HEADS, _KNOWN_SIZE = 64, 256  # so many heads of at most so many bytes are remembered


class Frames(NamedTuple):
    """Frames that follow one another and have the same headers.

    Timestamps in headers are integers: milliseconds since the epoch, of which not all fit a datetime.

    Attributes:
        headers: The headers of each of them.
        payloads: What each of them carries; see `FrameDecoder.views`.
        start: Where in the input the first of them begins.
        overhead: How many bytes each of them has beside its payload.
    """

    headers: Mapping[str, HeaderValue]
    payloads: list[Any]
    start: int
    overhead: int

    def offset(self, index: int) -> int:
        """Return where in the input a frame begins; with the number of frames: where the last one ends."""
        return self.start + index * self.overhead + sum(map(len, self.payloads[:index]))


class FrameHead(NamedTuple):
    """The bytes before a frame's payload. Its lengths are checked; its headers wait for its checksum.

    Attributes:
        raw: These bytes.
        total: The bytes of the whole frame.
        checksum: That of `raw`, from which the frame's goes on.
        block: The headers; heads with the same headers share it.
    """

    raw: bytes
    total: int
    checksum: int
    block: bytes


_frames: Callable[[tuple[Any, ...]], Frames] = partial(tuple.__new__, Frames)  # without a Python function
_NO_HEAD = FrameHead(b"", 0, 0, b"")


class FrameDecoder:
    """Decodes bytes into frames; both checksums are verified before anything of a frame is used or returned.

    The default limits are those of botocore: 128 KiB of headers and 24 MiB of payload in a frame.

    Attributes:
        wanted: How many bytes are missing from the frame whose head is there; 0: none is.
        views: Whether a payload may be a view of what was taken in, where another decoder reads it next.
    """

    __slots__ = (
        "_block",
        "_crc32",
        "_headers",
        "_heads",
        "_last",
        "_max_headers",
        "_max_payload",
        "_open",
        "_parsed",
        "_parts",
        "_rest",
        "_start",
        "error",
        "views",
        "wanted",
    )

    def __init__(self, *, max_headers: int = 128 * 1024, max_payload: int = 24 * 1024 * 1024) -> None:
        self.error: WireError | None = None
        self.wanted: int = 0
        self.views: bool = False
        self._max_headers = max_headers
        self._max_payload = max_payload
        self._crc32 = crc32_function()
        self._start = 0  # where in the input the next frame begins
        self._rest = b""  # the beginning of that frame, if it is small, or of its head
        self._open: FrameHead | None = None  # of that frame, if it is large
        self._parts: list[BytesLike] = []  # of what follows that head
        self._block = b""
        self._parsed = b""
        self._headers: Mapping[str, HeaderValue] = MappingProxyType({})
        self._heads: dict[bytes, FrameHead] = {}
        self._last: FrameHead | None = None

    @property
    def inside_frame(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return self._open is not None or bool(self._rest)

    @property
    def begun(self) -> Sequence[BytesLike]:
        """What is there of a large frame that is not complete, in parts."""
        return [] if self._open is None else [self._open.raw, *self._parts]

    @property
    def offset(self) -> int:
        """How many bytes of the input the frames so far took."""
        return self._start

    def joined(self, pieces: Sequence[BytesLike]) -> Iterator[bytes | memoryview]:
        """Return the pieces, small ones joined, each behind what was kept when it is its turn."""
        if len(pieces) > 1 and sum(map(len, pieces)) < len(pieces) * _LARGE:
            pieces = [b"".join([self._take_rest(), *pieces])]
        for piece in pieces:
            if self._rest:
                yield b"".join([self._take_rest(), piece])
            else:
                yield piece if isinstance(piece, memoryview) else bytes(piece)

    def _take_rest(self) -> bytes:
        rest, self._rest = self._rest, b""
        if rest:
            self.wanted = 0
        return rest

    def receive(self, data: BytesLike) -> list[Frames]:
        """Take bytes in; return the frames that are complete by now."""
        return self.receive_each([data])

    def receive_each(self, pieces: Sequence[BytesLike]) -> list[Frames]:
        """Decode pieces; return the frames that are complete by now.

        Args:
            pieces: Small ones are joined; a view of bytes is read without being copied first.
        """
        if self.error:
            raise self.error
        found: list[Frames] = []
        try:
            for piece in self.joined(pieces):
                if isinstance(piece, memoryview):
                    self._read_view(piece, found)
                else:
                    self._read_frames(piece, found)
        except WireError as error:
            self.error = error
            self._rest, self._open, self._parts, self.wanted = b"", None, [], 0
            if not found:
                raise
        return found

    def head_at(self, data: bytes | memoryview, position: int, offset: int) -> FrameHead | None:
        """Read a frame's head; return None where not all of it is there."""
        known = self._heads.get(bytes(data[position : position + _PRELUDE.size + len(self._block)]))
        if known is not None:
            return known
        if len(data) - position < _PRELUDE.size:
            return None
        total, size = self._lengths_at(data, position, offset)
        raw = bytes(data[position : position + size])
        return self._learn(raw, total) if len(raw) == size else None

    def headers_of(self, head: FrameHead) -> Mapping[str, HeaderValue] | None:
        """Return the headers of a frame with this head if they are those of the last frame, else None."""
        return self._headers if head.block == self._parsed else None

    def passed(self, size: int) -> None:
        """Go on behind frames that another decoder has read: so many bytes since the last whole frame."""
        self._open, self._parts, self.wanted = None, [], 0
        self._start += size

    def finish(self) -> list[Frames]:
        """The input has ended: raise TruncatedInputError if that was inside a frame."""
        if self.error:
            raise self.error
        if self.inside_frame:
            total = self._open.total if self._open is not None else self._announced(self._rest)
            arrived = len(self._rest) if self._open is None else total - self.wanted
            wanted = f" of {total}" if total else ""
            self.error = TruncatedInputError(
                f"the stream ended inside a frame: {arrived} bytes{wanted} had arrived", self._start
            )
            raise self.error
        return []

    def _read_frames(self, data: bytes, found: list[Frames]) -> None:
        """Read the frames that are complete, and keep the beginning of the next one.

        This loop decides what a small frame costs. Nearly every frame begins with bytes that an earlier one
        began with: their lengths are checked, and the frame's checksum goes on from theirs.
        """
        position = 0 if self._open is None else self._go_on(data, 0, found)
        crc32, unpack, size, origin = self._crc32, _CHECKSUM.unpack_from, len(data), self._start - position
        head = self._last
        raw, total, begun, block = head or _NO_HEAD
        before: bytes | None = None
        payloads: list[bytes] = []
        try:
            while position < size:
                if head is None or not data.startswith(raw, position):
                    head = self.head_at(data, position, origin + position)
                    if head is None:
                        break
                    raw, total, begun, block = head
                end = position + total
                if end > size:
                    break
                payload = data[position + len(raw) : end - 4]
                if crc32(payload, begun) != unpack(data, end - 4)[0]:
                    raise CorruptInputError("the checksum of a frame is wrong", origin + position)
                if block is not before:
                    before, payloads = block, self._group(head, origin + position, found)
                payloads.append(payload)
                position = end
        finally:
            self._last = head
            self._start = origin + position
        if position < size:
            self._keep(head, data, position, found)

    def _read_view(self, data: memoryview, found: list[Frames]) -> None:
        """Read large frames, copying their payloads only; small ones are copied together first."""
        size = len(data)
        position = 0 if self._open is None else self._go_on(data, 0, found)
        while position < size:
            head = self.head_at(data, position, self._start)
            if head is None or head.total < _LARGE:
                self._read_frames(bytes(data[position:]), found)
                break
            start, end = position + len(head.raw), position + head.total
            if end > size:
                self._keep(head, data, position, found)
                break
            self._add_frame(head, data[start : end - 4], data[end - 4 : end], found)
            position = end

    def _keep(
        self, head: FrameHead | None, data: bytes | memoryview, position: int, found: list[Frames]
    ) -> None:
        """Keep a frame's beginning until the rest arrives; a small frame is then read anew from its start."""
        if head is None or head.total < _LARGE:
            self._rest = bytes(data[position:])
            self.wanted = 0 if head is None else head.total - len(self._rest)
        else:
            self._open, self._parts, self.wanted = head, [], head.total - len(head.raw)
            self._go_on(data, position + len(head.raw), found)

    def _go_on(self, data: bytes | memoryview, position: int, found: list[Frames]) -> int:
        """Take what follows the head of the open frame; return where in the data that ends."""
        part = memoryview(data)[position : position + self.wanted]
        last = self._parts[-1] if self._parts else b""
        if len(part) >= _LARGE:
            self._parts.append(part)
        elif isinstance(last, bytearray):
            last += part
        else:
            self._parts.append(bytearray(part))
        self.wanted -= len(part)
        if not self.wanted:
            self._complete_frame(found)
        return position + len(part)

    def _complete_frame(self, found: list[Frames]) -> None:
        head, parts = self._open, self._parts
        assert head is not None
        last = parts.pop()
        while len(last) < _CHECKSUM.size:
            last = b"".join([parts.pop(), last])
        payload = b"".join([*parts, memoryview(last)[: -_CHECKSUM.size]])
        self._add_frame(head, payload, last[-_CHECKSUM.size :], found)
        self._open, self._parts = None, []

    def _add_frame(
        self, head: FrameHead, payload: bytes | memoryview, checksum: BytesLike, found: list[Frames]
    ) -> None:
        """Check a whole frame, and hand it out."""
        if self._crc32(payload, head.checksum) != _CHECKSUM.unpack(checksum)[0]:
            raise CorruptInputError("the checksum of a frame is wrong", self._start)
        self._group(head, self._start, found).append(payload if self.views else bytes(payload))
        self._start += head.total
        self._last = head

    def _group(self, head: FrameHead, start: int, found: list[Frames]) -> list[Any]:
        """Return the list for a frame's payload: the last one, if its frames have the same headers."""
        is_parsed = head.block == self._parsed  # nearly all frames of a stream have the same headers
        headers = self._headers if is_parsed else self._read_headers(head.block, start)
        if not found or found[-1].headers is not headers:
            found.append(_frames((headers, [], start, len(head.raw) + _CHECKSUM.size)))
        return found[-1].payloads

    def _announced(self, rest: bytes) -> int:
        """Return the size of a frame that begins with these bytes; 0: it is not known yet."""
        return self._lengths_at(rest, 0, self._start)[0] if len(rest) >= _PRELUDE.size else 0

    def _learn(self, raw: bytes, total: int) -> FrameHead:
        block = raw[_PRELUDE.size :]
        if block != self._block:
            self._block = block
        head = FrameHead(raw, total, self._crc32(raw, 0), self._block)
        if len(self._heads) >= _KNOWN_HEADS:
            self._heads.clear()
        if len(raw) <= _KNOWN_SIZE:
            self._heads[raw] = head
        return head

    def _lengths_at(self, data: BytesLike, position: int, offset: int) -> tuple[int, int]:
        """Return a frame's size, and that of its head."""
        total, headers_length, checksum = _PRELUDE.unpack_from(data, position)
        # Nothing is allocated or waited for by a length whose checksum is wrong.
        if self._crc32(bytes(data[position : position + 8]), 0) != checksum:
            raise CorruptInputError("the checksum of a frame's lengths is wrong", offset)
        if headers_length > self._max_headers:
            raise CorruptInputError(
                f"a frame announces {headers_length} bytes of headers, the limit is {self._max_headers}",
                offset,
            )
        payload_length = total - headers_length - _OVERHEAD
        if payload_length < 0:
            raise CorruptInputError(
                f"a frame's lengths contradict each other: {total}, {headers_length}", offset
            )
        if payload_length > self._max_payload:
            raise CorruptInputError(
                f"a frame announces {payload_length} bytes of payload, the limit is {self._max_payload}",
                offset,
            )
        return total, _PRELUDE.size + headers_length

    def _read_headers(self, block: bytes, offset: int) -> Mapping[str, HeaderValue]:
        try:
            self._headers = _known_headers(block) if len(block) <= _KNOWN_SIZE else _frozen_headers(block)
        except WireError as error:
            raise CorruptInputError(error.message, offset + _PRELUDE.size + (error.offset or 0)) from None
        self._parsed = block
        return self._headers


def _frozen_headers(block: bytes) -> Mapping[str, HeaderValue]:
    return MappingProxyType(parse_headers(block))


_known_headers = lru_cache(maxsize=64)(_frozen_headers)  # Lambda writes the same few for every stream


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
    block = encode_headers(headers)
    lengths = struct.pack("!II", _OVERHEAD + len(block) + len(payload), len(block))
    head = lengths + _CHECKSUM.pack(crc32(lengths, 0)) + block + payload
    return head + _CHECKSUM.pack(crc32(head, 0))


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Build the headers of a frame, as `encode_frame` does."""
    return b"".join(_encode_header(name, value) for name, value in headers.items())


def _encode_header(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    if len(raw_name) > 0xFF or len(raw_value) > 0xFFFF:
        raise ValueError(f"the header {name[:40]!r} is too long for a frame")
    return bytes([len(raw_name)]) + raw_name + bytes([_STRING]) + _UINT16.pack(len(raw_value)) + raw_value
