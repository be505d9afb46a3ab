"""Finds the chunk boundaries in a function's response, for faults that count chunks."""

import struct

from streamify_server.response import PRELUDE_CONTENT_TYPE
from streamify_server.wire.verified import CONTENT_TYPE as VERIFIED

_NULS = bytes(8)
_FRAME_OVERHEAD = 16
_MAX_FRAME = 32 * 1024 * 1024
_MAX_PRELUDE = 1024 * 1024
# The headers of a data frame: `:event-type: data`, as a string.
_DATA_HEADERS = b"\x0b:event-type\x07\x00\x04data"


class ChunkGate:
    """Passes the first chunks of a response, and everything before and between them.

    A chunk is what the handler yielded or wrote: in a verified stream a data frame, otherwise a piece as it
    left the function. A prelude is not a chunk, nor are the other frames of a verified stream.

    Args:
        limit: How many chunks to pass; 0 passes nothing.
        content_type: The content type that the function posted.
    """

    def __init__(self, limit: int, content_type: str) -> None:
        self.over: bool = limit == 0
        self._left = limit
        self._prelude = b"" if content_type == PRELUDE_CONTENT_TYPE else None
        self._framed = content_type == VERIFIED
        self._frame = b""

    def take(self, piece: bytes) -> bytes:
        """Return the part of the next piece that passes."""
        if self.over:
            return b""
        head = self._rest_of_prelude(piece)
        body = piece[head:]
        if not body:
            return piece
        return piece[: head + (self._frames(body) if self._framed else self._whole(body))]

    def _rest_of_prelude(self, piece: bytes) -> int:
        if self._prelude is None:
            return 0
        before = len(self._prelude)
        self._prelude += piece
        end = self._prelude.find(_NULS)
        if end < 0 and len(self._prelude) <= _MAX_PRELUDE:
            return len(piece)
        if end < 0:  # too long for a prelude
            self._prelude = None
            return len(piece)
        self._framed = VERIFIED.encode() in self._prelude[:end]
        self._prelude = None
        return end + len(_NULS) - before

    def _whole(self, body: bytes) -> int:
        self._count()
        return len(body)

    def _frames(self, body: bytes) -> int:
        """Return how many bytes of the body belong to frames that pass; one may have begun earlier."""
        held = len(self._frame)
        data, at = self._frame + body, 0
        while not self.over and len(data) - at >= _FRAME_OVERHEAD:
            total, headers = struct.unpack_from(">II", data, at)
            if not _FRAME_OVERHEAD <= total <= _MAX_FRAME:
                self._framed = False  # no valid frame, so it is not a verified stream
                return len(body)
            if len(data) - at < total:
                break
            if data[at + 12 : at + 12 + headers] == _DATA_HEADERS:
                self._count()
            at += total
        self._frame = data[at:]
        return at - held if self.over else len(body)

    def _count(self) -> None:
        self._left -= 1
        self.over = self._left == 0
