"""One HTTP request to an ASGI application; its response is written as the application sends it."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

from streamify_server.engine.chains import reached, untraced
from streamify_server.engine.chunks import CHUNK_LIMIT
from streamify_server.engine.interruption import Stopped
from streamify_server.engine.loop import generators_closed
from streamify_server.errors import CallerGoneError
from streamify_server.response import HttpResponse

from .lifespan import App, Message

if TYPE_CHECKING:
    from streamify_server.engine.output import Output

_log = logging.getLogger("streamify_server.asgi")

# Seconds for an application to clean up after a lost connection before it is cancelled.
_GRACE = 0.1
# How long after its last message an application may still fail its response, in seconds, and how many turns
# of the loop it gets at least, for a busy machine; what runs longer is a background task.
_MAY_FAIL_WITHIN = 0.05
_MAY_FAIL_TURNS = 50
_TURN = 0.005  # seconds after which an application that never awaits anything must yield to other tasks


class Exchange:
    """Runs the application in its own task, which writes the body of the response."""

    def __init__(self, app: App, scope: dict[str, Any], body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._without_body = scope["method"] == "HEAD"
        self._start: Message | None = None
        self._out: Output | None = None
        self._turned = monotonic()
        self._complete = False  # the application has sent its last body message
        self._accepts_body = False  # it may send more
        self._gone = False  # the caller has disconnected
        self._lost: BaseException | None = None  # why not
        self._over = False  # the application has returned or failed
        self._swept = False  # no generator of an incomplete response is left open
        self._listening = 0  # pending calls of the application that would report a disconnect
        self._failure: BaseException | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._task = self.loop.create_task(self._run())

    # What the engine awaits.

    async def response(self) -> HttpResponse:
        """Wait for status and headers from the application; the body is this exchange.

        If the application fails before sending them, the response is a 500, as with ASGI servers.
        """
        try:
            await self._wait(lambda: self._start is not None or self._over)
        except BaseException:
            await self.aclose()
            raise
        if self._start is None:
            _log.error(
                "The ASGI application failed before its response",
                exc_info=self._failure or _unfinished(),
            )
            self._failure = None
            return HttpResponse(500, {"content-type": "text/plain; charset=utf-8"}, "Internal Server Error")
        return HttpResponse(self._start["status"], _headers(self._start.get("headers", ())), self)

    async def _streamify_push(self, out: Output) -> None:
        """Let the application write, until its response is complete."""
        self._out = out
        self._notify()
        await self._wait(lambda: self._complete or self._over or self._lost is not None)
        if self._complete and not self._over:
            await asyncio.wait([self._task], timeout=_MAY_FAIL_WITHIN)
            for _ in range(_MAY_FAIL_TURNS):
                if not self._over:
                    await asyncio.sleep(0)
        if self._lost is not None:
            raise self._lost
        # Frameworks send a 500 for an error and raise it again, for the server's log.
        if self._failure is not None and not (self._complete and self._status >= 500):
            failure, self._failure = self._failure, None
            raise _reported(failure)
        if not self._complete:
            raise _unfinished()

    @property
    def _status(self) -> int:
        return 0 if self._start is None else int(self._start["status"])

    async def aclose(self) -> None:
        """End the response; an application that has not completed it is notified and then stopped."""
        if self._complete:
            return
        self._leave()
        if self._listening:
            await asyncio.wait([self._task], timeout=_GRACE)
        await self._cancelled()

    async def finish(self) -> None:
        """End the response if it has not ended, and wait for the application's background work."""
        if asyncio.get_running_loop() is not self.loop:
            return  # an outer handler ran it on another loop, which has ended
        await self.aclose()
        try:
            await self.settle()
        except asyncio.CancelledError:
            _log.error("The ASGI application was stopped while working after its response: time is up")
            await self._cancelled()

    async def settle(self) -> None:
        """Wait for the application's work after its response, such as background tasks."""
        await asyncio.wait([self._task])
        if self._failure is not None:
            self._log_failure(self._failure)
            self._failure = None  # its frames still hold generators
        if not self._complete and not self._swept:
            self._swept = True
            gc.collect()  # tracebacks and task groups hold generators in reference cycles
            await generators_closed()

    async def _cancelled(self) -> None:
        self._task.cancel()
        await self.settle()

    def _log_failure(self, failure: BaseException) -> None:
        if isinstance(failure, Stopped):
            return  # the deadline, reported by the call
        if self._gone and _came_from_a_lost_caller(failure):
            _log.info("The ASGI application stopped because the caller no longer receives its response")
        else:
            _log.error("The ASGI application failed outside its response", exc_info=failure)

    # What the application does.

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except asyncio.CancelledError:
            pass  # by us; or, if by itself, its incomplete response is reported anyway
        except BaseException as error:  # also a Rust panic and sys.exit(): the caller waits for a response
            self._failure = error
        self._over = True
        self._notify()

    async def _receive(self) -> Message:
        if self._request is not None:
            request, self._request = self._request, None
            return request
        await self._listen(lambda: self._complete or self._gone)
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and self._accepts_body:
            chunk = message.get("body", b"")
            if chunk and not self._without_body:
                out = self._out
                if out is None or out.sink.full:
                    out = await self._room()
                self._write(out, chunk)
                if out.sink.full or monotonic() - self._turned > _TURN:
                    await out.drained()
                    self._turned = monotonic()
            if not message.get("more_body", False):
                self._complete, self._accepts_body = True, False
                self._notify()
        else:
            self._begin(message)

    def _begin(self, message: Message) -> None:
        if self._gone:
            raise CallerGoneError("The caller no longer receives this response.")
        if message["type"] != "http.response.start" or self._start is not None:
            raise RuntimeError(f"The ASGI message {message['type']!r} does not belong here in a response.")
        self._start = message
        self._accepts_body = True
        self._notify()

    def _write(self, out: Output, chunk: bytes) -> None:
        try:
            if type(chunk) is bytes and len(chunk) <= CHUNK_LIMIT:
                out.write(chunk)
                out.count(len(chunk))
            else:
                out.put(chunk)
        except (Stopped, OSError) as error:
            self._lost = untraced(error)
            self._leave()
            raise CallerGoneError("The caller no longer receives this response.") from None

    def _leave(self) -> None:
        """The caller has disconnected."""
        self._gone, self._accepts_body = True, False
        self._notify()

    async def _room(self) -> Output:
        """Wait until the response has begun and has room."""
        if self._out is None:
            await self._listen(lambda: self._out is not None or self._gone)
        if self._gone or self._out is None:
            raise CallerGoneError("The caller no longer receives this response.")
        if self._out.sink.full:
            await self._out.drained()
        return self._out

    # Waiting.

    async def _wait(self, until: Callable[[], bool]) -> None:
        while not until():
            change = self.loop.create_future()
            self._waiting.append(change)
            await change

    async def _listen(self, until: Callable[[], bool]) -> None:
        self._listening += 1
        try:
            await self._wait(until)
        finally:
            self._listening -= 1

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)


def _unfinished() -> RuntimeError:
    return RuntimeError("The ASGI application returned without completing its response.")


def _reported(failure: BaseException) -> Exception:
    """Return the application's failure as the error of its response: one that does not end the process."""
    if isinstance(failure, Exception):
        return failure
    if isinstance(failure, Stopped) and isinstance(failure.reason, Exception):
        return failure.reason
    _log.error("The ASGI application was ended", exc_info=failure)
    error = RuntimeError(f"The ASGI application was ended by {type(failure).__name__}: {failure}")
    error.__cause__ = failure
    return error


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in fields]


def _came_from_a_lost_caller(error: BaseException) -> bool:
    """Return whether this is a CallerGoneError or was caused by one, such as Starlette's ClientDisconnect.

    For the error of a task group, all its errors must be.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(_came_from_a_lost_caller(one) for one in error.exceptions)
    return any(isinstance(one, CallerGoneError) for one in reached(error))
