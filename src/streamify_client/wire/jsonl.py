"""JSON Lines (https://jsonlines.org): one JSON value a line, in UTF-8."""

import json
from collections.abc import Iterator
from typing import Any

from . import BytesLike
from .errors import InvalidJsonError, WireError
from .lines import MAX_ITEM, LineCutter, RawLine, undecodable

_BOM = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r"


class JsonLinesDecoder:
    """Turns bytes into the values of their lines, each as soon as its line is complete.

    Blank lines are skipped, and so is a byte order mark in front (RFC 8259, section 8.1). ``NaN``
    and ``Infinity`` are taken, as everywhere in Python's json.

    Args:
        max_size: How long a line may be, in bytes.
    """

    def __init__(self, *, max_size: int = MAX_ITEM) -> None:
        self._cutter = LineCutter(max_size)
        self._error: WireError | None = None

    def feed(self, data: BytesLike) -> Iterator[Any]:
        """Take bytes in; return the values of the lines that are complete by now."""
        self._cutter.append(data)
        return self._values()

    def finish(self) -> list[Any]:
        """The input has ended: return the last line's value, if the line had no end of its own."""
        values = list(self._values())
        last = self._cutter.last()
        if last is not None and (text := _content(last)):
            values.append(_parse(text, last))
        return values

    def unread(self) -> bytes:
        """Return the bytes of which no value was taken, so that something else can read on."""
        return self._cutter.unread()

    def _values(self) -> Iterator[Any]:
        if self._error:
            raise self._error
        try:
            while (line := self._cutter.next()) is not None:
                if text := _content(line):
                    yield _parse(text, line)
        except WireError as error:
            self._error = error
            raise


def _content(line: RawLine) -> bytes:
    raw = line.raw.removeprefix(_BOM) if line.offset == 0 else line.raw
    return raw.strip(_WHITESPACE)


def _parse(raw: bytes, line: RawLine) -> Any:
    start = line.offset + line.raw.index(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise undecodable(error, "utf-8", start) from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        offset = start + len(text[: error.pos].encode())
        reason = error.msg
    except (ValueError, RecursionError) as error:  # numbers and nesting that Python refuses
        offset, reason = start, str(error)
    raise InvalidJsonError(
        f"line {line.number} is no JSON: {reason} at byte {offset}: {text[:60]!r}", offset, line.number
    )
