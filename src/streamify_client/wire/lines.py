r"""Lines: ``\n`` and ``\r\n`` end one, and nothing else does; a lone ``\r`` and U+2028 are content."""

from collections.abc import Iterator
from typing import NamedTuple

from . import BytesLike
from .errors import TooLargeError, UndecodableTextError, WireError
from .text import TextDecoder, is_plain

MAX_ITEM = 16 * 1024 * 1024
"""The default limit, in bytes, of one line, JSON value or event."""


class RawLine(NamedTuple):
    """A line without its end, its number (from 1), and where it begins in the input."""

    raw: bytes
    number: int
    offset: int


class LineCutter:
    r"""Cuts bytes at each ``\n``; every byte is looked at once, however small the pieces are."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._buffer = bytearray()
        self._searched = 0
        self._offset = 0
        self._number = 1

    def append(self, data: BytesLike) -> None:
        """Take bytes in."""
        self._buffer += data

    def next(self) -> RawLine | None:
        """Return the next whole line, None if there is none yet.

        Raises:
            TooLargeError: The line, finished or not, is longer than the limit.
        """
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > self._max_size:  # a \r at the end may turn out to belong to the line's end
                self._check(self._buffer)
            return None
        return self._cut(end, end + 1)

    def last(self) -> RawLine | None:
        r"""Return the line that the end of the input ended, None if there is none; its ``\r`` is content."""
        size = len(self._buffer)
        return self._cut(size, size, last=True) if size else None

    def unread(self) -> bytes:
        """Return the bytes of which no line was handed out."""
        return bytes(self._buffer)

    def _cut(self, end: int, after: int, *, last: bool = False) -> RawLine:
        raw = bytes(self._buffer[:end])
        if not last:
            raw = raw.removesuffix(b"\r")
        self._check(raw, last=last)
        line = RawLine(raw, self._number, self._offset)
        del self._buffer[:after]
        self._searched = 0
        self._offset += after
        self._number += 1
        return line

    def _check(self, raw: bytes | bytearray, *, last: bool = False) -> None:
        size = len(raw) - (not last and raw.endswith(b"\r"))
        if size > self._max_size:
            raise TooLargeError(f"line {self._number} is longer than {self._max_size} bytes", self._offset)


class LineDecoder:
    """Turns bytes into lines of text, without their ends, each as soon as it is complete.

    Args:
        encoding: A text encoding of Python's codecs.
        errors: What to do with bytes that are no text: a handler of Python's codecs.
        max_size: How long a line may be, in bytes (of UTF-8, where `encoding` has to be converted first).

    Raises:
        LookupError: There is no such text encoding or error handler.
    """

    def __init__(self, encoding: str = "utf-8", errors: str = "strict", *, max_size: int = MAX_ITEM) -> None:
        self._text = TextDecoder(encoding, errors)
        self._encoding, self._errors = encoding, errors
        self._direct = is_plain(encoding)
        self._cutter = LineCutter(max_size)
        self._error: WireError | None = None

    def feed(self, data: BytesLike) -> Iterator[str]:
        """Take bytes in; return the lines that are complete by now."""
        if self._direct:
            self._cutter.append(data)
            return self._lines(())
        return self._lines(self._text.feed(data))

    def finish(self) -> list[str]:
        """The input has ended: return the last line, if it had no end of its own."""
        lines = list(self._lines(() if self._direct else iter(self._text.finish())))
        if (last := self._cutter.last()) is not None:
            lines.append(self._decode(last))
        return lines

    def unread(self) -> bytes | None:
        """Return the bytes of which no line was taken, so that something else can read on.

        None if nothing else can: after a byte order mark or a shift the rest cannot be read for itself.
        """
        return self._cutter.unread() if self._direct else None

    def _lines(self, texts: Iterator[str] | tuple[()]) -> Iterator[str]:
        if self._error:
            raise self._error
        try:
            yield from self._whole_lines()
            for text in texts:
                self._cutter.append(text.encode("utf-8", "surrogatepass"))
                yield from self._whole_lines()
        except WireError as error:
            self._error = error
            raise

    def _whole_lines(self) -> Iterator[str]:
        while (line := self._cutter.next()) is not None:
            yield self._decode(line)

    def _decode(self, line: RawLine) -> str:
        if not self._direct:
            return line.raw.decode("utf-8", "surrogatepass")
        try:
            return line.raw.decode(self._encoding, self._errors)
        except UnicodeDecodeError as error:
            raise undecodable(error, self._encoding, line.offset) from None


def undecodable(error: UnicodeDecodeError, encoding: str, start: int) -> UndecodableTextError:
    """Say where in the input the bytes are no text; what was decoded began at `start`."""
    offset = start + error.start
    return UndecodableTextError(f"byte {offset} is no {encoding}: {error.reason}", offset)
