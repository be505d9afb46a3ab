"""A verified stream in the frames of an event stream, as InvokeWithResponseStream sends it.

What a function writes at once comes in one frame, as a rule, so that each frame of the event stream carries
exactly one of the verified stream. Such pairs are read in one loop: both heads are known bytes, the payload
is copied once, and one pass over it tells whether both checksums are right. All else goes through the two
decoders one after the other.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from . import BytesLike
from .checksum import crc32_function
from .errors import WireError
from .events import EventDecoder
from .eventstream import FrameHead
from .verified import VerifiedDecoder

_CHECKSUMS = struct.Struct("!II")
_LARGE = 16 * 1024  # bytes: a pair of this size is learned when it is met again, and a smaller one at once
_KNOWN_PAIRS, _KNOWN_SIZE = 64, 512  # so many pairs, whose heads have at most so many bytes, are remembered


class _Pair(NamedTuple):
    """Two frames, one inside the other, by what stands before their payload.

    CRC-32 is linear: over the same bytes, two checksums that went on from different values differ by what
    they differ by over zeros. So the outer frame's follows from the inner one's.
    """

    heads: bytes
    total: int  # bytes of the outer frame
    checksum: int  # of the inner head: that of its frame goes on from here
    difference: int  # between both checksums, behind the payload


_NONE = _Pair(b"\xff", 0, 0, 0)  # no frame begins like this: it would be too large


class NestedDecoder:
    """Decodes the bytes of an event stream into the body of the verified stream in it.

    Args:
        events: The decoder of the event stream, between two reads.
        verified: The decoder of its payloads.
    """

    __slots__ = ("_crc32", "_events", "_last", "_met", "_pairs", "_verified")

    def __init__(self, events: EventDecoder, verified: VerifiedDecoder) -> None:
        self._events = events
        self._verified = verified
        self._crc32 = crc32_function()
        self._pairs: dict[bytes, _Pair] = {}
        self._met: set[bytes] = set()  # heads of large pairs that came once
        self._last = _NONE

    def receive_each(self, pieces: Sequence[BytesLike]) -> list[bytes]:
        """Decode pieces; return the chunks that are complete by now. Each decoder keeps its own error."""
        outer = self._events.frames
        chunks: list[bytes] = []
        try:
            for piece in outer.joined(pieces):
                position = 0
                if 0 < outer.wanted <= len(piece):
                    position = outer.wanted
                    self._complete(memoryview(piece)[:position], chunks)
                if not outer.inside_frame:
                    position = self._read_pairs(piece, position, chunks)
                if position < len(piece):
                    self._decode(piece[position:] if position else piece, chunks)
                if self._events.error is not None or self._verified.error is not None:
                    break
        except WireError:
            if not chunks:
                raise
        return chunks

    def _decode(self, piece: BytesLike, chunks: list[bytes]) -> None:
        chunks += self._verified.receive_each(self._events.receive_each([piece]))

    def _complete(self, rest: memoryview, chunks: list[bytes]) -> None:
        """Read the large frame that was not complete, of which this is the rest."""
        before = len(chunks)
        head, first, *others = self._events.frames.begun
        inner_head = first[: max(len(self._last.heads) - len(head), 0)]
        if b"".join([head, inner_head]) in self._pairs:
            self._read_pairs(b"".join([head, first, *others, rest]), 0, chunks)
        if len(chunks) == before:
            self._decode(rest, chunks)

    def _read_pairs(self, data: bytes | memoryview, position: int, chunks: list[bytes]) -> int:
        """Read pairs while they come; return where something else, or a pair that is not right, begins."""
        if self._events.last or self._verified.last or self._verified.frames.inside_frame:
            return position
        crc32, unpack, size = self._crc32, _CHECKSUMS.unpack_from, len(data)
        begin, before = position, len(chunks)
        heads, total, begun, difference = self._last
        while position < size:
            start = position + len(heads)
            if data[position:start] != heads:
                if (pair := self._pair_at(data, position)) is None:
                    break
                self._last = heads, total, begun, difference = pair
                start = position + len(heads)
            end = position + total
            if end > size:
                break
            payload = data[start : end - 8]
            if not isinstance(payload, bytes):
                payload = bytes(payload)
            checksum, outer_checksum = unpack(data, end - 8)
            if crc32(payload, begun) != checksum:
                break
            if crc32(data[end - 8 : end - 4], checksum ^ difference) != outer_checksum:
                break
            chunks.append(payload)
            position = end
        if position > begin:
            self._events.frames.passed(position - begin)
            self._verified.passed(chunks[before:])
        return position

    def _pair_at(self, data: bytes | memoryview, position: int) -> _Pair | None:
        """Return the pair whose heads stand here, or None."""
        known = self._pairs.get(bytes(data[position : position + len(self._last.heads)]))
        if known is not None:
            return known
        try:
            outer = self._events.frames.head_at(data, position, position)
            if outer is None or not self._events.is_payload(outer):
                return None
            inner = self._verified.frames.head_at(data, position + len(outer.raw), position)
        except WireError:
            return None  # the decoders tell where, and what is wrong
        if inner is None or not self._verified.is_data(inner):
            return None
        heads = outer.raw + inner.raw
        if outer.total != len(outer.raw) + inner.total + 4 or len(heads) > _KNOWN_SIZE:
            return None
        if outer.total >= _LARGE and heads not in self._met:
            if len(self._met) >= _KNOWN_PAIRS:
                self._met.clear()
            self._met.add(heads)
            return None
        return self._learn(heads, outer, inner)

    def _learn(self, heads: bytes, outer: FrameHead, inner: FrameHead) -> _Pair:
        crc32, zeros = self._crc32, bytes(inner.total - len(inner.raw) - 4)
        behind_heads = crc32(inner.raw, outer.checksum)
        difference = crc32(zeros, behind_heads) ^ crc32(zeros, inner.checksum)
        if len(self._pairs) >= _KNOWN_PAIRS:
            self._pairs.clear()
        self._pairs[heads] = pair = _Pair(heads, outer.total, inner.checksum, difference)
        return pair
