"""Writer style: a handler `(event, context, stream)` that writes its response, from any function it calls.

    >>> from streamify_server import streaming_handler
    >>> @streaming_handler
    ... def handler(event, context, stream):
    ...     stream.set_content_type("text/csv")
    ...     stream.write("a,b\\n")
    ...     stream.write("1,2\\n")
    >>> handler({}, None)
    b'a,b\\n1,2\\n'

The response begins with the first `write` or with `start_http`; before that, the handler can still fail or
answer differently. A sync handler runs in its own thread, and `write` returns when there is room for more.
In async code, `await` the `write`.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_server.engine.body import TypedBody
from streamify_server.engine.chunks import BINARY, CHUNK_LIMIT, TEXT, pieces
from streamify_server.engine.interruption import Stopped
from streamify_server.engine.style import is_coroutine_function, yields_too

from .checkpoints import Checkpoint, StreamHandedOver, checkpoint
from .engine import driver as _driver
from .errors import StreamClosedError
from .response import HttpResponse, checked_content_type

if TYPE_CHECKING:
    import asyncio

    from streamify_server.engine.output import Output

__all__ = ["StreamClosedError", "StreamWriter"]

# Bytes of async writes that are not awaited. Beyond this, a write blocks, or fails if the handler has awaited
# nothing since its first write, so that nothing could be sent yet.
_UNAWAITED_LIMIT = 1024 * 1024
_UNSENT_LIMIT = 16 * 1024 * 1024
_RETRY_SECONDS = 0.001


_NOTHING: Any = iter(())


class _Done:
    """A completed awaitable."""

    def __await__(self) -> Generator[Any, None, None]:
        found: Generator[Any, None, None] = _NOTHING
        return found


_DONE = _Done()


class _Room:
    """Awaitable that is done when everything written so far has been accepted."""

    __slots__ = ("_size", "_stream")

    def __init__(self, stream: StreamWriter, size: int) -> None:
        self._stream = stream
        self._size = size
        stream._unawaited += size

    def __await__(self) -> Generator[Any, None, None]:
        self._stream._unawaited -= self._size
        self._size = 0
        return self._stream._until_taken().__await__()


class StreamWriter:
    """The stream of a writer-style handler; any thread, and the event loop, may write to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held while writing to the output
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None  # of an async handler
        self._running_loop: Callable[[], Any] | None = None  # asyncio's, for an async handler
        self._task: asyncio.Task[None] | None = None
        self._wakes: list[asyncio.Future[None]] = []
        self._backlog: deque[bytes] = deque()  # async writes for which there was no room
        self._backlog_bytes = 0
        self._unawaited = 0
        self._out: Output | None = None
        self._early: Checkpoint | None = None  # one before the first write
        self._begun = False
        self._text = False
        self._over = False
        self._closed = False
        self._error: BaseException | None = None
        self._lost: BaseException | None = None
        self._content_type: str | None = None
        self._http: HttpResponse | None = None

    @property
    def closed(self) -> bool:
        """Whether the response has ended, so that writing is pointless."""
        return self._closed or self._over

    def set_content_type(self, content_type: str) -> None:
        """Set the content type of a response that is not HTTP; call it before the first write.

        Raises:
            RuntimeError: The response has begun.
            ValueError: The value is not a content type.
        """
        self._check_not_begun("set_content_type")
        self._content_type = checked_content_type(content_type)

    def start_http(
        self,
        status: int = 200,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        cookies: Iterable[str] = (),
    ) -> None:
        """Begin an HTTP response: status and headers are sent now, the body is written afterwards.

        Raises:
            RuntimeError: The response has begun.
            ValueError, TypeError: As for HttpResponse.
        """
        self._check_not_begun("start_http")
        self._http = HttpResponse(status, headers, cookies=cookies)
        self._begin()

    def write(self, data: Any) -> Awaitable[None]:
        """Write one chunk of text or bytes; empty chunks are skipped.

        In a thread this returns when there is room for the chunk. On the event loop it returns an awaitable
        at once; awaiting it applies the backpressure.

        Raises:
            TypeError: The data is neither text nor bytes.
            StreamClosedError: The response is over or its caller has gone.
        """
        piece = data.encode() if type(data) is str else data
        out = self._out
        if type(piece) is not bytes or not 0 < len(piece) <= CHUNK_LIMIT or out is None:
            return self._write_slowly(data)
        if self._running_loop is None or self._running_loop() is not self._loop:
            with self._lock:
                self._send(piece)
            return _DONE
        # Like _send_at_once, but inlined: most chunks come this way.
        if self._backlog or out.sink.full or not self._lock.acquire(False):
            return self._write_on_loop((piece,))
        try:
            self._send(piece)
        finally:
            self._lock.release()
        return _Room(self, 0) if out.sink.full else _DONE

    def _write_slowly(self, data: Any) -> Awaitable[None]:
        """Write a chunk that is empty, large, the first or of another type."""
        if not self._begun:
            self._text = isinstance(data, str)
        chunks = pieces(data)
        if self._running_loop is not None and self._running_loop() is self._loop:
            return self._write_on_loop(chunks)
        for piece in chunks:
            with self._lock:
                if self._out is None:
                    self._await_connection()
                self._send(piece)
        return _DONE

    def checkpoint(self, state: Any) -> Awaitable[None]:
        """Write a checkpoint after everything written so far; await it in async code.

        Args:
            state: As for `streamify_server.checkpoint`.

        Raises:
            StreamHandedOver: The stream continues in another invocation; do not catch it.
            TypeError, ValueError: As for `streamify_server.checkpoint`.
            StreamClosedError: The response is over or its caller has gone.
        """
        at = checkpoint(state)
        if self._running_loop is not None and self._running_loop() is self._loop:
            return self._checkpoint_on_loop(at)
        with self._lock:
            if self._begun and self._out is None:
                self._await_connection()
            self._reach(at)
        return _DONE

    async def _checkpoint_on_loop(self, at: Checkpoint) -> None:
        import asyncio

        if self._begun:
            await self._until_taken()
        while not self.closed:
            if self._lock.acquire(blocking=False):
                try:
                    return self._reach(at)
                finally:
                    self._lock.release()
            await asyncio.sleep(_RETRY_SECONDS)
        raise _closed_error()

    def _reach(self, at: Checkpoint) -> None:
        if self.closed:
            raise _closed_error()
        if self._out is None:
            self._early = at
            return
        try:
            self._out.checkpoint(at)
        except StreamHandedOver as handed:
            self._lost = handed
            self._closed = True
            raise
        except (Stopped, OSError) as error:
            self._lost = error
            self._closed = True
            raise _closed_error() from error

    def _await_connection(self) -> None:
        self._begin()
        with self._changed:
            self._changed.wait_for(lambda: self._out is not None or self.closed)

    def _send(self, piece: bytes) -> None:
        out = self._out
        if out is None or self._closed or self._over:
            raise _closed_error()
        try:
            out.write(piece)
        except (Stopped, OSError) as error:
            self._lost = error  # decides the outcome, even if the handler catches it
            self._closed = True
            raise _closed_error() from error
        if not out.transformed:
            out.sent += len(piece)

    # On the event loop.

    def _write_on_loop(self, chunks: Iterable[bytes]) -> Awaitable[None]:
        late = 0
        for piece in chunks:
            if self.closed:
                raise _closed_error()
            self._begin()
            if self._backlog or not self._send_at_once(piece):
                self._backlog.append(piece)
                late += len(piece)
                self._bound()
        if late or (self._out is not None and self._out.sink.full):
            return _Room(self, late)
        return _DONE

    def _send_at_once(self, piece: bytes) -> bool:
        """Send without waiting, since the loop's thread must not wait; return whether there was room."""
        if self._out is None or self._out.sink.full or not self._lock.acquire(blocking=False):
            return False
        try:
            self._send(piece)
        finally:
            self._lock.release()
        return True

    def _bound(self) -> None:
        """Limit the memory used by writes that are not awaited."""
        if self._unawaited <= _UNAWAITED_LIMIT:
            return
        if self._out is None:
            if self._unawaited > _UNSENT_LIMIT:
                raise RuntimeError(
                    f"{self._unawaited} bytes have been written and none could be sent, because the handler "
                    "awaits nothing: await stream.write(...)."
                )
            return
        with self._lock:
            while self._backlog:
                self._send(self._backlog.popleft())

    async def _until_taken(self) -> None:
        """Send the backlog as room becomes available, until there is room for more."""
        import asyncio

        while not self.closed:
            if self._out is None:
                await self._woken()
            elif self._out.sink.full:
                await self._out.sink.drained()
            elif not self._backlog:
                return
            elif self._send_at_once(self._backlog[0]):
                self._backlog.popleft()
            else:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _woken(self) -> None:
        """Wait for the next change."""
        assert self._loop is not None
        wake: asyncio.Future[None] = self._loop.create_future()
        self._wakes.append(wake)
        await wake

    def _wake(self) -> None:
        wakes, self._wakes = self._wakes, []
        for wake in wakes:
            if not wake.done():
                wake.set_result(None)

    # State.

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def _begin(self) -> None:
        if self.closed:
            raise _closed_error()
        if not self._begun:
            self._begun = True
            self._notify()

    def _check_not_begun(self, what: str) -> None:
        if self._begun:
            raise RuntimeError(f"{what}() comes too late: the response has begun.")

    def _response(self) -> Any:
        """Return the response of a handler that has begun it or has ended."""
        if not self._begun and self._error is not None:
            raise self._error
        body = _Written(self)
        if self._http is not None:
            self._http.body = body
            return self._http
        kind = self._content_type or (TEXT if self._text else BINARY)
        return TypedBody(body, kind) if self._begun else body

    def _connect(self, out: Output) -> None:
        """Connect the handler to this output."""
        if self._begun:
            out.begin()
        if self._early is not None:
            out.checkpoint(self._early)
        self._out = out
        self._notify()

    def _result(self) -> None:
        handed_over = isinstance(self._lost, StreamHandedOver)
        if handed_over and not isinstance(self._error, StreamHandedOver | None):
            raise self._error
        if self._lost is not None:
            raise self._lost
        if self._error is not None:
            raise self._error

    # A sync handler, on its own thread.

    def _start(self, function: Callable[..., Any], event: Any, context: Any) -> Any:
        """Start the handler and wait until its response begins.

        It needs its own thread because middlewares run between its first write and the body. SIGALRM cannot
        interrupt that thread: its next write raises, and the deadline's thread tells the caller.
        """
        target = contextvars.copy_context().run
        thread = threading.Thread(
            target=target, args=(self._run, function, event, context), name="streamify-writer", daemon=True
        )
        thread.start()
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._begun or self._over)
        except BaseException:
            self._close()
            raise
        return self._response()

    def _run(self, function: Callable[..., Any], event: Any, context: Any) -> None:
        error: BaseException | None = None
        try:
            result = function(event, context, self)
            if hasattr(type(result), "__await__"):
                driver = _driver.Driver(_interruption())
                result = driver.run(driver.settle(result))
            _check_nothing(function, result)
        except BaseException as caught:
            error = caught
        self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        self._error = error
        self._over = True
        self._notify()

    def _push(self, out: Output) -> None:
        """Let the handler write until it ends."""
        self._connect(out)
        with self._changed:
            self._changed.wait_for(lambda: self._over)
        self._result()

    def _close(self) -> None:
        """Refuse further writes, and wait for the handler to end while there is time."""
        self._closed = True
        self._notify()
        patience = _interruption().patience
        with self._changed:
            self._changed.wait_for(lambda: self._over, patience or None)

    # An async handler, in its own task.

    async def _start_async(self, function: Callable[..., Any], event: Any, context: Any) -> Any:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._running_loop = asyncio._get_running_loop
        self._task = self._loop.create_task(self._run_async(function, event, context))
        try:
            while not self._begun and not self._over:
                await self._woken()
        except BaseException:
            await self._close_async()
            raise
        return self._response()

    async def _run_async(self, function: Callable[..., Any], event: Any, context: Any) -> None:
        error: BaseException | None = None
        try:
            _check_nothing(function, await function(event, context, self))
            if self._begun:
                await self._until_taken()
        except BaseException as caught:
            error = caught
        self._finish(error)

    async def _push_async(self, out: Output) -> None:
        self._connect(out)
        while not self._over:
            await self._woken()
        self._result()

    async def _close_async(self) -> None:
        import asyncio

        self._closed = True
        assert self._task is not None
        self._notify()
        self._task.cancel()
        await asyncio.wait([self._task])


