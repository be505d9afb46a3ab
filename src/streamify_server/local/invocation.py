"""One invocation, from the caller's request to its outcome: connects a function's response to its caller."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import chain

from .channel import Channel
from .events import Event, InvocationEnded, InvocationStarted, Mode, ResponseStarted, Status
from .functions import Function
from .pacing import TokenBucket, pieces
from .stream_parts import StreamPart

BUFFERED_LIMIT = 6 * 1024 * 1024
# AWS documents 200 MB; one more megabyte lets a body of that size pass in the frames of a verified stream.
STREAMED_LIMIT = 201 * 1024 * 1024
# RAPID allows a buffered response this many bytes more than the documented 6 MB.
_ALLOWANCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The caller's request."""

    function: Function
    request_id: str
    invoked_arn: str
    payload: bytes
    trace_id: str
    mode: Mode
    client_context: str | None = None
    cognito_identity: str | None = None
    tenant_id: str | None = None
    tail: bool = False
    http: str = ""  # the method and path of an HTTP request
    part: StreamPart | None = None  # for a later part of a continued stream


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended.

    `error` is the JSON of the error as written by the function or by Lambda. `in_response` means that it
    occurred after the response had begun, and so cannot be its payload; `in_trailers` means that the function
    itself reported it there.
    """

    status: Status
    error_type: str | None = None
    error: bytes = b""
    content_type: str = "application/json"
    in_response: bool = False
    in_trailers: bool = False
    log_line: str = ""  # the line that Lambda logs for it


def failure(
    error_type: str, message: str, *, status: Status = "error", request_id: str | None = None
) -> Outcome:
    """Return an outcome that Lambda itself reports; with a request id, in its format for lost runtimes."""
    if request_id:
        message = f"RequestId: {request_id} Error: {message}"
    error = json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":"))
    return Outcome(status, error_type, error.encode(), log_line=message if request_id else "")


class ResponseTooLargeError(Exception):
    """The function's response exceeds the limit of the invoke mode."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"Exceeded maximum allowed payload size ({limit} bytes).")


class Invocation:
    """The running state of a call: the function's side writes, the caller's side reads.

    Attributes:
        recorded_first: Whether the log must be complete, and observers told, before the caller has the end.
    """

    def __init__(
        self,
        call: Call,
        notify: Callable[[Event], None],
        produced: Callable[[Call, list[bytes]], None],
        *,
        limit: int | None = None,
        bucket: TokenBucket | None = None,
        recorded_first: bool = True,
    ) -> None:
        self.call = call
        self.recorded_first: bool = recorded_first
        self.started: float = time.time()
        self.outcome: Outcome | None = None
        self.log_tail: bytes = b""
        self.init_again: bool = False  # the init phase took too long and is repeated within the invocation
        self._notify = notify
        self._produced = produced
        self._channel = Channel()
        self._head: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._recorded = False
        self._limit = limit or (STREAMED_LIMIT if call.mode == "streaming" else BUFFERED_LIMIT + _ALLOWANCE)
        self._bucket = bucket
        self._bytes = 0
        self._chunks = 0
        name = call.function.name
        notify(
            InvocationStarted(
                name, call.request_id, self.started, call.mode, call.payload, call.http, call.part
            )
        )

    # The function's side.

    def begin(self, content_type: str) -> None:
        """Record that the function has started its response."""
        if not self._head.done():
            self._head.set_result(content_type)
            self._notify(
                ResponseStarted(self.call.function.name, self.call.request_id, time.time(), content_type)
            )

    async def write(self, batch: list[bytes]) -> None:
        """Take non-empty chunks of the response; wait until there is room for more.

        Raises:
            ResponseTooLargeError: It exceeds the limit of the invoke mode; what fits is delivered.
        """
        size, room = sum(map(len, batch)), self._limit - self._bytes
        fitting = batch if size <= room else _first_bytes(batch, room)
        if self._bucket:
            for piece in chain.from_iterable(map(pieces, fitting)):
                await asyncio.sleep(self._bucket.take(len(piece), time.monotonic()))
                await self._pass_on([piece])
        elif fitting:
            await self._pass_on(fitting)
        if size > room:
            raise ResponseTooLargeError(self._limit)

    async def _pass_on(self, batch: list[bytes]) -> None:
        self._bytes += sum(map(len, batch))
        self._chunks += len(batch)
        self._produced(self.call, batch)
        await self._channel.put(batch)

    def release(self, outcome: Outcome) -> None:
        """Let the caller have the end of the response; `end` must follow."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        if not self._head.done():
            self._head.set_result(None)
        self._channel.end()
        self._ended.set()

    def end(self, outcome: Outcome, log_tail: bytes = b"") -> None:
        """The invocation is over; only the first call counts."""
        if self._recorded:
            return
        self._recorded = True
        self.log_tail = log_tail
        self.release(outcome)
        now = time.time()
        self._notify(
            InvocationEnded(
                self.call.function.name,
                self.call.request_id,
                now,
                outcome.status,
                outcome.error_type,
                self._bytes,
                self._chunks,
                now - self.started,
                outcome.error,
            )
        )

    @property
    def responding(self) -> bool:
        """Whether the function has started its response."""
        return self._head.done() and self._head.result() is not None

    # The caller's side.

    async def content_type(self) -> str | None:
        """Wait for the response to start and return its content type; None if there was no response."""
        return await asyncio.shield(self._head)

    def batches(self) -> AsyncIterator[list[bytes]]:
        """Return the chunks of the response as they come; each batch holds all that are available."""
        return aiter(self._channel)

    async def whole(self) -> bytes:
        """Wait for the complete response and return it."""
        return b"".join([piece async for batch in self._channel for piece in batch])

    async def result(self) -> Outcome:
        """Wait for the outcome and return it."""
        await self._ended.wait()
        assert self.outcome is not None
        return self.outcome

    def detach(self) -> None:
        """The caller has disconnected; the function keeps running without being notified, as on AWS."""
        self._channel.detach()


def _first_bytes(batch: list[bytes], count: int) -> list[bytes]:
    fitting = []
    for piece in batch:
        if count <= 0:
            break
        fitting.append(piece[:count])
        count -= len(piece)
    return fitting
