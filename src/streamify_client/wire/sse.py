"""Server-sent events, read by the rules of the HTML standard.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

They are always UTF-8, and bytes that are none become U+FFFD. An event that no blank line ends before the
stream does is discarded, as the rules say.
"""

import re
from collections.abc import Iterator
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
        self._max_size = max_size
        self._buffer = bytearray()
        self._searched = 0
        self._position = 0  # of the buffer in the input
        self._after_cr = False
        self._data: list[str] = []
        self._size = 0  # of the event under way, in bytes
        self._type = ""
        self._id = ""
        self._retry: int | None = None
        self._error: WireError | None = None

    def feed(self, data: BytesLike) -> Iterator[SseFields]:
        """Take bytes in; return the events that are complete by now."""
        self._buffer += data
        return self._events()

    def finish(self) -> list[SseFields]:
        """The input has ended: an event that is not complete is discarded."""
        return list(self._events())

    def unread(self) -> bytes:
        r"""Return the bytes after the last event taken, so that something else can read on.

        Where `line_feed_due` says so, a ``\n`` that comes next is still part of what was taken.
        """
        self._skip_line_feed()
        return bytes(self._buffer)

    @property
    def line_feed_due(self) -> bool:
        r"""Whether the last line ended with a ``\r`` whose ``\n`` may be the next byte to come."""
        return self._after_cr

    def _events(self) -> Iterator[SseFields]:
        if self._error:
            raise self._error
        try:
            while (line := self._next_line()) is not None:
                if line:
                    self._read_field(line.decode("utf-8", "replace"), len(line))
                elif (event := self._dispatch()) is not None:
                    yield event
        except WireError as error:
            self._error = error
            raise

    def _next_line(self) -> bytes | None:
        self._skip_line_feed()
        end = _LINE_END.search(self._buffer, self._searched)
        size = end.start() if end else len(self._buffer)
        if self._size + size > self._max_size:
            raise TooLargeError(f"an event is longer than {self._max_size} bytes", self._position)
        if end is None:
            self._searched = size
            return None
        line = bytes(self._buffer[:size])
        # A \r ends the line at once; whether a \n belongs to it shows with the next byte.
        self._after_cr = end.group() == b"\r" and end.end() == len(self._buffer)
        if self._position == 0:
            line = line.removeprefix(_BOM)
        self._drop(end.end())
        return line

    def _skip_line_feed(self) -> None:
        if self._after_cr and self._buffer:
            self._after_cr = False
            if self._buffer[0] == ord("\n"):
                self._drop(1)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._position += size
        self._searched = 0

    def _read_field(self, line: str, size: int) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
                self._size += size
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if _DIGITS.fullmatch(value):
                self._retry = int(value)

    def _dispatch(self) -> SseFields | None:
        data, kind = self._data, self._type
        self._data, self._type, self._size = [], "", 0
        return SseFields(kind or "message", "\n".join(data), self._id, self._retry) if data else None
