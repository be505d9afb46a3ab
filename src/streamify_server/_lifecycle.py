"""The life of one request, from the first hook to the last."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from ._body import BINARY, TEXT, Body, closers_unopened, open_body, pieces
from ._production import Production, Stopped
from .onion import Onion, Request, StreamEnd
from .response import HttpResponse, normalised

_END = object()


class Head(Protocol):
    """Makes the head of a response, and refuses one that cannot be sent."""

    def __call__(self, response: HttpResponse | None, content_type: str | None, /) -> Any: ...


class _Opened:
    """A response of which nothing has been sent yet."""

    __slots__ = ("body", "first", "head")

    def __init__(self, head: Any, body: Body, first: Any) -> None:
        self.head = head
        self.body = body
        self.first = first


class Lifecycle:
    """Runs the onion around one request; emits the head, then the chunks of the body."""

    def __init__(self, onion: Onion, request: Request, head: Head, content_type: str | None) -> None:
        self._onion = onion
        self._request = request
        self._head = head
        self._content_type = content_type
        self._sent = 0
        self._opened: Body | None = None

    async def run(self, production: Production) -> None:
        """The whole life of the request; raises what its caller is to hear of."""
        self._production = production
        started = time.monotonic()
        error: BaseException | None = None
        try:
            opened = await self._respond()
            await production.emit(opened.head)
            await self._pump(opened)
        except (SystemExit, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as caught:
            error = self._meant(caught)
        error = await self._close_body(error)
        self._request.stream_end = StreamEnd(error, self._sent, time.monotonic() - started)
        if error is not None:
            self._request.error = error
        error = await self._end(error)
        if error is not None:
            raise error

    async def _respond(self) -> _Opened:
        request = self._request
        try:
            await self._hook("request_start", request)
            await self._chain("before")
            if not request.answered_early:
                await self._handle()
                await self._chain("after")
            return await self._open()
        except (SystemExit, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as caught:
            error = self._meant(caught)
        await self._recover(error)
        return await self._open()

    async def _handle(self) -> None:
        request = self._request
        await self._hook("before_handler")
        request.response = normalised(
            await self._production.call(self._onion.handler, request.event, request.context)
        )
        await self._hook("after_handler")

    async def _recover(self, error: BaseException) -> None:
        """Let on_error answer instead, or raise."""
        request = self._request
        await self._discard(error)
        request.response = None
        request.error = error
        request.reset_early()
        request.transforms.clear()
        self._production.interrupt = None
        try:
            await self._chain("on_error")
        except Exception as another:
            if another is not error and another.__cause__ is None:
                another.__cause__ = error
            raise
        if request.response is None and not request.answered_early:
            raise error

    async def _chain(self, phase: str) -> None:
        request = self._request
        for name, function in self._onion.chain(phase):
            await self._hook("before_middleware", name)
            result = await self._production.call(function, request)
            await self._hook("after_middleware", name)
            if result is not None:
                request.response = normalised(result)
                if phase == "before":
                    request.early_response = request.response
                return
            if request.answered_early:
                request.response = normalised(request.early_response)
                return

    async def _open(self) -> _Opened:
        response = normalised(self._request.response)
        http = response if isinstance(response, HttpResponse) else None
        content = await self._production.settle(response if http is None else http.body)
        body = self._opened = open_body(content)
        if http is not None:
            return _Opened(self._head(http, self._content_type or body.content_type), body, _END)
        first = await self._next(body)
        while first is not _END and not any(True for _ in pieces(first)):
            first = await self._next(body)
        kind = self._content_type or body.content_type or (BINARY if isinstance(first, _BYTES) else TEXT)
        return _Opened(self._head(None, kind), body, first)

    async def _pump(self, opened: _Opened) -> None:
        if opened.first is not _END:
            await self._send(opened.first)
        while (chunk := await self._next(opened.body)) is not _END:
            await self._send(chunk)
        for position, transform in enumerate(self._request.transforms):
            await self._send_through(position + 1, transform.finish())

    async def _next(self, body: Body) -> Any:
        if body.chunks is not None:
            chunk = await self._production.call(next, body.chunks, _END)
        else:
            assert body.async_chunks is not None
            await self._production.enter_loop()
            chunk = await _anext(body.async_chunks)
        self._production.check()
        return chunk

    async def _send(self, chunk: Any) -> None:
        for piece in pieces(chunk):
            await self._send_through(0, piece)

    async def _send_through(self, position: int, data: bytes) -> None:
        for transform in self._request.transforms[position:]:
            if not data:
                return
            data = transform.feed(data)
        if data:
            await self._production.emit(data)
            self._sent += len(data)

    async def _close_body(self, error: BaseException | None) -> BaseException | None:
        """Close the producer; its error counts if there was none before."""
        body, self._opened = self._opened, None
        for close in body.closers() if body is not None else ():
            error = await self._quietly(error, close)
        return error

    async def _discard(self, error: BaseException) -> None:
        """Close the producer of a response that is not going to be sent, opened or not."""
        if self._opened is not None:
            await self._close_body(error)
            return
        response = self._request.response
        for close in closers_unopened(response.body if isinstance(response, HttpResponse) else response):
            await self._quietly(error, close)

    async def _end(self, error: BaseException | None) -> BaseException | None:
        """Run every end hook; the first error wins, and is chained to what came after it."""
        for _, function in self._onion.chain("on_stream_end"):
            error = await self._quietly(error, function, self._request)
        if (hook := self._onion.hook("request_end")) is not None:
            error = await self._quietly(error, hook, self._request)
        return error

    async def _quietly(
        self, error: BaseException | None, function: Callable[..., Any], *args: Any
    ) -> BaseException | None:
        self._production.interrupt = None
        try:
            await self._production.call(function, *args)
        except (SystemExit, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as another:
            if error is None:
                return self._meant(another)
            if another is not error:
                _last_of_chain(error).__context__ = another
        return error

    async def _hook(self, name: str, *args: Any) -> None:
        hook = self._onion.hook(name)
        if hook is not None:
            await self._production.call(hook, *args)

    def _meant(self, caught: BaseException) -> BaseException:
        """The reason behind an interruption, or the error itself."""
        if isinstance(caught, Stopped):
            return caught.reason
        if isinstance(caught, Exception):
            return caught
        if self._production.interrupt is not None:
            return self._production.interrupt
        error = RuntimeError(f"The handler was ended by {type(caught).__name__}.")  # asyncio.CancelledError
        error.__cause__ = caught
        return error


_BYTES = (bytes, bytearray, memoryview)


async def _anext(chunks: AsyncIterator[Any]) -> Any:
    try:
        return await chunks.__anext__()
    except StopAsyncIteration:
        return _END


def _last_of_chain(error: BaseException) -> BaseException:
    seen = {id(error)}
    while (before := error.__cause__ or error.__context__) is not None and id(before) not in seen:
        seen.add(id(before))
        error = before
    return error
