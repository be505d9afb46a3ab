"""Decode HTTP/1.1's chunked transfer coding in bulk.

Source: https://www.rfc-editor.org/rfc/rfc9112#section-7.1
"""

import math

from .errors import CorruptInputError, TooLargeError, TruncatedInputError, WireError

MAX_LINE = 4096
"""The limit, in bytes, of the line before a chunk (its size and its extensions) and of one trailer line."""

MAX_TRAILERS = 64 * 1024
"""The limit, in bytes, of all trailer lines of a body."""

_CRLF = b"\r\n"
_HEX = frozenset(b"0123456789abcdefABCDEF")
_MAX_DIGITS = 16  # 64 bits
_KNOWN_SIZES = 256
_LARGE = 16 * 1024  # bytes: copying a piece costs more than looking at it through a view


class ChunkedDecoder:
    """Decodes the bytes of a chunked body.

    A chunk that arrives at once is one piece. A chunk that spans several reads is returned as several pieces,
    each as soon as it has arrived. An error after good data is raised by the next call.

    Args:
        views: Whether large pieces are memoryviews of the input instead of copies.

    Attributes:
        complete: Whether the body has ended.
        over: Whether nothing more can follow: the body has ended, or is broken.
        error: The error after the returned data, if any; the next call raises it.
        rest: Bytes after the end of the body, to be discarded.
    """

    __slots__ = (
        "_held",
        "_in_trailers",
        "_large",
        "_left",
        "_sizes",
        "_trailers",
        "complete",
        "error",
        "over",
        "rest",
    )

    def __init__(self, *, views: bool = False) -> None:
        self.complete: bool = False
        self.over: bool = False
        self.rest: bytes = b""
        self._held = b""  # the beginning of a line, or of a line end
        self._left: int | None = (
            None  # bytes of the current chunk that are still to come; None: at a size line
        )
        self._in_trailers = False
        self._trailers = 0
        self._large: float = _LARGE if views else math.inf
        self.error: WireError | None = None
        self._sizes: dict[bytes, int] = {}  # most chunks of a stream have one of a few sizes

    def receive(self, data: bytes) -> list[bytes | memoryview]:
        """Decode bytes; return the data in them, without empty pieces.

        Raises:
            WireError: The bytes are not a chunked body.
        """
        if self.error is not None:
            raise self.error
        if self._held:
            data, self._held = self._held + data, b""
        if self.complete:
            self.rest += data
            return []
        pieces: list[bytes | memoryview] = []
        try:
            position = 0 if self._in_trailers else self._cut(data, pieces)
            if self._in_trailers:
                self._skip_trailers(data, position)
        except WireError as error:
            self.error, self.over = error, True
            if not pieces:
                raise
        return pieces

    def finish(self) -> list[bytes | memoryview]:
        """The connection has ended; raise unless the body had ended before.

        Raises:
            WireError: The body is not complete.
        """
        if self.error is not None:
            raise self.error
        if not self.complete:
            raise TruncatedInputError("the chunked body has no end")
        return []

    def _cut(self, data: bytes, pieces: list[bytes | memoryview]) -> int:
        """Append the data of all chunks; return where the trailers begin, or the end of what is used."""
        position, size = 0, len(data)
        if self._left is not None:
            position = self._end_open_chunk(data, self._left, 0, pieces)
            if position < 0:
                return size
        find, is_at, known, append = data.find, data.startswith, self._sizes.get, pieces.append
        large = self._large
        while position < size:
            line_end = find(_CRLF, position)
            if line_end < 0:
                self._hold(data, position)
                break
            line = data[position:line_end]
            length = known(line)
            if length is None:
                length = self._size(line)
            start = line_end + 2
            if not length:
                self._in_trailers = True
                return start
            end = start + length
            if not is_at(_CRLF, end):  # the common case is a whole chunk
                position = self._end_open_chunk(data, length, start, pieces)
                if position < 0:
                    break
                continue
            append(data[start:end] if length < large else memoryview(data)[start:end])
            position = end + 2
        return size

    def _end_open_chunk(self, data: bytes, left: int, position: int, pieces: list[bytes | memoryview]) -> int:
        """Append what there is of a chunk's rest; return where the next one begins, -1 if that is to come."""
        end = position + left
        if size := min(left, len(data) - position):
            whole = data if size < self._large else memoryview(data)
            pieces.append(whole[position : position + size])
        self._left = left - size
        line_end = data[end : end + 2]
        if not _CRLF.startswith(line_end):
            raise CorruptInputError("a chunk does not end where its size says")
        if line_end != _CRLF:
            self._held = line_end
            return -1
        self._left = None
        return end + 2

    def _size(self, line: bytes) -> int:
        digits = line.partition(b";")[0].rstrip(b" \t")
        if len(line) > MAX_LINE:
            raise TooLargeError(f"the line before a chunk is longer than {MAX_LINE} bytes")
        if not digits or len(digits) > _MAX_DIGITS or not _HEX.issuperset(digits):
            raise CorruptInputError(f"{digits[:20]!r} is not the size of a chunk")
        size = int(digits, 16)
        if len(self._sizes) < _KNOWN_SIZES:
            self._sizes[line] = size
        return size

    def _hold(self, data: bytes, position: int) -> None:
        """Keep the beginning of a line for the next call."""
        if len(data) - position > MAX_LINE:
            raise TooLargeError(f"a line of the chunked coding is longer than {MAX_LINE} bytes")
        self._held = data[position:]

    def _skip_trailers(self, data: bytes, position: int) -> None:
        while (line_end := data.find(_CRLF, position)) >= 0:
            if line_end == position:
                self.complete = self.over = True
                self.rest = data[line_end + 2 :]
                return
            self._trailers += line_end + 2 - position
            if line_end - position > MAX_LINE or self._trailers > MAX_TRAILERS:
                raise TooLargeError("the trailers of the chunked body are too large")
            position = line_end + 2
        self._hold(data, position)
