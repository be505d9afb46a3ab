"""Views of a body: how its bytes become items, one rule for the sync and the async shell.

A view is a decoder with an iterator around it. A decoder takes bytes in and hands items out (`Decoder`); a
new kind of view needs a decoder and one method on each response stream.
"""

from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from ._core import StreamCore
from .errors import DecodeError, StreamClosedError
from .wire.errors import WireError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Decoder(Protocol[T_co]):
    """Bytes in, items out."""

    def feed(self, data: bytes) -> Iterator[T_co]:
        """Take bytes in; return the items that are complete, decoding only as far as is asked."""

    def finish(self) -> Iterable[T_co]:
        """The body has ended whole: return what is left, or raise."""

    def unread(self) -> bytes | None:
        """Return the bytes taken in that are part of no item handed out; None: it cannot tell."""


class BytesDecoder:
    """The body's chunks as they come."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return the chunk."""
        return iter((data,))

    def finish(self) -> Iterable[bytes]:
        """There is nothing left."""
        return ()

    def unread(self) -> bytes:
        """Return nothing: chunks are handed out when they come."""
        return b""


class Progress(Generic[T]):
    """How far one kind of view has come; a second view of the same kind goes on with it.

    Args:
        kind: What makes two views the same kind: the view's name and its options.
    """

    def __init__(self, core: StreamCore, kind: Hashable, decoder: Decoder[T]) -> None:
        self.kind = kind
        self.decoder = decoder
        self.items: Iterator[T] = iter(())
        self.finishing: bool = False
        self.done: bool = False
        self._core = core
        self._base = core.position

    def next_item(self) -> T:
        """Return an item, or raise StopIteration where more bytes are needed."""
        try:
            return next(self.items)
        except WireError as error:
            raise self._decode_error(error) from None

    def feed(self, data: bytes | None) -> None:
        """Take a chunk, or None at the end."""
        if data is not None:
            self.items = self.decoder.feed(data)
            return
        self.finishing = True
        try:
            self.items = iter(self.decoder.finish())
        except WireError as error:
            raise self._decode_error(error) from None

    def _decode_error(self, error: WireError) -> DecodeError:
        offset = None if error.offset is None else error.offset + self._base
        return DecodeError(f"The body cannot be decoded: {error.message}.", offset=offset)


class ViewSlot:
    """The one view that a stream has at a time."""

    def __init__(self, core: StreamCore) -> None:
        self._core = core
        self._current: Progress[object] | None = None

    def holds(self, progress: Progress[T]) -> bool:
        """Whether this is still the stream's view."""
        return self._current is progress

    def start(self, kind: Hashable, make: Callable[[], Decoder[T]]) -> Progress[T]:
        """Begin a view with what is left of the body, or go on with one of the same kind.

        Raises:
            StreamClosedError: The body was read to its end, or the stream is closed.
        """
        if error := self._core.refuse_use():
            raise error
        current = self._current
        if current is not None and current.done:
            raise self._core.explain_closed(
                StreamClosedError("The stream has been read to its end; keep what you read, or invoke again.")
            )
        if current is not None and current.kind == kind:
            return current  # type: ignore[return-value]  # the kind says which items it has
        if current is not None:
            self._hand_back(current.decoder)
        progress = Progress(self._core, kind, make())
        self._current = progress  # type: ignore[assignment]
        return progress

    def _hand_back(self, decoder: Decoder[object]) -> None:
        if (data := decoder.unread()) is None:
            raise self._core.explain_closed(
                StreamClosedError("This view cannot be changed for one of another kind in mid-stream.")
            )
        self._core.hand_back(data, skip_line_feed=getattr(decoder, "line_feed_due", False))

    def check(self, progress: Progress[T]) -> None:
        """Raise if another view has taken over."""
        if self._current is not progress:
            raise self._core.explain_closed(
                StreamClosedError(
                    "Another view of this stream was begun; one response has one view at a time."
                )
            )


class Source(Protocol):
    """What a view reads from."""

    slot: ViewSlot

    def next_chunk(self) -> bytes | None:
        """Return the next chunk, or None at the end."""

    def fail(self, error: DecodeError) -> None:
        """The body cannot be decoded: free everything, and raise."""

    def view_dropped(self, progress: Progress[Any]) -> None:
        """Nobody holds this view any more."""


class View(Iterator[T]):
    """Iterates over a stream's items.

    Dropping it (``break``, an exception) frees the connection at once, unless the stream is in a ``with``
    block or was opened by hand, where another view may go on. It holds what it reads from and nothing holds
    it, so that reference counting does it.
    """

    def __init__(self, source: Source, kind: Hashable, make: Callable[[], Decoder[T]]) -> None:
        self._source = source
        self._progress: Progress[T] = source.slot.start(kind, make)

    @property
    def decoder(self) -> Decoder[T]:
        """The decoder; that of an earlier view, where this one goes on with it."""
        return self._progress.decoder

    def __iter__(self) -> "View[T]":
        return self

    def __next__(self) -> T:
        source, progress = self._source, self._progress
        if progress.done:
            raise StopIteration
        source.slot.check(progress)
        while True:
            try:
                return progress.next_item()
            except StopIteration:
                pass
            except DecodeError as error:
                source.fail(error)
            if progress.finishing:
                progress.done = True
                raise StopIteration
            self._more(source, progress)

    def _more(self, source: Source, progress: Progress[T]) -> None:
        chunk = source.next_chunk()
        try:
            progress.feed(chunk)
        except DecodeError as error:
            source.fail(error)

    def __del__(self) -> None:
        if (progress := getattr(self, "_progress", None)) is not None:
            self._source.view_dropped(progress)


class AsyncSource(Protocol):
    """Source for asyncio."""

    slot: ViewSlot

    async def next_chunk(self) -> bytes | None:
        """As Source.next_chunk."""

    def fail(self, error: DecodeError) -> None:
        """As Source.fail."""

    def view_dropped(self, progress: Progress[Any]) -> None:
        """As Source.view_dropped."""


class AsyncView(AsyncIterator[T]):
    """View for asyncio. No async generator: the event loop frees those later, and this is freed at once."""

    def __init__(self, source: AsyncSource, kind: Hashable, make: Callable[[], Decoder[T]]) -> None:
        self._source = source
        self._progress: Progress[T] = source.slot.start(kind, make)

    def __aiter__(self) -> "AsyncView[T]":
        return self

    async def __anext__(self) -> T:
        source, progress = self._source, self._progress
        if progress.done:
            raise StopAsyncIteration
        source.slot.check(progress)
        while True:
            try:
                return progress.next_item()
            except StopIteration:
                pass
            except DecodeError as error:
                source.fail(error)
            if progress.finishing:
                progress.done = True
                raise StopAsyncIteration
            await self._more(source, progress)

    async def _more(self, source: AsyncSource, progress: Progress[T]) -> None:
        chunk = await source.next_chunk()
        try:
            progress.feed(chunk)
        except DecodeError as error:
            source.fail(error)

    def __del__(self) -> None:
        if (progress := getattr(self, "_progress", None)) is not None:
            self._source.view_dropped(progress)
