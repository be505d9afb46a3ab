"""Responses of a streaming handler that is called inside another, to be returned or read there."""

from __future__ import annotations

import sys
import threading
from collections import deque
from contextlib import nullcontext

from streamify_server.checkpoints import StreamHandedOver
from streamify_server.events import kind_of
from streamify_server.response import HttpResponse

from . import driver as _driver
from .body import END, TypedBody
from .buffered import whole
from .lifecycle import Lifecycle
from .producing import next_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any

    from streamify_server.checkpoints import Checkpoint
    from streamify_server.posting import Sink

    from .driver import Driver
    from .onion import Onion
    from .output import Output

_AHEAD = 16  # chunks by which a writer may be ahead of the reader


class Inner:
    """The response of a nested streaming handler; it begins when it is used.

    If it is returned, it streams through the outer handler, which owns the one stream of an invocation.
    Iterating over it with `for` or `async for` yields the chunks of its body. Awaiting it returns an
    HttpResponse, whose status and headers can be read and changed, or the bare body. `read()` returns what
    the handler returns without a streaming runtime: bytes, or a proxy response.
    """

    needs_no_loop = True

    def __init__(
        self, onion: Onion, content_type: str | None, event: Any, context: Any, outer: Driver
    ) -> None:
        self._driver = outer.inner()
        self._unfinished = outer.unfinished
        self._unfinished.append(self.aclose)
        self._event = event
        request = onion.request(event, context)
        self._lifecycle = Lifecycle(onion, request, self._driver, self._begin, content_type)
        self._pipe = _Pipe()
        self._response: Any = None
        self._http: HttpResponse | None = None
        self._content_type: str | None = None
        self._exhausted = False
        self._over = False
        self._pushing: Any = None
        self._value: Any = END

    # For the outer handler.

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._responded().__await__()

    def __aiter__(self) -> Inner:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._next()
        if chunk is END:
            raise StopAsyncIteration
        return chunk  # type: ignore[no-any-return]

    def __iter__(self) -> Inner:
        return self

    def __next__(self) -> bytes:
        chunk = self._driver.run(self._next())
        if chunk is END:
            raise StopIteration
        return chunk  # type: ignore[no-any-return]

    def read(self) -> Any:
        """Return the whole response: bytes, or a proxy response for HTTP."""
        if self._value is END:
            body = b"".join(self)
            self._value = whole(self._http, self._content_type, body, self._event, kind_of(self._event))
        return self._value

    def __bytes__(self) -> bytes:
        return bytes(self.read())

    def __add__(self, other: Any) -> Any:
        return self.read() + other

    def __radd__(self, other: Any) -> Any:
        return other + self.read()

    def __getitem__(self, key: Any) -> Any:
        return self.read()[key]

    def aclose(self) -> Any:
        """End the response early; must be awaited."""
        return _Step(self._closed)

    def close(self) -> None:
        """End the response early."""
        self._driver.run(self._closed())

    # Internals.

    def _begin(self, response: HttpResponse | None, content_type: str | None) -> tuple[Sink, bytes]:
        if response is not None and content_type:
            response.headers.setdefault("content-type", content_type)
        self._http, self._content_type = response, content_type
        return self._pipe, b""

    async def _responded(self) -> Any:
        if self._response is None:
            self._enter()
            try:
                await self._opened()
            except BaseException as caught:
                raise await self._ended(caught) from None
            if self._http is not None:
                http = self._http
                self._response = HttpResponse(http.status, http.headers, _Unread(self), http.cookies)
            else:
                self._response = TypedBody(_Unread(self), self._content_type or "")
        return self._response

    async def _opened(self) -> None:
        """Open the response, up to the first chunk if it is bare; until then on_error may handle errors."""
        lifecycle = self._lifecycle
        try:
            await lifecycle.open()
            await self._started()
        except BaseException as caught:
            error = lifecycle.reported(caught)
            if not lifecycle.recoverable(error):
                raise
            await lifecycle.recover(error)
            await self._started()

    async def _started(self) -> None:
        out = self._lifecycle.out
        assert out is not None
        body = self._lifecycle.body
        if body.writes and body.content_type:
            out.begin()
        while not out.begun and not self._exhausted:
            await self._advance(out)

    async def _next(self) -> Any:
        await self._responded()
        self._enter()
        out = self._lifecycle.out
        assert out is not None
        try:
            while not self._pipe.chunks and not self._exhausted:
                await self._advance(out)
            if self._pipe.chunks:
                return self._pipe.take()
        except BaseException as caught:
            raise await self._ended(caught) from None
        await self._closed()
        return END

    async def _advance(self, out: Output) -> None:
        """Produce the next chunk."""
        body = self._lifecycle.body
        if body.chunks is not None:
            chunk = await self._lifecycle.driver.call(next_of, body.chunks, END)
        elif body.async_chunks is not None:
            await self._lifecycle.driver.enter_loop()
            chunk = await anext(body.async_chunks, END)
        elif body.next is not None:
            chunk = await body.next()
        else:
            await self._await_pushed(out)
            return
        if chunk is END:
            out.finish()
            self._exhausted = True
        else:
            out.put(chunk)

    async def _await_pushed(self, out: Output) -> None:
        """Wait for a chunk of a body that writes on its own."""
        import asyncio

        await self._lifecycle.driver.enter_loop()
        if self._pushing is None:

            async def push() -> None:
                result = await asyncio.to_thread(self._lifecycle.body.push, out)
                if hasattr(type(result), "__await__"):
                    await result
                out.finish()

            self._pushing = asyncio.ensure_future(push())
        await self._pipe.filled(self._pushing)
        if self._pushing.done() and not self._pipe.chunks:
            self._exhausted = True
            self._pushing.result()

    async def _pushed(self, out: Output) -> None:
        """Write the body to the outer handler's output."""
        self._enter()
        lifecycle = self._lifecycle
        try:
            self._pipe.connect(out)
            if not self._exhausted:
                await lifecycle.push()
        except StreamHandedOver:
            await self._closed()
            raise
        except BaseException as caught:
            raise await self._ended(caught) from None
        await self._closed()

    async def _ended(self, caught: BaseException) -> BaseException:
        """End with an error; return the error to raise."""
        self._finish()
        interruption = self._lifecycle.driver.interruption
        interrupted = interruption.error is not None
        error = await self._lifecycle.close(self._lifecycle.reported(caught))
        if type(caught).__name__ == "CancelledError" and not interrupted:
            return caught  # a timeout or a task group of the outer handler
        return caught if error is None else error

    async def _closed(self) -> None:
        if self._over or self._lifecycle.out is None:
            self._finish()
            return
        self._enter()
        self._finish()
        unread = not self._exhausted and self._pipe.target is None
        reason = RuntimeError("The response was closed before its end.") if unread else None
        error = await self._lifecycle.close(reason)
        if error is not None and error is not reason:
            raise error

    def _finish(self) -> None:
        self._over = True
        if self._lifecycle.out is not None:
            self._lifecycle.out.stop_beating()
        if self.aclose in self._unfinished:
            self._unfinished.remove(self.aclose)
        if self._pushing is not None:
            self._pipe.stop()
            self._pushing.cancel()

    def _enter(self) -> None:
        """Use the driver that runs this code."""
        self._lifecycle.driver = _driver.current.get() or self._driver