class _Written:
    """The body of a writer-style handler."""

    def __init__(self, stream: StreamWriter) -> None:
        self._stream = stream

    def _streamify_push(self, out: Output) -> Any:
        stream = self._stream
        return stream._push(out) if stream._loop is None else stream._push_async(out)

    def close(self) -> Any:
        """End the writer."""
        stream = self._stream
        return stream._close() if stream._loop is None else stream._close_async()


def written(function: Callable[..., Any], event: Any, context: Any) -> Any:
    """Start a writer-style function; return its response, or an awaitable of it."""
    stream = StreamWriter()
    if is_coroutine_function(function):
        return stream._start_async(function, event, context)
    return stream._start(function, event, context)


def _interruption() -> Any:
    from streamify_server.engine.interruption import Interruption

    driver = _driver.current.get()
    return Interruption() if driver is None else driver.interruption


def _closed_error() -> StreamClosedError:
    return StreamClosedError("The response is over: nothing more can be written.")


def _check_nothing(function: Any, result: Any) -> None:
    if result is None:
        return
    if hasattr(result, "__next__") or hasattr(result, "__anext__"):
        raise TypeError(yields_too(function))
    raise TypeError(
        f"A writer-style handler returns nothing, not {type(result).__name__}: write to the stream instead."
    )
