"""Views of a body: decode its bytes into items; one set for sync and async streams.

A view is a decoder with an iterator around it. The data of one read are decoded at once into a list, over
which the iterator runs: an item costs no more than a step in a list. A new kind of view needs a decoder and
one method on each response stream.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterator
from itertools import chain
from operator import length_hint
from typing import Any, Generic, Protocol, TypeVar

from streamify_client.errors import DecodeError, StreamClosedError
from streamify_client.wire.errors import WireError

from .core import StreamCore

T = TypeVar("T")
R = TypeVar("R")


class Decoder(Protocol[T]):
    """Bytes in, items out: the shape of the decoders in `wire`."""

    @property
    def error(self) -> WireError | None:
        """The error after the returned items, if any; the next call raises it."""

    def receive(self, data: bytes) -> list[T]:
        """Take bytes in; return the items that are complete by now."""

    def finish(self) -> list[T]:
        """The body is complete: return what is left, or raise."""

    def unread(self, left: list[T]) -> list[bytes] | None:
        """Return the bytes that are not part of any used item, in their chunks; None: unknown.

        Args:
            left: The items of the last list that were not used.
        """

    def forget(self) -> None:
        """All items were used: keep only the input that belongs to the next one."""


class BytesDecoder:
    """The body's chunks as they arrive."""

    error: WireError | None = None

    def receive(self, data: bytes) -> list[bytes]:
        """Return the chunk."""
        return [data]

    def receive_each(self, chunks: list[bytes]) -> list[bytes]:
        """Return the chunks."""
        return chunks

    def finish(self) -> list[bytes]:
        """There is nothing left."""
        return []

    def unread(self, left: list[bytes]) -> list[bytes]:
        """Return the chunks that were not handed out."""
        return left

    def forget(self) -> None:
        """There is nothing to forget."""