class _Unread:
    """The body of a response that has begun."""

    def __init__(self, inner: Inner) -> None:
        self._inner = inner

    def __iter__(self) -> Inner:
        return self._inner

    def __aiter__(self) -> Inner:
        return self._inner

    def aclose(self) -> Any:
        return self._inner.aclose()

    def _streamify_push(self, out: Output) -> Any:
        return _Step(lambda: self._inner._pushed(out))

    def _streamify_pull(self) -> tuple[None, None, Any]:
        return None, None, self._inner._next


class _Step:
    """An awaitable that works with and without an event loop."""

    needs_no_loop = True

    def __init__(self, step: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._step = step

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._step().__await__()


class _Pipe:
    """A sink whose chunks are read one by one, or forwarded to the outer handler's output."""

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.target: Output | None = None
        self._early: Checkpoint | None = None
        self._changed = threading.Condition()
        self._stopped = False
        self._wake: Any = None
        self._room: Any = None

    @property
    def full(self) -> bool:
        return self.target.full if self.target is not None else len(self.chunks) >= _AHEAD

    def write(self, data: bytes) -> None:
        if self.target is not None:
            self.target.put(data)
            return
        if self.full and not _on_loop():
            with self._changed:
                self._changed.wait_for(lambda: not self.full or self._stopped)
        self.chunks.append(data)
        if self._wake is not None:
            loop, event = self._wake
            loop.call_soon_threadsafe(event.set)

    # Checkpoints and keepalives are forwarded to the outer handler; a reader of single chunks gets none.

    @property
    def goes_on(self) -> bool:
        return not self.chunks if self.target is None else self.target.goes_on

    @property
    def tells(self) -> bool:
        return self.target is not None and self.target.tells

    def forward(self, at: Checkpoint, *, waits: bool) -> None:
        if self.target is None:
            self._early = at  # nothing has been written yet
        else:
            self.target.checkpoint(at, waits=waits)

    def keep_alive(self) -> None:
        if self.target is not None:
            with self.target.lock or nullcontext():
                self.target.beat(b"")

    async def drained(self) -> None:
        import asyncio

        if self.target is not None:
            await self.target.drained()
        while self.target is None and self.full and not self._stopped:
            self._room = asyncio.Event()
            await self._room.wait()

    def end(self) -> None:
        """Do nothing: the outer handler ends the response."""

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        """Do nothing: the outer handler ends the response."""

    def take(self) -> bytes:
        with self._changed:
            chunk = self.chunks.popleft()
            self._changed.notify_all()
        if self._room is not None:
            self._room.set()
        return chunk

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def connect(self, out: Output) -> None:
        if self._early is not None:
            out.checkpoint(self._early)
        while self.chunks:
            out.put(self.chunks.popleft())
        self.target = out

    async def filled(self, pushing: Any) -> None:
        """Wait until there is a chunk, or the whole body has been written."""
        import asyncio

        event = asyncio.Event()
        self._wake = asyncio.get_running_loop(), event
        pushing.add_done_callback(lambda _: event.set())
        while not self.chunks and not pushing.done():
            await event.wait()
            event.clear()


def _on_loop() -> bool:
    asyncio = sys.modules.get("asyncio.events")
    return asyncio is not None and asyncio._get_running_loop() is not None
