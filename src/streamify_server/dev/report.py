"""Prints to the terminal while functions run: their logs, and a line for each invocation."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamify_server.local.events import (
    ChunkProduced,
    Event,
    FaultInjected,
    InvocationEnded,
    InvocationStarted,
    LogWritten,
    Mode,
    ResponseStarted,
)
from streamify_server.local.inspector.content import Content, Failure, failure
from streamify_server.local.units import bytes_text, counted, seconds_text

from .tracebacks import Record, readable

# Lines that are not printed, because the line for the invocation, or the error that follows a warning by
# awslambdaric, says the same.
_PLATFORM_LINE = re.compile(
    r"(START|END|REPORT) RequestId: [0-9a-f-]{36}\b"
    r"|\[WARNING\]\t\S*\t\S*\tLAMBDA_WARNING: Unhandled exception\."
)
_REQUEST_ID = re.compile(r"RequestId: [0-9a-f-]{36} Error: ")
_MODES: dict[Mode, str] = {"streaming": "streamed", "buffered": "buffered", "event": "event"}
_MAX_MESSAGE = 200


@dataclass(slots=True)
class _Running:
    started: InvocationStarted
    content: Content = field(default_factory=lambda: Content("", 0))
    first: float | None = None


class Report:
    """Prints the events of the emulator.

    Args:
        echo: Prints a line.
        style: Colours text: (text, colour).
        code: The code directory of each function; with several functions, log lines start with the name.
    """

    def __init__(
        self, echo: Callable[[str], None], style: Callable[[str, str], str], code: Mapping[str, Path]
    ) -> None:
        self._echo = echo
        self._style = style
        self._code = code
        self._running: dict[str, _Running] = {}
        self._records: dict[tuple[str, str | None], Record] = {}

    def observe(self, event: Event) -> None:
        """Print an event."""
        match event:
            case LogWritten():
                self._log(event)
            case InvocationStarted():
                self._running[event.request_id] = _Running(event)
            case ResponseStarted() if running := self._running.get(event.request_id):
                running.content = Content(event.content_type, 0)
            case ChunkProduced() if running := self._running.get(event.request_id):
                running.first = running.first if running.first is not None else event.time
                running.content.feed(event.data)
            case InvocationEnded() if running := self._running.pop(event.request_id, None):
                self._show_record((event.function, event.request_id))
                self._echo(self._line(event, running))
            case FaultInjected():
                self._echo(f"{self._style('fault', 'yellow'):<7} {event.function}  {event.effect}")

    def flush(self) -> None:
        """Print errors that are still incomplete."""
        for key in list(self._records):
            self._show_record(key)

    def _log(self, event: LogWritten) -> None:
        key = (event.function, event.request_id)
        record = self._records.get(key)
        if record and not _PLATFORM_LINE.match(event.line) and record.take(event.line):
            return
        self._show_record(key)
        if _PLATFORM_LINE.match(event.line):
            return
        if begun := Record.begun_by(event.line):
            self._records[key] = begun
        else:
            self._echo(self._margin(event.function) + event.line)

    def _show_record(self, key: tuple[str, str | None]) -> None:
        record = self._records.pop(key, None)
        if record is None:
            return None
        first, *rest = readable(record, self._code.get(key[0], Path("/")))
        margin = self._margin(key[0])
        if record.before and not record.traced:
            return self._echo(f"{margin}{record.before}[ERROR] {first}")
        if record.before:
            self._echo(margin + record.before)
        self._echo(margin + self._style(first, "red"))
        for line in rest:
            self._echo(margin + line)
        return None

    def _margin(self, function: str) -> str:
        named = f"{function} " if len(self._code) > 1 else ""
        return self._style(f"{named}│ ", "bright_black")

    def _line(self, ended: InvocationEnded, running: _Running) -> str:
        """Return the line for an invocation: status, request, time to first byte, size, duration, error."""
        content = running.content
        error = content.failure if ended.status == "success" else _failure(ended)
        status = content.head.status if content.head else None
        failed = error is not None or (status or 0) >= 400
        text = str(status) if status and ended.status == "success" else ("error" if error else "ok")
        if ended.status == "timeout":
            text = "timeout"
        first = "no byte" if running.first is None else seconds_text(running.first - running.started.time)
        chunks = counted(ended.chunks, "chunk")
        parts = [
            *([running.started.request] if running.started.request else []),
            *_part(running),
            f"first byte {first}" if running.first is not None else first,
            f"{bytes_text(ended.bytes)} in {chunks}",
            seconds_text(ended.duration),
            _MODES[running.started.mode],
            *([self._style(_told(error), "red")] if error else []),
        ]
        return f"{self._style(f'{text:<7}', 'red' if failed else 'green')} {ended.function}  " + "  ".join(
            parts
        )


def _part(running: _Running) -> list[str]:
    """Return which part of a continued stream it was; the stream is named by its first request id."""
    part, over = running.started.part, running.content.handed_over
    if part is None and not over:
        return []
    number, stream = (part.number, part.stream) if part else (1, running.started.request_id)
    return [f"part {number} of {stream}" + (", goes on" if over else "")]


def _failure(ended: InvocationEnded) -> Failure:
    return failure(ended.error) or Failure(ended.error_type or "Unknown", "", "")


def _told(error: Failure) -> str:
    """Return an error's type and the first line of its message."""
    message = _REQUEST_ID.sub("", error.message).partition("\n")[0][:_MAX_MESSAGE]
    return f"{error.error_type}: {message}" if message else error.error_type
