"""One invocation as the inspector shows it: put together from events, handed out as JSON, in parts."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from streamify_server.local.events import (
    ChunkProduced,
    InvocationEnded,
    InvocationStarted,
    ResponseStarted,
)

from .content import Content, Failure, failure, shown
from .hints import hint
from .timeline import Bar, Timeline

_MAX_HEADERS = 50
_MAX_FIELD = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept in memory: invocations, and for each of them bars and characters of text."""

    invocations: int = 100
    bars: int = 1000
    text: int = 65536
    payload: int = 16384


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of a waterfall somebody has been given."""

    revision: int = -1
    merges: int = 0
    bars: int = 0


class Waterfall:
    """When and what one invocation sent.

    Args:
        number: Counts the invocations since the inspector was started.
        started: The event that it began with.
        payloads: Whether to keep what payload and response say, and not only their sizes.
        limits: How much of it to keep.
    """

    def __init__(self, number: int, started: InvocationStarted, *, payloads: bool, limits: Limits) -> None:
        self.number = number
        self.revision: int = 0
        self._started = replace(started, payload=b"")
        self._payloads = payloads
        self._max_text = limits.text if payloads else 0
        self._timeline = Timeline(limits.bars)
        self._content = Content("", self._max_text)
        self._responded = False
        self._ended: InvocationEnded | None = None
        self._failure: Failure | None = None
        self._payload: str | None = None
        self._payload_truncated = False
        if payloads:
            self._payload, self._payload_truncated = shown(started.payload, limits.payload)

    def update(self, event: ResponseStarted | ChunkProduced | InvocationEnded) -> None:
        """Take in the next event of this invocation."""
        self.revision += 1
        match event:
            case ResponseStarted():
                self._responded = True
                self._content = Content(event.content_type, self._max_text)
            case ChunkProduced():
                self._timeline.add(
                    max(0.0, event.time - self._started.time), event.size, self._content.feed(event.data)
                )
            case InvocationEnded():
                self._failure = failure(event.error)
                self._ended = replace(event, error=b"")
                self._timeline.add_text(self._content.finish())

    def since(self, seen: Seen) -> tuple[dict[str, Any], Seen]:
        """What is new to somebody who has seen so much, as JSON; bars that they have are left out."""
        bars = self._timeline.bars
        first = seen.bars if seen.merges == self._timeline.merges else 0
        changes = {
            "number": self.number,
            **self._request(),
            **self._response(),
            **self._outcome(),
            "from": first,
            "bars": [_numbers(bar) for bar in bars[first:]],
        }
        return changes, Seen(self.revision, self._timeline.merges, len(bars))

    def _request(self) -> dict[str, Any]:
        return {
            "id": self._started.request_id,
            "function": self._started.function,
            "mode": self._started.mode,
            "started": self._started.time,
            "payload": self._payload,
            "payloadTruncated": self._payload_truncated,
        }

    def _response(self) -> dict[str, Any]:
        head, timeline = self._content.head, self._timeline
        return {
            "contentType": self._content.content_type if self._responded else None,
            "verified": self._content.verified,
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
            "hint": asdict(found) if found else None,
        }

    def _error(self) -> dict[str, Any] | None:
        """The error's type; its message and trace too, where payloads may be shown."""
        told = self._content.failure or self._failure
        if told:
            said = {"message": told.message, "trace": told.trace} if self._payloads else {}
            return {"type": told.error_type, **said}
        if self._ended and self._ended.status != "success":
            return {"type": self._ended.error_type or "Unknown"}
        return None


def _numbers(bar: Bar) -> list[Any]:
    return [round(bar.at, 6), round(bar.until, 6), bar.size, bar.chunks, bar.text]


def _bounded(headers: dict[str, str]) -> dict[str, str]:
    return {name[:_MAX_FIELD]: headers[name][:_MAX_FIELD] for name in list(headers)[:_MAX_HEADERS]}
