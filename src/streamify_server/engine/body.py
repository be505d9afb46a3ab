"""Adapters that write any kind of body chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping

from .chunks import BINARY, BYTES_SLICE, STRING_SLICE, TEXT, a, flat, instead, slices
from .producing import pump, pump_async, reads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import Any

    from .output import Output


END: Any = object()  # marks the end of the chunks


class TypedBody:
    """A body with a content type, as returned by `sse`, `ndjson` and `csv_rows`.

    Args:
        body: The body.
        content_type: Its content type.
        keepalive: Seconds of silence after which `filler` is sent; None to send nothing.
        filler: The bytes to send.
    """

    __slots__ = ("body", "content_type", "filler", "keepalive")

    def __init__(
        self, body: Any, content_type: str, *, keepalive: float | None = None, filler: bytes = b""
    ) -> None:
        self.body: Any = body
        self.content_type: str = content_type
        self.keepalive: float | None = keepalive
        self.filler: bytes = filler

    def __iter__(self) -> Iterator[Any]:
        return iter(self.body)

    def __aiter__(self) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] = self.body.__aiter__()
        return found


class Body:
    """An opened body: `push` writes it to an output; an awaitable result is awaited.

    A body that can be read chunk by chunk has one of `chunks`, `async_chunks` and `next`.
    """

    __slots__ = (
        "_closers",
        "async_chunks",
        "chunks",
        "content_type",
        "filler",
        "keepalive",
        "next",
        "push",
        "writes",
    )

    def __init__(
        self,
        push: Callable[[Output], Any],
        closers: tuple[Callable[[], Any], ...] = (),
        *,
        chunks: Iterator[Any] | None = None,
        async_chunks: AsyncIterator[Any] | None = None,
        content_type: str | None = None,
    ) -> None:
        self.push: Callable[[Output], Any] = push
        self.chunks: Iterator[Any] | None = chunks
        self.async_chunks: AsyncIterator[Any] | None = async_chunks
        self.next: Callable[[], Awaitable[Any]] | None = None  # returns the next chunk, or END
        self.content_type: str | None = content_type
        self.writes: bool = False  # writes on its own instead of being asked for chunks
        self.keepalive: float | None = None
        self.filler: bytes = b""
        self._closers = list(closers)

    def closers(self) -> list[Callable[[], Any]]:
        """Return the functions that release the producer, only once; awaitable results must be awaited."""
        found, self._closers = self._closers, []
        return found


def open_body(body: Any) -> Body:
    """Open any kind of body that a handler may return.

    Raises:
        TypeError: The object is not a body; the message says what to do instead.
    """
    if isinstance(body, TypedBody):
        opened = open_body(body.body)
        opened.content_type = body.content_type
        opened.keepalive, opened.filler = body.keepalive, body.filler
        return opened
    if (push := getattr(body, "_streamify_push", None)) is not None:
        opened = Body(push, _closers(body))
        opened.writes = True
        if (pull := getattr(body, "_streamify_pull", None)) is not None:
            opened.chunks, opened.async_chunks, opened.next = pull()
        return opened
    if body is None:
        return _of_chunks(iter(()))
    if isinstance(body, str):
        return _of_chunks(slices(body, STRING_SLICE), content_type=TEXT)
    if isinstance(body, bytes | bytearray | memoryview):
        return _of_chunks(slices(flat(body), BYTES_SLICE), content_type=BINARY)
    if hasattr(body, "read") and not hasattr(type(body), "__aiter__"):
        return _of_chunks(reads(body), _closers(body))
    if isinstance(body, AsyncIterable):
        return _of_async_chunks(body.__aiter__(), body)
    if isinstance(body, Iterable) and not isinstance(body, Mapping | set | frozenset):
        iterator = iter(body)
        return _of_chunks(iterator, _closers(iterator, body))
    raise TypeError(f"A streaming handler cannot send {a(body)}; {instead(body)}")


def _of_chunks(
    chunks: Iterator[Any], closers: tuple[Callable[[], Any], ...] = (), content_type: str | None = None
) -> Body:
    return Body(lambda out: pump(chunks, out), closers, chunks=chunks, content_type=content_type)


def _of_async_chunks(chunks: AsyncIterator[Any], body: Any) -> Body:
    return Body(lambda out: pump_async(chunks, out), _closers(chunks, body), async_chunks=chunks)


def closers_unopened(body: Any) -> tuple[Callable[[], Any], ...]:
    """Return the functions that close an unopened body; none if it is not a producer."""
    if isinstance(body, TypedBody):
        return closers_unopened(body.body)
    produces = hasattr(body, "read") or any(
        hasattr(type(body), name) for name in ("__iter__", "__aiter__", "__await__", "_streamify_push")
    )
    return _closers(body) if produces else ()


def _closers(*producers: Any) -> tuple[Callable[[], Any], ...]:
    found: list[Callable[[], Any]] = []
    for producer in producers:
        close = getattr(producer, "aclose", None) or getattr(producer, "close", None)
        if callable(close) and close not in found:
            found.append(close)
    return tuple(found)
