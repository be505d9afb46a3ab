r"""Lines: ``\n`` and ``\r\n`` end one, and nothing else does; a lone ``\r`` and U+2028 are content."""

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn

from . import BytesLike
from .errors import TooLargeError, UndecodableTextError, WireError
from .text import TextDecoder, is_plain

_CONVERTED = ("utf-8", "surrogatepass")
MAX_ITEM = 16 * 1024 * 1024
"""The default limit, in bytes, of one line, JSON value or event."""


class RawLine(NamedTuple):
    """A line without its end, its number (from 1), and where it begins in the input."""

    raw: bytes
    number: int
    offset: int


class LineCutter:
    r"""Cuts bytes behind their last ``\n``; every byte is looked at once, however small the pieces are.

    Attributes:
        rest: The beginning of a line that is not complete.
    """

    def __init__(self, max_size: int) -> None:
        self.rest: bytearray = bytearray()
        self._max_size = max_size
        self._block = b""
        self._offset = 0  # of the block in the input
        self._number = 1  # of its first line

    @property
    def begun(self) -> bool:
        """Whether a block was cut before the current one."""
        return self._offset > 0

    def receive(self, data: BytesLike) -> bytes:
        """Take bytes in; return the lines that are complete now, with their ends."""
        self.forget()
        if type(data) is not bytes:
            data = bytes(data)
        end = data.rfind(b"\n") + 1
        if not end:
            self.rest += data
            return b""
        self._block = b"".join((self.rest, memoryview(data)[:end])) if self.rest else data[:end]
        self.rest = bytearray(data[end:])
        return self._block

    def forget(self) -> None:
        """Let go of the block: all its lines were handed out."""
        self._offset += len(self._block)
        self._number += self._block.count(b"\n")
        self._block = b""

    @property
    def sure(self) -> bool:
        """Whether no line of the block can be longer than the limit."""
        return len(self._block) <= self._max_size

    def lines(self) -> Iterator[RawLine]:
        """Yield the lines of the block.

        Raises:
            TooLargeError: One of them is longer than the limit.
        """
        offset = self._offset
        for number, raw in enumerate(self._block.split(b"\n")[:-1], self._number):
            line = RawLine(raw.removesuffix(b"\r"), number, offset)
            self._check(line.raw, number, offset)
            yield line
            offset += len(raw) + 1

    def check_rest(self) -> None:
        r"""Raise TooLargeError where the line under way is too long; a ``\r`` may belong to its end."""
        size = len(self.rest) - self.rest.endswith(b"\r")
        if size > self._max_size:
            self._refuse(self._number + self._block.count(b"\n"), self._offset + len(self._block))

    def last(self) -> RawLine | None:
        r"""Return the line that the end of the input ended, None if there is none; its ``\r`` is content."""
        if not self.rest:
            return None
        number, offset = self._number + self._block.count(b"\n"), self._offset + len(self._block)
        raw, self.rest = bytes(self.rest), bytearray()
        self._offset, self._number, self._block = offset, number, raw
        self._check(raw, number, offset)
        return RawLine(raw, number, offset)

    def unread(self, used: int, counts: Callable[[RawLine], object] = bool) -> bytes:
        """Return what follows the lines that were handed out.

        Args:
            used: How many lines of the block were handed out.
            counts: Whether a line is one that is handed out at all.
        """
        position = 0
        for raw in self._block.split(b"\n"):
            if not used:
                break
            used -= bool(counts(RawLine(raw.removesuffix(b"\r"), 0, self._offset + position)))
            position += len(raw) + 1
        return self._block[position:] + self.rest

    def _check(self, raw: bytes, number: int, offset: int) -> None:
        if len(raw) > self._max_size:
            self._refuse(number, offset)

    def _refuse(self, number: int, offset: int) -> NoReturn:
        raise TooLargeError(f"line {number} is longer than {self._max_size} bytes", offset)


class LineDecoder:
    """Turns bytes into lines of text, without their ends, each as soon as it is complete.

    Args:
        encoding: A text encoding of Python's codecs.
        errors: What to do with bytes that are not text: a handler of Python's codecs.
        max_size: How long a line may be, in bytes (of UTF-8, where `encoding` has to be converted first).

    Raises:
        LookupError: There is no such text encoding or error handler.
    """

    def __init__(self, encoding: str = "utf-8", errors: str = "strict", *, max_size: int = MAX_ITEM) -> None:
        self.error: WireError | None = None
        self._text: TextDecoder | None = None
        codecs.lookup_error(errors)
        self._codec = encoding, errors
        if not is_plain(encoding):
            self._text, self._codec = TextDecoder(encoding, errors), _CONVERTED
        self._at_once = errors == "strict" or self._text is not None
        self._cutter = LineCutter(max_size)
        self._count = 0  # lines of the last block

    def receive(self, data: BytesLike) -> list[str]:
        """Take bytes in; return the lines that are complete by now."""
        if self.error:
            raise self.error
        lines: list[str] = []
        try:
            if self._text is None:
                self._take(data, lines)
            else:
                self._convert(self._text.receive(data), lines)
        except WireError as error:
            self._keep(error, lines)
        self._count = len(lines)
        return lines

    def finish(self) -> list[str]:
        """The input has ended: return the last line, if it did not end with a line feed."""
        if self.error:
            raise self.error
        lines: list[str] = []
        try:
            if self._text is not None:
                self._convert(self._text.finish(), lines)
            if (last := self._cutter.last()) is not None:
                lines.append(self._decode(last))
        except WireError as error:
            self._keep(error, lines)
        self._count = len(lines)
        return lines

    def unread(self, left: Sequence[str] = ()) -> list[bytes] | None:
        """Return the bytes of which no line was handed out, so that something else can read on.

        None if nothing else can: after a byte order mark or a shift the rest cannot be read for itself.

        Args:
            left: Those of the last lines that were not handed out.
        """
        return None if self._text else [self._cutter.unread(self._count - len(left))]

    def forget(self) -> None:
        """All lines were handed out: keep no more of the input than a line that has begun."""
        self._cutter.forget()
        self._count = 0

    def _keep(self, error: WireError, lines: list[str]) -> None:
        self.error = error
        if not lines:
            raise error

    def _convert(self, texts: list[str], lines: list[str]) -> None:
        assert self._text is not None
        self._take("".join(texts).encode(*_CONVERTED), lines)
        if self._text.error:
            raise self._text.error

    def _take(self, data: BytesLike, lines: list[str]) -> None:
        if block := self._cutter.receive(data):
            self._cut(block, lines)
        self._cutter.check_rest()

    def _cut(self, block: bytes, lines: list[str]) -> None:
        if self._at_once and self._cutter.sure:
            with suppress(UnicodeDecodeError):
                text = block.decode(*self._codec)
                lines += text.split("\n")
                lines.pop()
                if "\r" in text:
                    lines[:] = [line.removesuffix("\r") for line in lines]
                return
        lines.extend(map(self._decode, self._cutter.lines()))

    def _decode(self, line: RawLine) -> str:
        try:
            return line.raw.decode(*self._codec)
        except UnicodeDecodeError as error:
            raise undecodable(error, self._codec[0], line.offset) from None


def undecodable(error: UnicodeDecodeError, encoding: str, start: int) -> UndecodableTextError:
    """Say where in the input the bytes are not text; what was decoded began at `start`."""
    offset = start + error.start
    return UndecodableTextError(f"byte {offset} is not {encoding}: {error.reason}", offset)
