"""What the terminal shows while functions run: their logs, and a line for each invocation."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from streamify_server.local.events import (
    ChunkProduced,
    Event,
    InvocationEnded,
    InvocationStarted,
    LogWritten,
    Mode,
    ResponseStarted,
)
from streamify_server.local.inspector.content import Content
from streamify_server.local.units import bytes_text, seconds_text

# Lambda's own lines; the line for the invocation says the same.
_PLATFORM_LINE = re.compile(r"(START|END|REPORT) RequestId: [0-9a-f-]{36}\b")
_MODES: dict[Mode, str] = {"streaming": "streamed", "buffered": "buffered", "event": "event"}


@dataclass(slots=True)
class _Running:
    started: InvocationStarted
    content: Content = field(default_factory=lambda: Content("", 0))
    first: float | None = None


class Report:
    """Observes the emulator and prints.

    Args:
        echo: Prints a line.
        style: Colours a text: (text, colour).
    """

    def __init__(self, echo: Callable[[str], None], style: Callable[[str, str], str]) -> None:
        self._echo = echo
        self._style = style
        self._running: dict[str, _Running] = {}

    def observe(self, event: Event) -> None:
        """Print what is to be told of an event."""
        match event:
            case LogWritten():
                if not _PLATFORM_LINE.match(event.line):
                    self._echo(self._style("│ ", "bright_black") + event.line)
            case InvocationStarted():
                self._running[event.request_id] = _Running(event)
            case ResponseStarted() if running := self._running.get(event.request_id):
                running.content = Content(event.content_type, 0)
            case ChunkProduced() if running := self._running.get(event.request_id):
                running.first = running.first if running.first is not None else event.time
                running.content.feed(event.data)
            case InvocationEnded() if running := self._running.pop(event.request_id, None):
                self._echo(self._line(event, running))

    def _line(self, ended: InvocationEnded, running: _Running) -> str:
        """Status, time to first byte, bytes, duration, and what went wrong."""
        content = running.content
        error = ended.error_type
        if ended.status == "success":
            error = content.failure.error_type if content.failure else None
        status = content.head.status if content.head else None
        failed = error is not None or (status or 0) >= 400
        text = str(status) if status and ended.status == "success" else ("error" if error else "ok")
        if ended.status == "timeout":
            text = "timeout"
        first = "no byte" if running.first is None else seconds_text(running.first - running.started.time)
        chunks = f"{ended.chunks:,} chunk" + ("" if ended.chunks == 1 else "s")
        parts = [
            self._style(f"{text:<7}", "red" if failed else "green"),
            f"first byte {first}" if running.first is not None else first,
            f"{bytes_text(ended.bytes)} in {chunks}",
            seconds_text(ended.duration),
            _MODES[running.started.mode],
            *([self._style(str(error), "red")] if error else []),
        ]
        return f"{parts[0]} {ended.function}  " + "  ".join(parts[1:])
