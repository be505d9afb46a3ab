"""Many invocations at once with asyncio: payloads in, items out."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from streamify_client.request.payload import Payload
from streamify_client.transports.per_loop import running_loop

from .many import MapItem, Raised, result_of

if TYPE_CHECKING:
    from .aio_response import AsyncResponseStream

Open = Callable[[Payload], "AsyncResponseStream"]
_END, _WAIT = object(), object()


class AsyncStreamMap(AsyncIterator[MapItem]):
    """The items of `AsyncStreamClient.map`, as they come.

    Leaving the loop, an exception, cancelling the task and `close` cancel the invocations that still run;
    `aclose` also waits for them to end. If the `read` function raises something other than an ``Exception``
    (SystemExit, CancelledError), the loop raises it.
    """

    def __init__(
        self,
        open_stream: Open,
        payloads: Iterable[Payload] | AsyncIterable[Payload],
        *,
        concurrency: int,
        ordered: bool,
        read: Any,
    ) -> None:
        self._running: set[asyncio.Task[MapItem | Raised]] = set()
        self._following: asyncio.Task[Any] | None = None
        self._done: dict[int, MapItem] = {}
        self._open = open_stream
        self._payloads = _Payloads(payloads)
        self._exhausted = False
        self._concurrency = concurrency
        self._ordered = ordered
        self._read = read
        self._begun = 0
        self._next = 0  # the index of the next item, if the items are ordered

    async def __anext__(self) -> MapItem:
        running_loop()
        try:
            while True:
                self._fill()
                if (item := self._take()) is not None:
                    return item
                waiting = {*self._running, *([self._following] if self._following else [])}
                if not waiting:
                    raise StopAsyncIteration
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        except StopAsyncIteration:
            raise
        except BaseException:
            await self.aclose()
            raise

    def _fill(self) -> None:
        """Start as many invocations as are allowed; wait for one payload at a time."""
        while self._room() and not self._exhausted:
            if self._following is not None:
                if not self._following.done():
                    return
                following, self._following = self._following, None
                payload = following.result()
            else:
                payload = self._payloads.next_now()
            if payload is _WAIT:
                self._following = asyncio.ensure_future(self._payloads.next_later())
            elif payload is _END:
                self._exhausted = True
            else:
                self._begin(self._begun, payload)

    def _room(self) -> bool:
        return len(self._running) + len(self._done) < self._concurrency

    def _begin(self, index: int, payload: Payload) -> None:
        self._begun += 1
        try:
            stream = self._open(payload)
        except Exception as error:
            self._done[index] = MapItem(index, payload, error=error)
            return
        self._running.add(asyncio.ensure_future(_read_item(stream, index, payload, self._read)))

    def _take(self) -> MapItem | None:
        for task in [task for task in self._running if task.done()]:
            self._running.discard(task)
            item = task.result()
            if isinstance(item, Raised):
                raise item.error
            self._done[item.index] = item
        index = self._next if self._ordered else next(iter(self._done), None)
        found = None if index is None else self._done.pop(index, None)
        if found is not None:
            self._next += 1
        return found

    def close(self) -> None:
        """Cancel the running invocations without waiting for them; take no further payload."""
        self._exhausted = True
        self._done.clear()
        for task in self._tasks():
            with contextlib.suppress(RuntimeError):  # the loop is closed, and so is everything in it
                task.cancel()

    async def aclose(self) -> None:
        """Cancel the running invocations and wait for them to end; take no further payload."""
        tasks = self._tasks()
        self.close()
        self._running.clear()
        self._following = None
        if tasks:
            await asyncio.wait(tasks)

    def _tasks(self) -> list[asyncio.Task[Any]]:
        return [*self._running, *([self._following] if self._following else [])]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self.close()


class _Payloads:
    """Payloads of a plain or an asynchronous iterable, one at a time."""

    def __init__(self, payloads: Iterable[Payload] | AsyncIterable[Payload]) -> None:
        self._async: AsyncIterator[Payload] | None = None
        self._sync: Iterator[Payload] = iter(())
        if isinstance(payloads, AsyncIterable):
            self._async = aiter(payloads)
        else:
            self._sync = iter(payloads)

    def next_now(self) -> Any:
        """Return a payload, _END, or _WAIT if the payload must be awaited."""
        if self._async is not None:
            return _WAIT
        return next(self._sync, _END)

    async def next_later(self) -> Any:
        """Return a payload, or _END."""
        assert self._async is not None
        return await anext(self._async, _END)


async def _read_item(
    stream: "AsyncResponseStream", index: int, payload: Payload, read: Any
) -> MapItem | Raised:
    """Read one stream, in its own task."""
    value, failure = None, None
    try:
        async with stream:
            value = await (read(stream) if callable(read) else _READERS[read](stream))
    except Exception as error:
        failure = error
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, GeneratorExit) or (task is not None and task.cancelling()):
            raise
        return Raised(error)  # for the caller's task: raised here, SystemExit would stop the event loop
    return MapItem(index, payload, value, failure, result_of(stream))


_READERS: dict[str, Callable[["AsyncResponseStream"], Any]] = {
    "text": lambda stream: stream.text(),
    "bytes": lambda stream: stream.read(),
    "json": lambda stream: stream.json(),
}
