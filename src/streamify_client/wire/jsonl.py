"""JSON Lines (https://jsonlines.org): one JSON value a line, in UTF-8."""

import json
from collections.abc import Sequence
from typing import Any

from . import BytesLike
from .errors import InvalidJsonError, WireError, why_not_json
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
        self.error: WireError | None = None
        self._cutter = LineCutter(max_size)
        self._count = 0  # values of the last block

    def receive(self, data: BytesLike) -> list[Any]:
        """Take bytes in; return the values of the lines that are complete by now."""
        if self.error:
            raise self.error
        values: list[Any] = []
        try:
            if block := self._cutter.receive(data):
                self._parse_block(block, values)
            self._cutter.check_rest()
        except WireError as error:
            self.error = error
            if not values:
                raise
        self._count = len(values)
        return values

    def finish(self) -> list[Any]:
        """The input has ended: return the value of the last line, if it did not end with a line feed."""
        if self.error:
            raise self.error
        try:
            last = self._cutter.last()
            values = [_parse(text, last)] if last is not None and (text := _content(last)) else []
        except WireError as error:
            self.error = error
            raise
        self._count = len(values)
        return values

    def unread(self, left: Sequence[Any] = ()) -> list[bytes]:
        """Return the bytes of which no value was handed out, so that something else can read on.

        Args:
            left: Those of the last values that were not handed out.
        """
        return [self._cutter.unread(self._count - len(left), _content)]

    def forget(self) -> None:
        """All values were handed out: keep no more of the input than a line that has begun."""
        self._cutter.forget()
        self._count = 0

    def _parse_block(self, block: bytes, values: list[Any]) -> None:
        if self._cutter.sure:
            try:
                text = block.decode("utf-8") if self._cutter.begun else block.decode("utf-8-sig")
                values += [_scan(line) for raw in text.split("\n") if (line := raw.strip(" \t\r"))]
                return
            except (ValueError, StopIteration, RecursionError):  # one of them is bad: find out which
                pass
        for each in self._cutter.lines():
            if content := _content(each):
                values.append(_parse(content, each))


_scanner: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # since Python 2.6


def _scan(line: str) -> Any:
    """Parse JSON that has no white space around it, without what `json.loads` does for other text."""
    value, end = _scanner(line, 0)
    if end != len(line):
        raise ValueError
    return value


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
    except (ValueError, RecursionError) as error:
        offset, reason = start, why_not_json(error)
    raise InvalidJsonError(
        f"line {line.number} is not JSON: {reason} at byte {offset}: {text[:60]!r}", offset, line.number
    )
