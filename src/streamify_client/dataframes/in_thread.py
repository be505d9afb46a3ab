"""Blocking readers for asyncio streams: a thread that asks the event loop for each chunk."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from streamify_client.aio_response import AsyncResponseStream
from streamify_client.errors import StreamClosedError, StreamifyError
from streamify_client.files.stream_file import RestDecoder, StreamFile
from streamify_client.stream.views import AsyncView
from streamify_client.transports.per_loop import running_loop

from .worker import Worker

if TYPE_CHECKING:
    from streamify_client.files.arrow import ArrowStream

T = TypeVar("T")
_END: Any = object()


class LoopStream:
    """An asynchronous stream for use in a thread: each step runs in the event loop while the thread waits.

    So the response is read no faster than the thread consumes it, one read at a time.
    """

    def __init__(self, stream: AsyncResponseStream, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._lock = threading.Lock()
        self._pending: concurrent.futures.Future[Any] | None = None
        self._aborted = False

    def __enter__(self) -> Self:
        self._call(self._stream.open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._aborted:
            self.close()

    def iter_bytes(self) -> "LoopView[bytes]":
        """Return a view of the body's bytes."""
        return LoopView(self._stream.iter_bytes(), self._call)

    def iter_text(self) -> "LoopView[str]":
        """Return a view of the body's text."""
        return LoopView(self._stream.iter_text(), self._call)

    def iter_lines(self) -> "LoopView[str]":
        """Return a view of the body's lines."""
        return LoopView(self._stream.iter_lines(), self._call)

    def as_file(self, *, full_reads: bool = False) -> StreamFile:
        """Return the body as a file."""
        return StreamFile(self.iter_bytes().joined(), RestDecoder(), self.close, full_reads=full_reads)

    def to_arrow(self) -> "ArrowStream":
        """Return the body as an Arrow stream."""
        from streamify_client.files.arrow import ArrowStream

        return ArrowStream(self.as_file(full_reads=True), self._explain)

    def close(self) -> None:
        """Close the stream."""
        self._call(self._stream.aclose())

    def abort(self) -> None:
        """In the event loop: free the stream, and make the thread's current or next step raise."""
        with self._lock:
            self._aborted = True
            pending = self._pending
        if pending is None or not pending.cancel() or self._loop.is_closed():
            self._stream.close()
        else:  # after the step, which may be opening the stream just now, has learned that it is cancelled
            self._loop.call_soon(self._stream.close)

    def _explain(self, error: StreamifyError) -> StreamifyError:
        return self._stream._explain(error)

    def _call(self, step: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._aborted:
                step.close()
                raise StreamClosedError("The stream was closed.")
            future = asyncio.run_coroutine_threadsafe(step, self._loop)
            self._pending = future
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise StreamClosedError("The stream was closed.") from None


class LoopView(Generic[T]):
    """A view of an asynchronous stream for use in a thread: one step in the event loop for each read."""

    def __init__(self, view: AsyncView[T], call: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._view = view
        self._call = call

    def batches(self) -> Iterator[list[T]]:
        """Iterate over lists of items, one list for each read."""
        while items := self._call(self._view.next_batch()):
            yield items

    def joined(self) -> Iterator[T]:
        """Iterate over text or bytes, with the data of each read as one item."""
        while data := self._call(self._view.next_joined()):
            yield data


async def read_in_thread(stream: AsyncResponseStream, read: Callable[[Any], T]) -> T:
    """Read a whole stream with blocking calls."""
    source, worker = LoopStream(stream, running_loop()), Worker()
    try:
        return await worker.run(partial(read, source), on_cancel=source.abort)
    finally:
        worker.end()


class AsyncFrames:
    """Iterates over frames that a thread produces; ``break`` frees the connection at once."""

    def __init__(self, stream: AsyncResponseStream, read: Callable[[Any], Generator[Any]]) -> None:
        self._stream: AsyncResponseStream | None = stream
        self._read = read
        self._worker: Worker | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._stream is None:
            raise StopAsyncIteration
        if self._worker is None:
            self._source = LoopStream(self._stream, running_loop())
            self._worker = Worker()
            self._frames = self._read(self._source)
        try:
            frame = await self._worker.run(partial(next, self._frames, _END), on_cancel=self._source.abort)
        except BaseException:
            self.close()
            raise
        if frame is _END:
            self.close()
            raise StopAsyncIteration
        return frame

    def close(self) -> None:
        """Free the connection and the thread."""
        self._stream = None
        worker, self._worker = self._worker, None
        if worker is not None:
            self._source.abort()
            worker.end(self._frames.close)

    async def aclose(self) -> None:
        """The same as `close`."""
        self.close()

    def __del__(self) -> None:
        self.close()