class PiecesDecoder:
    """Pieces of one size, independent of the chunks; only the last one may be smaller."""

    error: WireError | None = None

    def __init__(self, size: int) -> None:
        self._size = size
        self._rest = bytearray()

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes in; return the pieces that are complete by now."""
        self._rest += data
        whole = len(self._rest) - len(self._rest) % self._size
        cut = bytes(self._rest[:whole])
        del self._rest[:whole]
        return [cut[start : start + self._size] for start in range(0, whole, self._size)]

    def finish(self) -> list[bytes]:
        """Return the last piece."""
        pieces, self._rest = [bytes(self._rest)] if self._rest else [], bytearray()
        return pieces

    def unread(self, left: list[bytes]) -> list[bytes]:
        """Return the bytes that were not handed out."""
        return [*left, bytes(self._rest)]

    def forget(self) -> None:
        """There is nothing to forget."""


class _Until(Iterator[T]):
    """Items up to a deadline: for a stream with a total limit, each item checks the clock."""

    def __init__(self, items: list[T], until: float) -> None:
        self._items = iter(items)
        self._until = until

    def __next__(self) -> T:
        if time.monotonic() >= self._until:
            raise StopIteration
        return next(self._items)

    def __length_hint__(self) -> int:
        return 0 if time.monotonic() >= self._until else length_hint(self._items)


class Progress(Generic[T]):
    """The progress of one kind of view; a second view of the same kind continues from it.

    Args:
        core: The stream's state.
        kind: What makes two views the same kind: the view's name and its options.
        make: Creates a decoder.

    Attributes:
        items: Decoded items that were not used yet. Clearing the underlying list makes the view ask before
            the next item.
        views: How many views use it.
    """

    __slots__ = (
        "_attempt",
        "_base",
        "_core",
        "_finishing",
        "_make",
        "_receive_each",
        "decoder",
        "done",
        "items",
        "kind",
        "views",
    )

    def __init__(self, core: StreamCore, kind: Hashable, make: Callable[[], Decoder[T]]) -> None:
        self.kind: Hashable = kind
        self.decoder: Decoder[T] = make()
        self.items: Iterator[T] = iter(())
        self.views: int = 0
        self.done: bool = False
        self._core = core
        self._make = make
        self._attempt = core.attempt
        self._finishing = False
        self._base = core.position
        self._receive_each: Callable[[list[bytes]], list[T]] | None = getattr(
            self.decoder, "receive_each", None
        )

    def receive(self, chunks: list[bytes] | None) -> bool:
        """Take the data of a read, or None at the end of the body; return whether there are items now.

        Raises:
            DecodeError: The body cannot be decoded by this view.
        """
        core = self._core
        try:
            if chunks is None:
                items = self._finish()
            elif self._receive_each is not None and self._attempt == core.attempt:
                items = self._receive_each(chunks)
            else:
                items = self._decode(chunks)
        except WireError as error:
            raise self._decode_error(error) from None
        if not items:
            return False
        core.handed_out(items)
        until = core.limits.until
        self.items = iter(items) if until is None else _Until(items, until)
        return True

    def broken(self) -> DecodeError:
        """Return the error after the returned items, if any."""
        assert self.decoder.error is not None
        return self._decode_error(self.decoder.error)

    def unread(self) -> list[bytes] | None:
        """Return the bytes that are not part of any used item, in chunks if the view has chunks."""
        left = list(self.items)
        rest = self.decoder.unread(left)
        if rest is None:
            self.items = iter(left)
            return None
        return [chunk for chunk in rest if chunk]

    def forget(self) -> None:
        """All items were used: release their input before more is read."""
        self._core.drop_large_items()
        self.decoder.forget()

    def _decode(self, chunks: list[bytes]) -> list[T]:
        if self._attempt != self._core.attempt:  # nothing of the attempts before was handed out
            self.decoder, self._attempt, self._base = self._make(), self._core.attempt, 0
            self._receive_each = getattr(self.decoder, "receive_each", None)
        if self._receive_each is not None:
            found: list[T] = self._receive_each(chunks)
            return found
        return self.decoder.receive(chunks[0] if len(chunks) == 1 else b"".join(chunks))

    def _finish(self) -> list[T]:
        if self._finishing:
            self.done = True
            return []
        self._finishing = True
        items = self.decoder.finish()
        self.done = not items and self.decoder.error is None
        return items

    def _decode_error(self, error: WireError) -> DecodeError:
        offset = None if error.offset is None else error.offset + self._base
        return DecodeError(f"The body cannot be decoded: {error.message}.", offset=offset)


class ViewSlot:
    """The one view that a stream has at a time.

    Attributes:
        current: Its progress.
    """

    def __init__(self, core: StreamCore) -> None:
        self._core = core
        self.current: Progress[Any] | None = None

    def start(self, kind: Hashable, make: Callable[[], Decoder[T]]) -> Progress[T]:
        """Begin a view with what is left of the body, or continue one of the same kind.

        Raises:
            StreamClosedError: The body was read to its end, or the stream is closed.
        """
        if error := self._core.closed_error():
            raise error
        current = self.current
        if current is not None and current.done:
            # An empty second loop would look like an empty response.
            raise self._core.explain_closed(
                StreamClosedError("The stream has been read to its end; keep what you read, or invoke again.")
            )
        if current is None or current.kind != kind:
            if current is not None:
                self._hand_back(current)
            current = self.current = Progress(self._core, kind, make)
        current.views += 1
        return current

    def _hand_back(self, progress: Progress[Any]) -> None:
        if (data := progress.unread()) is None:
            raise self._core.explain_closed(
                StreamClosedError("This view cannot be changed for one of another kind in mid-stream.")
            )
        self._core.hand_back(data, skip_line_feed=getattr(progress.decoder, "line_feed_due", False))

    def check(self, progress: Progress[T]) -> None:
        """Raise if another view has taken over."""
        if self.current is not progress:
            raise self._core.explain_closed(
                StreamClosedError(
                    "Another view of this stream was begun; one response has one view at a time."
                )
            )

    def drop(self, progress: Progress[T]) -> bool:
        """A view was dropped; return whether the stream has no view any more."""
        progress.views -= 1
        return progress.views == 0 and self.current is progress


class Source(Protocol):
    """The source of a view."""

    core: StreamCore
    slot: ViewSlot

    async def refill(self, progress: Progress[Any] | None) -> bool:
        """Read until there are items; return False at the end of the response."""

    def advance(self, progress: Progress[Any]) -> bool:
        """Do the same by blocking."""

    def view_dropped(self, progress: Progress[Any]) -> None:
        """Called when the view is dropped."""


def drive(step: Coroutine[Any, Any, R]) -> R:
    """Run a step of a stream that is read with blocking calls: it never has to be resumed."""
    try:
        step.send(None)
    except StopIteration as finished:
        result: R = finished.value
        return result
    raise AssertionError("a blocking step was suspended")


def _join(items: list[Any]) -> Any:
    """Join some texts, or some bytes."""
    return items[0] if len(items) == 1 else items[0][:0].join(items)


class _ViewBase(Generic[T]):
    """Dropping a view (``break``, an exception) frees the connection at once, unless the stream is in a
    ``with`` block or was opened by hand, where another view may go on. A view holds what it reads from and
    nothing holds it, so that reference counting does it.
    """

    _source: Source
    _progress: Progress[T]

    @property
    def decoder(self) -> Decoder[T]:
        """The decoder; that of an earlier view, where this one goes on with it."""
        return self._progress.decoder

    def __repr__(self) -> str:
        kind = self._progress.kind
        name = kind[0] if isinstance(kind, tuple) else kind
        state = ", read to its end" if self._progress.done else ""
        return f"<{type(self).__name__} of the {name} of {self._source.core.summary}{state}>"

    def __del__(self) -> None:
        if (progress := getattr(self, "_progress", None)) is not None:
            self._source.view_dropped(progress)


class _Batches(Iterator[Iterator[T]]):
    """For `itertools.chain`: iterators over the items of one read each."""

    def __init__(self, source: Source, progress: Progress[T]) -> None:
        self._source = source
        self._progress = progress

    def __next__(self) -> Iterator[T]:
        progress = self._progress
        if not length_hint(progress.items):
            try:
                has_items = self._source.advance(progress)
            except BaseException as error:
                return _raising(error)
            if not has_items:
                raise StopIteration
        return progress.items


def _raising(error: BaseException) -> Iterator[Any]:
    """Raise an error from an iterator: a chain that met it between two iterators would stay at its end."""
    try:
        yield from ()
        raise error
    finally:
        del error  # or it would hold itself, by its traceback and this frame


class View(_ViewBase[T], chain[T]):
    """Iterates over a stream's items with blocking calls; an item of a read costs no call of ours."""

    def __new__(cls, source: Source, kind: Hashable, make: Callable[[], Decoder[T]]) -> "View[T]":
        progress = source.slot.start(kind, make)
        view: Any = cls.from_iterable(_Batches(source, progress))
        view._source, view._progress = source, progress
        made: View[T] = view
        return made

    def batches(self) -> Iterator[list[T]]:
        """Iterate over lists of items, one for each read."""
        progress = self._progress
        while True:
            if items := list(progress.items):
                yield items
            elif not self._source.advance(progress):
                return

    def joined(self) -> Iterator[T]:
        """Iterate over text or bytes, with the data of each read as one item."""
        return map(_join, self.batches())


class AsyncView(_ViewBase[T], AsyncIterator[T]):
    """Iterates over a stream's items with asyncio.

    It is not an async generator: an event loop closes those only later, and this is freed at once.
    """

    def __init__(self, source: Source, kind: Hashable, make: Callable[[], Decoder[T]]) -> None:
        self._source = source
        self._progress = source.slot.start(kind, make)

    def __aiter__(self) -> "AsyncView[T]":
        return self

    async def __anext__(self) -> T:
        for item in self._progress.items:
            return item
        while await self._source.refill(self._progress):
            for item in self._progress.items:
                return item
        raise StopAsyncIteration

    async def next_batch(self) -> list[T]:
        """Return the items of one read; none at the end."""
        progress = self._progress
        while not (items := list(progress.items)) and await self._source.refill(progress):
            pass
        return items

    async def next_joined(self) -> T | None:
        """Return the text or the bytes of one read as one item; None at the end."""
        return _join(items) if (items := await self.next_batch()) else None

    async def rest(self) -> list[T]:
        """Return all items that are left."""
        items: list[T] = []
        while batch := await self.next_batch():
            items += batch
        return items
