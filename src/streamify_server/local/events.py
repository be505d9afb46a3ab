"""The events for observers while functions run: small values, in order, from one thread."""

import builtins
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .faults import Fault
from .stream_parts import StreamPart

Status = Literal["running", "success", "error", "timeout"]
Mode = Literal["streaming", "buffered", "event"]


@dataclass(frozen=True, slots=True)
class InvocationStarted:
    """An invocation was accepted. Times are seconds since the epoch."""

    function: str
    request_id: str
    time: float
    mode: Mode
    payload: bytes = field(repr=False)
    request: str = ""  # "GET /path" for a Function URL or a REST API
    part: StreamPart | None = None  # for a later part of a continued stream


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The function started its response."""

    function: str
    request_id: str
    time: float
    content_type: str


@dataclass(frozen=True, slots=True)
class ChunkProduced:
    """The function sent a piece of the response."""

    function: str
    request_id: str
    time: float
    size: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InvocationEnded:
    """The function's part of the invocation is over; `error` is the JSON of the error, if any."""

    function: str
    request_id: str
    time: float
    status: Status
    error_type: str | None
    bytes: int
    chunks: int
    duration: float
    error: builtins.bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class LogWritten:
    """A line was written to the function's log, by the function or by Lambda.

    `request_id` is that of the invocation during which it was written, or for which the process started.
    """

    function: str
    time: float
    line: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class FaultInjected:
    """An injected fault was applied; `effect` describes what it did to the response."""

    function: str
    request_id: str
    time: float
    fault: Fault
    effect: str


Event = InvocationStarted | ResponseStarted | ChunkProduced | InvocationEnded | LogWritten | FaultInjected
Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """A past invocation; `bytes` and `chunks` count what the function produced.

    Times are in seconds: `started` since the epoch, the others since `started`. `error_type` is Lambda's type
    for an error, often "Runtime.Unknown"; `error_name` and `error_message` are those of the error itself.
    """

    function: str
    request_id: str
    mode: Mode
    payload: bytes = field(repr=False)
    started: float
    status: Status = "running"
    error_type: str | None = None
    content_type: str | None = None
    bytes: int = 0
    chunks: int = 0
    time_to_first_byte: float | None = None
    duration: float | None = None
    request: str = ""  # "GET /path" for a Function URL or a REST API
    error_name: str | None = None
    error_message: str | None = None
    part: StreamPart | None = None  # for a later part of a continued stream


@dataclass(slots=True)
class _Invocation:
    """What is known about an invocation so far; a record is made only when one is asked for."""

    started: InvocationStarted
    content_type: str | None = None
    first: float | None = None  # the time of its first chunk
    bytes: int = 0
    chunks: int = 0
    status: Status = "running"
    error_type: str | None = None
    duration: float | None = None
    error_name: str | None = None
    error_message: str | None = None

    def end(self, event: InvocationEnded) -> None:
        self.status, self.error_type, self.duration = event.status, event.error_type, event.duration
        if event.status != "success":
            self.error_name, self.error_message = _own_words(event.error)

    def record(self) -> InvocationRecord:
        started = self.started
        return InvocationRecord(
            started.function,
            started.request_id,
            started.mode,
            started.payload,
            started.time,
            self.status,
            self.error_type,
            self.content_type,
            self.bytes,
            self.chunks,
            None if self.first is None else self.first - started.time,
            self.duration,
            started.request,
            self.error_name,
            self.error_message,
            started.part,
        )


class History:
    """The last invocations and log lines of each function, collected from the events, in bounded memory."""

    def __init__(
        self,
        invocations: int = 1000,
        lines: int = 10_000,
        payload_bytes: int = 64 * 1024 * 1024,
        line_characters: int = 64 * 1024 * 1024,
    ) -> None:
        self._invocations = invocations
        self._line_count = lines
        self._payload_limit = payload_bytes
        self._payload_bytes = dict[str, int]()
        self._kept: dict[str, dict[str, _Invocation]] = {}
        self._lines: dict[str, deque[LogWritten]] = {}
        self._faults: deque[FaultInjected] = deque(maxlen=invocations)
        self._line_limit = line_characters
        self._line_characters = dict[str, int]()

    def invocations(self, function: str) -> list[InvocationRecord]:
        return [kept.record() for kept in self._kept.get(function, {}).values()]

    def find(self, request_id: str) -> InvocationRecord | None:
        found = (kept[request_id] for kept in self._kept.values() if request_id in kept)
        return next((kept.record() for kept in found), None)

    def logs(self, function: str) -> list[str]:
        return [written.line for written in self._lines.get(function, ())]

    def told_since(self, moment: float) -> list[LogWritten | FaultInjected]:
        """Return the log lines of all functions and the effects of faults since a time, in order."""
        told: list[LogWritten | FaultInjected] = list(self._faults)
        for lines in self._lines.values():
            told += lines
        return sorted((event for event in told if event.time >= moment), key=lambda event: event.time)

    def observe(self, event: Event) -> None:
        if isinstance(event, LogWritten):
            return self._keep_line(event)
        if isinstance(event, FaultInjected):
            return self._faults.append(event)
        if isinstance(event, ChunkProduced):
            return self.produced(event.function, event.request_id, event.time, (event.data,))
        if isinstance(event, InvocationStarted):
            invocations = self._kept.setdefault(event.function, {})
            self._make_room(event.function, invocations, len(event.payload))
            invocations[event.request_id] = _Invocation(event)
        elif kept := self._find(event.function, event.request_id):
            if isinstance(event, ResponseStarted):
                kept.content_type = event.content_type
            else:
                kept.end(event)
        return None

    def produced(self, function: str, request_id: str, now: float, pieces: Sequence[bytes]) -> None:
        """A function has sent pieces of a response."""
        if kept := self._find(function, request_id):
            if kept.first is None:
                kept.first = now
            kept.bytes += sum(map(len, pieces))
            kept.chunks += len(pieces)

    def _find(self, function: str, request_id: str) -> _Invocation | None:
        return self._kept.get(function, {}).get(request_id)

    def _keep_line(self, written: LogWritten) -> None:
        lines = self._lines.setdefault(written.function, deque())
        lines.append(written)
        held = self._line_characters.get(written.function, 0) + len(written.line)
        while len(lines) > self._line_count or held > self._line_limit:
            held -= len(lines.popleft().line)
        self._line_characters[written.function] = held

    def _make_room(self, function: str, kept: dict[str, _Invocation], size: int) -> None:
        held = self._payload_bytes.get(function, 0) + size
        while kept and (len(kept) >= self._invocations or held > self._payload_limit):
            held -= len(kept.pop(next(iter(kept))).started.payload)
        self._payload_bytes[function] = held


def _own_words(error: bytes) -> tuple[str | None, str | None]:
    """Return the name and the message in the JSON of an error, if present."""
    try:
        fields = json.loads(error)
    except ValueError:
        return None, error.decode("utf-8", "replace") or None
    if not isinstance(fields, dict):
        return None, None
    name, message = fields.get("errorType"), fields.get("errorMessage")
    return (str(name) if name else None), (str(message) if message else None)
