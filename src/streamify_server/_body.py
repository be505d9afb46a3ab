"""Every kind of body as one stream of chunks of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
STRING_SLICE = 16 * 1024  # characters of a whole string that make one chunk
BYTES_SLICE = 64 * 1024  # bytes of a whole body, or of a file, that make one chunk
CHUNK_LIMIT = 1024 * 1024  # a chunk that a producer yields travels whole up to here


class TypedBody:
    """A body that knows its content type, as the `sse`, `ndjson` and `csv_rows` helpers make them."""

    __slots__ = ("body", "content_type")

    def __init__(self, body: Any, content_type: str) -> None:
        self.body: Any = body
        self.content_type: str = content_type

    def __iter__(self) -> Iterator[Any]:
        return iter(self.body)

    def __aiter__(self) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] = self.body.__aiter__()
        return found


class Body:
    """One body, opened for reading: exactly one of `chunks` and `async_chunks` is there."""

    __slots__ = ("_closers", "async_chunks", "chunks", "content_type")

    def __init__(
        self,
        chunks: Iterator[Any] | None,
        async_chunks: AsyncIterator[Any] | None,
        content_type: str | None,
        closers: tuple[Callable[[], Any], ...],
    ) -> None:
        self.chunks = chunks
        self.async_chunks = async_chunks
        self.content_type = content_type
        self._closers = list(closers)

    def closers(self) -> list[Callable[[], Any]]:
        """What is to be called, and awaited if it says so, to release the producer; given out once."""
        found, self._closers = self._closers, []
        return found


def open_body(body: Any) -> Body:
    """Open a body of any kind that a handler may return.

    Raises:
        TypeError: The object is no body; the message says what to do instead.
    """
    if isinstance(body, TypedBody):
        opened = open_body(body.body)
        opened.content_type = body.content_type
        return opened
    if body is None:
        return Body(iter(()), None, None, ())
    if isinstance(body, str):
        return Body(_slices(body, STRING_SLICE), None, TEXT, ())
    if isinstance(body, bytes | bytearray | memoryview):
        return Body(_slices(_flat(body), BYTES_SLICE), None, BINARY, ())
    if hasattr(body, "read") and not hasattr(type(body), "__aiter__"):
        return Body(_reads(body), None, None, _closers(body))
    if isinstance(body, AsyncIterable):
        found = body.__aiter__()
        return Body(None, found, None, _closers(found, body))
    if isinstance(body, Iterable) and not isinstance(body, Mapping | set | frozenset):
        iterator = iter(body)
        return Body(iterator, None, None, _closers(iterator, body))
    raise TypeError(f"A streaming handler cannot send {_a(body)}; {_instead(body)}")


def pieces(chunk: Any) -> Iterator[bytes]:
    """One chunk of a producer as bytes: none if it is empty, several if it is very big.

    Raises:
        TypeError: The chunk is neither text nor bytes nor None.
    """
    if isinstance(chunk, str):
        if len(chunk) * 4 <= CHUNK_LIMIT:
            return iter((chunk.encode(),) if chunk else ())
        return (piece.encode() for piece in _slices(chunk, CHUNK_LIMIT // 4))
    if isinstance(chunk, bytes | bytearray | memoryview):
        flat = _flat(chunk)
        if len(flat) <= CHUNK_LIMIT:
            return iter((bytes(flat),) if len(flat) else ())
        return (bytes(piece) for piece in _slices(flat, CHUNK_LIMIT))
    if chunk is None:
        return iter(())
    raise TypeError(f"A streaming handler cannot send {_a(chunk)} as a chunk; {_instead(chunk)}")


def _flat(data: bytes | bytearray | memoryview) -> bytes | memoryview:
    if isinstance(data, bytes):
        return data
    view = memoryview(data)
    return view.cast("B") if view.contiguous and view.c_contiguous else view.tobytes()


def _slices(whole: Any, size: int) -> Iterator[Any]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def _reads(file: Any) -> Iterator[Any]:
    # read1 gives what is there; read would wait for a full buffer on a pipe or a socket.
    read = getattr(file, "read1", None) or file.read
    while chunk := read(BYTES_SLICE):
        yield chunk


def closers_unopened(body: Any) -> tuple[Callable[[], Any], ...]:
    """How to close a body that has not been opened; nothing for what is no producer."""
    if isinstance(body, TypedBody):
        return closers_unopened(body.body)
    produces = hasattr(body, "read") or any(
        hasattr(type(body), name) for name in ("__iter__", "__aiter__", "__await__")
    )
    return _closers(body) if produces else ()


def _closers(*producers: Any) -> tuple[Callable[[], Any], ...]:
    found: list[Callable[[], Any]] = []
    for producer in producers:
        close = getattr(producer, "aclose", None) or getattr(producer, "close", None)
        if callable(close) and close not in found:
            found.append(close)
    return tuple(found)


def _a(thing: Any) -> str:
    name = type(thing).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _instead(thing: Any) -> str:
    if isinstance(thing, Mapping | list | tuple | set | frozenset | int | float | bool):
        return (
            "encode it first, for example with json.dumps(value), or give it a statusCode if it is meant as "
            "an HTTP response."
        )
    return "return or yield str or bytes (json.dumps(value) makes text of plain data)."
