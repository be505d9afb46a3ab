"""Keeps the last invocations in memory, with limits, and tells each page what has changed."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any

from streamify_server.local.events import (
    ChunkProduced,
    Event,
    FaultInjected,
    InvocationEnded,
    InvocationStarted,
    LogWritten,
    ResponseStarted,
)

from .content import Content, Failure, failure, shown, visible
from .timeline import Bar, Timeline, hint

_MAX_HEADERS = 50
_MAX_FIELD = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """How many invocations to keep and, for each, how many bars, characters of text, and log lines."""

    invocations: int = 100
    bars: int = 1000
    text: int = 65536
    payload: int = 16384
    lines: int = 500
    log: int = 65536


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of a waterfall was sent to a page; the last bar may still change."""

    revision: int = -1
    chunks_per_bar: int = 1
    bars: int = 0
    lines: int = 0


class Waterfall:
    """What one invocation sent and logged, and when.

    Args:
        number: Its number since the start of the inspector.
        started: Its first event.
        payloads: Whether to keep the content of payload, response and log, or only sizes.
        limits: How much to keep.
    """

    def __init__(self, number: int, started: InvocationStarted, *, payloads: bool, limits: Limits) -> None:
        self.number = number
        self.revision: int = 0
        self._started = replace(started, payload=b"", request=visible(started.request)[:_MAX_FIELD])
        self._payloads = payloads
        self._max_text = limits.text if payloads else 0
        self._timeline = Timeline(limits.bars)
        self._content = Content("", self._max_text)
        self._responded = False
        self._ended: InvocationEnded | None = None
        self._failure: Failure | None = None
        self._fault = ""
        self._lines: list[tuple[float, str]] = []
        self._lines_left = limits.lines
        self._log_left = limits.log
        self._log_truncated = False
        self._payload: str | None = None
        self._payload_truncated = False
        if payloads:
            self._payload, self._payload_truncated = shown(started.payload, limits.payload)

    @property
    def request_id(self) -> str:
        return self._started.request_id

    def update(
        self, event: ResponseStarted | ChunkProduced | InvocationEnded | LogWritten | FaultInjected
    ) -> None:
        """Take the next event of this invocation."""
        self.revision += 1
        match event:
            case ResponseStarted():
                self._responded = True
                self._content = Content(event.content_type, self._max_text)
            case ChunkProduced():
                text = self._content.feed(event.data)
                self._timeline.add(self._after(event.time), event.size, text, self._content.kind)
            case InvocationEnded():
                self._failure = failure(event.error)
                self._ended = replace(event, error=b"")
                self._timeline.add_text(self._content.finish())
            case LogWritten():
                self._log(event)
            case FaultInjected():
                self._fault = event.effect

    def _after(self, moment: float) -> float:
        return max(0.0, moment - self._started.time)

    def _log(self, event: LogWritten) -> None:
        if not self._payloads:
            return
        line = visible(event.line)
        self._log_truncated = self._log_truncated or len(line) > self._log_left or not self._lines_left
        if self._log_left and self._lines_left:
            self._lines.append((self._after(event.time), line[: self._log_left]))
            self._log_left -= len(self._lines[-1][1])
            self._lines_left -= 1

    def since(self, seen: Seen) -> tuple[dict[str, Any], Seen]:
        """Return what has changed for a page, without the bars and lines it has, as a JSON object."""
        bars = self._timeline.bars
        first = max(0, seen.bars - 1) if seen.chunks_per_bar == self._timeline.chunks_per_bar else 0
        changes = {
            "number": self.number,
            **self._request(),
            **self._response(),
            **self._outcome(),
            "from": first,
            "bars": [_numbers(bar) for bar in bars[first:]],
            "linesFrom": seen.lines,
            "lines": [[round(at, 6), line] for at, line in self._lines[seen.lines :]],
            "logTruncated": self._log_truncated,
        }
        return changes, Seen(self.revision, self._timeline.chunks_per_bar, len(bars), len(self._lines))

    def export(self) -> dict[str, Any]:
        """Return everything as a JSON object, with names instead of positions."""
        known, _ = self.since(Seen())
        for name in ("number", "from", "linesFrom"):
            del known[name]
        known["bars"] = [dict(zip(_BAR, numbers, strict=True)) for numbers in known["bars"]]
        known["lines"] = [{"at": at, "line": line} for at, line in known["lines"]]
        return known

    def _request(self) -> dict[str, Any]:
        part = self._started.part
        return {
            "id": self._started.request_id,
            "function": self._started.function,
            "mode": self._started.mode,
            "request": self._started.request,
            "started": self._started.time,
            "part": part.number if part else 1,
            "stream": part.stream if part else self._started.request_id,
            "payload": self._payload,
            "payloadTruncated": self._payload_truncated,
        }

    def _response(self) -> dict[str, Any]:
        head, timeline = self._content.head, self._timeline
        return {
            "contentType": visible(self._content.content_type) if self._responded else None,
            "verified": self._content.verified,
            "handedOver": self._content.handed_over,
            "httpStatus": head.status if head else None,
            "httpHeaders": _bounded(head.headers) if head and self._payloads else None,
            "bytes": timeline.bytes,
            "chunks": timeline.chunks,
            "firstByte": timeline.first,
            "lastByte": timeline.last,
            "gap": asdict(timeline.longest_gap) if timeline.longest_gap else None,
            "textTruncated": self._payloads and self._content.truncated,
        }

    def _outcome(self) -> dict[str, Any]:
        ended = self._ended
        status = ended.status if ended else "running"
        found = hint(self._timeline, status=status, mode=self._started.mode)
        return {
            "status": status,
            "duration": ended.duration if ended else None,
            "error": self._error(),
            "fault": self._fault,
            "hint": asdict(found) if found else None,
        }

    def _error(self) -> dict[str, Any] | None:
        """Return the error's type, and its message and trace if payloads may be shown."""
        told = self._content.failure or self._failure
        if told:
            said = {"message": visible(told.message), "trace": visible(told.trace)} if self._payloads else {}
            return {"type": visible(told.error_type), **said}
        if self._ended and self._ended.status != "success":
            return {"type": visible(self._ended.error_type or "Unknown")}
        return None


