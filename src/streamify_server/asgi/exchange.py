"""One HTTP request to an ASGI application, and its response as a stream of chunks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from streamify_server.response import HttpResponse

from .lifespan import App, Message

_log = logging.getLogger("streamify_server.asgi")

# How long an application that was told of a lost connection may clean up before it is cancelled, in seconds.
_GRACE = 0.1


class CallerGoneError(OSError):
    """What `send()` raises when nobody receives the response any more."""


class Exchange:
    """Runs the application in a task of its own, and is the response's body: an async iterator of chunks.

    The application is never more than one chunk ahead of what is being sent.
    """

    def __init__(self, app: App, scope: dict[str, Any], body: bytes) -> None:
        self._app = app
        self._scope = scope
        self._request: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._without_body = scope["method"] == "HEAD"
        self._moved = asyncio.Condition()
        self._start: Message | None = None
        self._chunk: bytes | None = None
        self._complete = False  # the application has sent its last body message
        self._gone = False  # nobody reads on
        self._over = False  # the application has returned or failed
        self._listening = 0  # how many calls of the application wait, and would hear that nobody reads on
        self._failure: Exception | None = None
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._task = self.loop.create_task(self._run())

    async def response(self) -> HttpResponse:
        """Status and headers, as soon as the application has sent them; the body is this exchange.

        An application that fails before that is answered for with a 500, as ASGI servers do.
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

    def __aiter__(self) -> Exchange:
        return self

    async def __anext__(self) -> bytes:
        await self._wait(lambda: self._chunk is not None or self._complete or self._over)
        if self._chunk is not None:
            chunk, self._chunk = self._chunk, None
            await self._notify()
            return chunk
        if self._complete:
            raise StopAsyncIteration
        failure, self._failure = self._failure, None
        raise failure or _unfinished()

    async def aclose(self) -> None:
        """End the response; an application that has not completed it hears of it, and is stopped."""
        if self._complete:
            return
        self._gone = True
        await self._notify()
        if self._listening:
            await asyncio.wait([self._task], timeout=_GRACE)
        self._task.cancel()
        await self.settle()

    async def finish(self) -> None:
        """End the response if it has not ended, whatever became of it, and wait for what comes after it."""
        await self.aclose()
        await self.settle()

    async def settle(self) -> None:
        """Wait for what the application does after its response, such as background tasks."""
        await asyncio.wait([self._task])
        if self._failure is not None:
            self._log_failure(self._failure)
            self._failure = None  # and with it the frames that still hold generators
        if not self._complete:
            await _generators_closed()

    def _log_failure(self, failure: Exception) -> None:
        if self._gone and _came_from_a_lost_caller(failure):
            _log.info("The ASGI application stopped because nobody receives its response any more")
        else:
            _log.error("The ASGI application failed outside its response", exc_info=failure)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except asyncio.CancelledError:
            pass  # by us; and if by itself, its response is incomplete, and that is what counts
        except Exception as error:
            self._failure = error
        self._over = True
        await self._notify()

    async def _receive(self) -> Message:
        if self._request is not None:
            request, self._request = self._request, None
            return request
        await self._listen(lambda: self._complete or self._gone)
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._gone:
            raise CallerGoneError("Nobody receives this response any more.")
        if kind == "http.response.start" and self._start is None:
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self._complete:
            await self._offer(bytes(message.get("body", b"")))
            self._complete = not message.get("more_body", False)
        else:
            raise RuntimeError(f"The ASGI message {kind!r} does not belong here in a response.")
        await self._notify()

    async def _offer(self, chunk: bytes) -> None:
        if self._without_body or not chunk:
            return
        await self._listen(lambda: self._chunk is None or self._gone)
        if self._gone:
            raise CallerGoneError("Nobody receives this response any more.")
        self._chunk = chunk

    async def _wait(self, until: Callable[[], bool]) -> None:
        async with self._moved:
            await self._moved.wait_for(until)

    async def _listen(self, until: Callable[[], bool]) -> None:
        self._listening += 1
        try:
            await self._wait(until)
        finally:
            self._listening -= 1

    async def _notify(self) -> None:
        async with self._moved:
            self._moved.notify_all()


async def _generators_closed() -> None:
    """Wait for async generators that were dropped: asyncio closes each in a task of its own."""
    await asyncio.sleep(0)  # those tasks are made in the loop's next turn
    closing = [
        task for task in asyncio.all_tasks() if type(task.get_coro()).__name__ == "async_generator_athrow"
    ]
    if closing:
        await asyncio.wait(closing)


def _unfinished() -> RuntimeError:
    return RuntimeError("The ASGI application returned without completing its response.")


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in fields]


def _came_from_a_lost_caller(error: BaseException | None) -> bool:
    """Whether this is a CallerGoneError or was raised for one, as Starlette's ClientDisconnect is."""
    seen = 0
    while error is not None and seen < 20:
        if isinstance(error, CallerGoneError):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False
