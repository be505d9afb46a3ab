"""Writer style: a handler `(event, context, stream)` that writes its response, from wherever it likes.

    >>> from streamify_server import streaming_handler
    >>> @streaming_handler
    ... def handler(event, context, stream):
    ...     stream.set_content_type("text/csv")
    ...     stream.write("a,b\\n")
    ...     stream.write("1,2\\n")
    >>> handler({}, None)
    b'a,b\\n1,2\\n'

The response begins with the first `write` or with `start_http`; until then the handler may fail, or change
its mind. A sync handler runs on a thread of its own, and `write` returns when the chunk has been taken. In
async code, `await` the `write`.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import Any

from ._body import TypedBody, pieces
from ._style import is_coroutine_function, yields_too
from .response import HttpResponse, checked_content_type

_WAITING_LIMIT = 1  # chunks that wait to be sent before a writer has to wait too


class StreamClosedError(BrokenPipeError):
    """Nobody takes what is written: the response is over, or the caller has gone."""


class _Done:
    """An awaitable that is done."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_DONE = _Done()


class StreamWriter:
    """What a writer-style handler writes its response to; any thread, and the event loop, may use it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._async_writers: list[tuple[Any, Any]] = []
        self._begun = False
        self._over = False
        self._closed = False
        self._error: BaseException | None = None
        self._content_type: str | None = None
        self._http: HttpResponse | None = None

    @property
    def closed(self) -> bool:
        """Whether writing is of no more use."""
        return self._closed or self._over

    def set_content_type(self, content_type: str) -> None:
        """Say the content type of a response that is not HTTP; before the first write.

        Raises:
            RuntimeError: The response has begun.
            ValueError: This is no content type.
        """
        self._check_not_begun("set_content_type")
        self._content_type = checked_content_type(content_type)

    def start_http(
        self,
        status: int = 200,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        cookies: Iterable[str] = (),
    ) -> None:
        """Begin an HTTP response: status and headers are sent now, the body is what is written.

        Raises:
            RuntimeError: The response has begun.
            ValueError, TypeError: As for HttpResponse.
        """
        self._check_not_begun("start_http")
        self._http = HttpResponse(status, headers, cookies=cookies)
        with self._changed:
            self._begun = True
            self._changed.notify_all()

    def write(self, data: Any) -> Awaitable[None]:
        """Write one chunk of text or bytes; empty chunks are skipped.

        On a thread this returns when the chunk has been taken. On the event loop it returns at once, and what
        it returns is to be awaited: that is the backpressure.

        Raises:
            TypeError: The data is neither text nor bytes.
            StreamClosedError: The response is over or its caller has gone.
        """
        done: Awaitable[None] = _DONE
        for piece in pieces(data):
            done = self._write_on_loop(piece) if _on_loop() else self._write_on_thread(piece)
        return done

    def _write_on_thread(self, piece: bytes) -> Awaitable[None]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < _WAITING_LIMIT or self.closed)
            self._put(piece)
        return _DONE

    def _write_on_loop(self, piece: bytes) -> Awaitable[None]:
        with self._changed:
            self._put(piece)
            if len(self._waiting) <= _WAITING_LIMIT:
                return _DONE
            from ._loop import process_loop

            room = process_loop().create_future()
            self._async_writers.append((process_loop(), room))
            return room

    def _put(self, piece: bytes) -> None:
        if self.closed:
            raise StreamClosedError("The response is over: nobody takes what is written.")
        self._begun = True
        self._waiting.append(piece)
        self._changed.notify_all()

    def _check_not_begun(self, what: str) -> None:
        if self._begun:
            raise RuntimeError(f"{what}() comes too late: the response has begun.")

    # What the other side, which sends, calls.

    def _opened(self) -> Any:
        """Wait until the response has begun; the response."""
        with self._changed:
            self._changed.wait_for(lambda: self._begun or self._over)
        if not self._begun and self._error is not None:
            raise self._error
        body = _Written(self)
        if self._http is not None:
            self._http.body = body
            return self._http
        return TypedBody(body, self._content_type) if self._content_type else body

    def _finish(self, error: BaseException | None) -> None:
        """The handler has come to its end."""
        with self._changed:
            self._over = True
            self._error = error
            self._changed.notify_all()

    def _take(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            if self._waiting:
                piece = self._waiting.popleft()
                self._changed.notify_all()
                self._release_async_writers()
                return piece
        if self._error is not None:
            raise self._error
        return None

    def _close(self) -> None:
        """Nobody takes any more: let the handler know, and wait until it has ended."""
        with self._changed:
            self._closed = True
            self._release_async_writers()
            self._changed.notify_all()
        if self._cancel is not None:
            self._cancel()
        with self._changed:
            self._changed.wait_for(lambda: self._over)

    _cancel: Callable[[], object] | None = None

    def _release_async_writers(self) -> None:
        waiting, self._async_writers = self._async_writers, []
        for loop, room in waiting:
            loop.call_soon_threadsafe(_resolve, room)


class _Written:
    """The body that a writer writes."""

    def __init__(self, stream: StreamWriter) -> None:
        self._stream = stream

    def __iter__(self) -> _Written:
        return self

    def __next__(self) -> bytes:
        piece = self._stream._take()
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """End the writer."""
        self._stream._close()


def written(function: Callable[..., Any], event: Any, context: Any) -> Any:
    """Start a writer-style function; the response that it writes, as soon as that has begun."""
    stream = StreamWriter()
    if is_coroutine_function(function):
        _run_on_loop(stream, function(event, context, stream))
    else:
        caller = contextvars.copy_context()
        threading.Thread(
            target=caller.run,
            args=(_run, stream, function, event, context),
            name="streamify-writer",
            daemon=True,
        ).start()
    return stream._opened()


def _run(stream: StreamWriter, function: Callable[..., Any], event: Any, context: Any) -> None:
    """Run a sync writer to its end, on its own thread."""
    try:
        result = function(event, context, stream)
        if hasattr(type(result), "__await__"):
            _run_on_loop(stream, result)
            return
        _check_nothing(function, result)
    except BaseException as error:
        stream._finish(error)
    else:
        stream._finish(None)


def _run_on_loop(stream: StreamWriter, writing: Any) -> None:
    import asyncio

    from ._loop import process_loop

    async def run() -> None:
        try:
            _check_nothing(writing, await writing)
        except BaseException as error:
            stream._finish(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            stream._finish(None)

    task = asyncio.run_coroutine_threadsafe(run(), process_loop())
    stream._cancel = task.cancel


def _check_nothing(function: Any, result: Any) -> None:
    if result is None:
        return
    if hasattr(result, "__next__") or hasattr(result, "__anext__"):
        raise TypeError(yields_too(function))
    raise TypeError(
        f"A writer-style handler returns nothing, not {type(result).__name__}: write to the stream instead."
    )


def _on_loop() -> bool:
    import sys

    running = sys.modules.get(f"{__package__}._loop")
    return running is not None and bool(running.in_process_loop())


def _resolve(room: Any) -> None:
    if not room.done():
        room.set_result(None)
