"""Many invocations at once with threads: payloads in, items out."""

import contextvars
import threading
import time
import warnings
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from streamify_client.request.payload import Payload

from .errors import ConfigurationError, StreamClosedError
from .models import StreamResult

if TYPE_CHECKING:
    from .response import ResponseStream

Read = Literal["text", "bytes", "json"]
_CLOSING = 1.0  # seconds to wait for threads when closing; a thread that is still connecting ends on its own


@dataclass(frozen=True, slots=True)
class MapItem:
    """The outcome for one payload.

    Attributes:
        index: The payload's position, from 0.
        payload: The payload.
        value: What was read; None if reading failed.
        error: Why it failed; None if it did not.
        result: Figures about the stream, if it was opened.
    """

    index: int
    payload: Any = field(repr=False)
    value: Any = None
    error: Exception | None = None
    result: StreamResult | None = None


def check_payloads(payloads: object) -> None:
    """Refuse a single payload where several are expected: its keys or letters would be taken for payloads."""
    if isinstance(payloads, Mapping | str | bytes) or not isinstance(payloads, Iterable | AsyncIterable):
        raise ConfigurationError(
            f"map takes several payloads, such as a list of them, not one {type(payloads).__name__}."
        )


def check_concurrency(concurrency: int, pool_size: int | None) -> None:
    """Refuse an invalid concurrency; warn if the client that was passed in has too small a pool for it."""
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
        raise ConfigurationError(f"concurrency must be a whole number, 1 or more, not {concurrency!r}.")
    if pool_size is not None and concurrency > pool_size:
        warnings.warn(
            f"the client that was passed in has max_pool_connections={pool_size}, fewer than concurrency="
            f"{concurrency}: make it with botocore.config.Config(max_pool_connections={concurrency})",
            stacklevel=3,
        )


def check_read(read: object) -> None:
    """Refuse a `read` that is neither a known name nor a function."""
    if not callable(read) and read not in ("text", "bytes", "json"):
        raise ConfigurationError(
            f"read must be 'text', 'bytes', 'json' or a function of a stream, not {read!r}."
        )


Open = Callable[[Payload], "ResponseStream"]


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that ends the whole map and not just one item, such as SystemExit."""

    error: BaseException


@dataclass(slots=True)
class _Running:
    """One invocation that is running in a thread."""

    stream: "ResponseStream"
    thread: threading.Thread


class StreamMap(Iterator[MapItem]):
    """The items of `StreamClient.map`, as they come.

    Leaving the loop, an exception and `close` cancel the invocations that still run. (Nothing refers to this
    object but the loop, so that leaving the loop frees it.) If the `read` function raises something other
    than an ``Exception`` (SystemExit, CancelledError), the loop raises it.
    """

    def __init__(
        self, open_stream: Open, payloads: Iterable[Payload], *, concurrency: int, ordered: bool, read: Any
    ) -> None:
        self._running: dict[int, _Running] = {}
        self._done: dict[int, MapItem] = {}
        self._finished: SimpleQueue[MapItem | Raised] = SimpleQueue()
        self._open = open_stream
        self._payloads = enumerate(iter(payloads))
        self._exhausted = self._closed = False
        self._concurrency = concurrency
        self._ordered = ordered
        self._read = read
        self._next = 0  # the index of the next item, if the items are ordered

    def __next__(self) -> MapItem:
        if self._closed:
            raise StopIteration
        try:
            self._fill()
            while (item := self._take()) is None:
                if self._closed:
                    raise _closed_meanwhile()
                if not self._running:
                    raise StopIteration
                self._collect(self._finished.get())
        except StopIteration:
            raise
        except BaseException:
            self.close()
            raise
        return item

    def _fill(self) -> None:
        """Start as many invocations as are allowed."""
        while not self._exhausted and len(self._running) + len(self._done) < self._concurrency:
            following = next(self._payloads, None)
            if following is None:
                self._exhausted = True
            else:
                self._begin(*following)

    def _begin(self, index: int, payload: Payload) -> None:
        try:
            stream = self._open(payload)
        except Exception as error:
            self._done[index] = MapItem(index, payload, error=error)
            return
        context = contextvars.copy_context()
        arguments = (_read_item, stream, index, payload, self._read, self._finished)
        # A daemon thread and not a pool: an executor would delay Python's exit until the last stream ends.
        thread = threading.Thread(
            target=context.run, args=arguments, name=f"streamify-map-{index}", daemon=True
        )
        try:
            thread.start()
        except BaseException:
            stream.cancel()
            raise
        self._running[index] = _Running(stream, thread)
        if self._closed:  # by another thread, which may not know of this invocation
            stream.cancel()

    def _collect(self, item: MapItem | Raised) -> None:
        if self._closed:
            raise _closed_meanwhile()
        if isinstance(item, Raised):
            raise item.error
        self._running.pop(item.index).thread.join()
        self._done[item.index] = item

    def _take(self) -> MapItem | None:
        while not self._closed and not self._finished.empty():
            self._collect(self._finished.get())
        index = self._next if self._ordered else next(iter(self._done), None)
        item = None if index is None else self._done.pop(index, None)
        if item is not None:
            self._next += 1
        return item

    def close(self) -> None:
        """Cancel the running invocations; take no further payload."""
        threads = self._cancel()
        deadline = time.monotonic() + _CLOSING
        for thread in threads:
            if thread is not threading.current_thread():  # the `read` function may close the map
                thread.join(max(0.0, deadline - time.monotonic()))

    def _cancel(self) -> list[threading.Thread]:
        """Cancel the running invocations; return their threads."""
        self._exhausted = self._closed = True
        self._done.clear()
        running = list(self._running.values())
        self._running.clear()
        for one in running:
            one.stream.cancel()
        self._finished.put(Raised(GeneratorExit()))  # wakes a thread that waits for an item
        return [one.thread for one in running]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._cancel()  # without waiting: the garbage collector may run in any thread, at any moment


def _closed_meanwhile() -> StreamClosedError:
    return StreamClosedError("The map was closed while its next item was waited for.")


def _read_item(
    stream: "ResponseStream",
    index: int,
    payload: Payload,
    read: Any,
    finished: "SimpleQueue[MapItem | Raised]",
) -> None:
    """Read one stream, in its own thread."""
    value, failure = None, None
    try:
        with stream:
            value = read(stream) if callable(read) else _READERS[read](stream)
    except Exception as error:
        failure = error
    except BaseException as error:
        finished.put(Raised(error))
        return
    finished.put(MapItem(index, payload, value, failure, result_of(stream)))


def result_of(stream: Any) -> StreamResult | None:
    """Return the figures about a stream, if it was opened at all."""
    try:
        found: StreamResult = stream.result
    except StreamClosedError:
        return None
    return found


_READERS: dict[str, Callable[["ResponseStream"], Any]] = {
    "text": lambda stream: stream.text(),
    "bytes": lambda stream: stream.read(),
    "json": lambda stream: stream.json(),
}