_BAR = ("at", "until", "size", "chunks", "text", "kind")


def _numbers(bar: Bar) -> list[Any]:
    return [round(bar.at, 6), round(bar.until, 6), bar.size, bar.chunks, bar.text, bar.kind]


def _bounded(headers: dict[str, str]) -> dict[str, str]:
    kept = list(headers.items())[:_MAX_HEADERS]
    return {visible(name[:_MAX_FIELD]): visible(value[:_MAX_FIELD]) for name, value in kept}


Cursor = dict[int, Seen]


class Store:
    """Takes events and returns changes, without I/O and for one thread.

    Args:
        payloads: Whether to keep the content of payloads, responses and logs, or only times and sizes.
        limits: How much to keep.
    """

    def __init__(self, *, payloads: bool = True, limits: Limits | None = None) -> None:
        self.payloads = payloads
        self.on_change: set[Callable[[], None]] = set()
        self._limits = limits or Limits()
        self._numbers = count(1)
        self._waterfalls: dict[str, Waterfall] = {}

    def observe(self, event: Event) -> None:
        """Take an event; it is ignored if its invocation is no longer kept."""
        if isinstance(event, InvocationStarted):
            if len(self._waterfalls) >= self._limits.invocations:
                del self._waterfalls[next(iter(self._waterfalls))]
            self._waterfalls[event.request_id] = Waterfall(
                next(self._numbers), event, payloads=self.payloads, limits=self._limits
            )
        elif event.request_id in self._waterfalls:
            self._waterfalls[event.request_id].update(event)
        else:
            return
        self._changed()

    def clear(self) -> None:
        """Remove all invocations."""
        self._waterfalls.clear()
        self._changed()

    def find(self, number: int) -> Waterfall | None:
        """Return the invocation with this number, if it is kept."""
        return next((found for found in self._waterfalls.values() if found.number == number), None)

    def changes(self, cursor: Cursor) -> dict[str, Any]:
        """Return what has changed since the last call with this cursor, and update the cursor.

        Returns:
            `kept`: the numbers of all invocations that are kept. `invocations`: those that have changed, each
            with its bars from the index `from` on, which replace the previous ones, and its log lines from
            `linesFrom` on.
        """
        changed = []
        for waterfall in self._waterfalls.values():
            seen = cursor.get(waterfall.number, Seen())
            if seen.revision != waterfall.revision:
                changes, cursor[waterfall.number] = waterfall.since(seen)
                changed.append(changes)
        kept = [waterfall.number for waterfall in self._waterfalls.values()]
        for number in set(cursor).difference(kept):
            del cursor[number]
        return {"kept": kept, "invocations": changed}

    def _changed(self) -> None:
        for notify in tuple(self.on_change):
            notify()
