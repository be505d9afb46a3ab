"""Conversion of what a producer yields into chunks of bytes."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
STRING_SLICE = 16 * 1024  # characters per chunk of a whole string
BYTES_SLICE = 64 * 1024  # bytes per chunk of a whole body or a file
CHUNK_LIMIT = 1024 * 1024  # larger chunks of a producer are split


def pieces(chunk: Any) -> Iterator[bytes]:
    """Yield one chunk of a producer as bytes: nothing if it is empty, several pieces if it is very large.

    Raises:
        TypeError: The chunk is not text, bytes or None.
    """
    if isinstance(chunk, str):
        if len(chunk) * 4 <= CHUNK_LIMIT:
            return iter((chunk.encode(),) if chunk else ())
        return (piece.encode() for piece in slices(chunk, CHUNK_LIMIT // 4))
    if isinstance(chunk, bytes | bytearray | memoryview):
        data = flat(chunk)
        if len(data) <= CHUNK_LIMIT:
            return iter((bytes(data),) if len(data) else ())
        return (bytes(piece) for piece in slices(data, CHUNK_LIMIT))
    if chunk is None:
        return iter(())
    raise TypeError(f"A streaming handler cannot send {a(chunk)} as a chunk; {instead(chunk)}")


def flat(data: bytes | bytearray | memoryview) -> bytes | memoryview:
    """Return the bytes of a memoryview of any shape."""
    if isinstance(data, bytes):
        return data
    view = memoryview(data)
    return view.cast("B") if view.contiguous and view.c_contiguous else view.tobytes()


def slices(whole: Any, size: int) -> Iterator[Any]:
    """Yield slices of this size; the last one may be shorter."""
    return (whole[start : start + size] for start in range(0, len(whole), size))


def a(thing: Any) -> str:
    """Describe an object's type for an error message."""
    name = type(thing).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def instead(thing: Any) -> str:
    """Say what to send in place of an object that cannot be sent."""
    if isinstance(thing, Mapping | list | tuple | set | frozenset | int | float | bool):
        return (
            "encode it first, for example with json.dumps(value), or give it a statusCode if it is meant as "
            "an HTTP response."
        )
    return "return or yield str or bytes (json.dumps(value) makes text of plain data)."
