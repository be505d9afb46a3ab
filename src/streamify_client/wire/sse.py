"""Server-sent events, read by the rules of the HTML standard.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

They are always UTF-8, and bytes that are none become U+FFFD. An event that no blank line ends before the
stream does is discarded, as the rules say.
"""

import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from . import BytesLike
from .errors import TooLargeError, WireError
from .lines import MAX_ITEM

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class SseFields(NamedTuple):
    """One event: its type, its data, the last event id so far, and the reconnection time so far in ms."""

    event: str
    data: str
    id: str
    retry: int | None


class SseDecoder:
    """Turns bytes into server-sent events, each at its blank line.

    Args:
        max_size: How many bytes an event may have.
    """

    def __init__(self, *, max_size: int = MAX_ITEM) -> None:
        self.error: WireError | None = None
        self._max_size = max_size
        self._rest = bytearray()  # the beginning of a line that is not complete
        self._block = b""  # the lines that were read last
        self._position = 0  # of the block in the input
        self._after_cr = False
        self._data: list[bytes] = []
        self._size = 0  # of the event under way, in bytes
        self._type = ""
        self._id = ""
        self._retry: int | None = None
        self._begun = False  # whether the event under way had data when the block began
        self._count = 0  # events of the block

    def receive(self, data: BytesLike) -> list[SseFields]:
        """Take bytes in; return the events that are complete by now."""
        if self.error:
            raise self.error
        events: list[SseFields] = []
        try:
            self._take(bytes(data), events)
        except WireError as error:
            self.error = error
            if not events:
                raise
        self._count = len(events)
        return events

    def finish(self) -> list[SseFields]:
        """The input has ended: an event that is not complete is discarded."""
        if self.error:
            raise self.error
        return []

    def unread(self, left: Sequence[object] = ()) -> list[bytes]:
        r"""Return the bytes after the last event handed out, so that something else can read on.

        Where `line_feed_due` says so, a ``\n`` that comes next is still part of what was handed out.

        Args:
            left: Those of the last events that were not handed out.
        """
        rest = self._block[self._end_of(self._count - len(left)) :]
        self._after_cr = self._after_cr and not rest
        return [rest + self._rest]

    @property
    def line_feed_due(self) -> bool:
        r"""Whether the last line ended with a ``\r`` whose ``\n`` may be the next byte to come."""
        return self._after_cr

    def forget(self) -> None:
        """All events were handed out: keep no more of the input than a line that has begun."""
        self._position += len(self._block)
        self._block, self._count = b"", 0

    def _take(self, data: bytes, events: list[SseFields]) -> None:
        self.forget()
        if not data:
            return
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._position += 1
        self._after_cr = False
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end:
            self._block = bytes(self._rest) + data[:end] if self._rest else data[:end]
            self._rest = bytearray(data[end:])
            # A \r ends the line at once; whether a \n belongs to it shows with the next byte.
            self._after_cr = not self._rest and self._block.endswith(b"\r")
            self._begun = bool(self._data)
            self._read_lines(_lines(self._block), events)
        else:
            self._rest += data
        if self._size + len(self._rest) > self._max_size:
            raise self._too_large(len(self._block))

    def _read_lines(self, lines: list[bytes], events: list[SseFields]) -> None:
        is_sure = self._size + len(self._block) <= self._max_size
        if self._position == 0 and not is_sure and len(lines[0]) > self._max_size:
            raise self._too_large(0)
        self._drop_mark(lines)
        for number, line in enumerate(lines):
            if not line:
                if self._data:
                    text = b"\n".join(self._data).decode("utf-8", "replace")
                    events.append(SseFields(self._type or "message", text, self._id, self._retry))
                    self._data = []
                self._type, self._size = "", 0
                continue
            if not is_sure and self._size + len(line) > self._max_size:
                raise self._too_large(_end_of_lines(self._block, number))
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._size += len(line)
            else:
                self._read_field(line)

    def _read_field(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(b"")
                self._size += len(line)
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if _DIGITS.fullmatch(value):
                self._retry = int(value)

    def _drop_mark(self, lines: list[bytes]) -> None:
        """Take away the byte order mark that may stand before the first line of all."""
        if self._position == 0:
            lines[0] = lines[0].removeprefix(_BOM)

    def _too_large(self, offset: int) -> TooLargeError:
        return TooLargeError(f"an event is longer than {self._max_size} bytes", self._position + offset)

    def _end_of(self, events: int) -> int:
        """Return where in the block so many events end, each with its blank line."""
        if not events:
            return 0
        has_data = self._begun
        lines = _lines(self._block)
        self._drop_mark(lines)
        for number, line in enumerate(lines, 1):
            if line:
                has_data = has_data or line.partition(b":")[0] == b"data"
                continue
            events -= has_data
            has_data = False
            if not events:
                return _end_of_lines(self._block, number)
        return len(self._block)


def _lines(block: bytes) -> list[bytes]:
    lines = _LINE_END.split(block) if b"\r" in block else block.split(b"\n")
    lines.pop()
    return lines


def _end_of_lines(block: bytes, count: int) -> int:
    ends = (match.end() for match in _LINE_END.finditer(block))
    return next(islice(ends, count - 1, None)) if count else 0
