"""The functions that run the application's code or wait for it.

When time is up, the deadline raises in the application's frames and in those of this module, but nowhere else
in this package, so that a chunk is never cut while it is being sent.
"""

from __future__ import annotations

from time import monotonic

from .chunks import BYTES_SLICE, CHUNK_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from .output import Output

# Seconds after which an async producer that never waits yields to other tasks.
_TURN = 0.005


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the application."""
    return function(*args)


def next_of(chunks: Iterator[Any], default: Any) -> Any:
    """Return the producer's next chunk."""
    return next(chunks, default)


def pump(chunks: Iterator[Any], out: Output) -> None:
    """Write all chunks of a producer."""
    for chunk in chunks:
        if out.put(chunk):
            break  # the response has begun: no more checks are needed
    sent = 0
    try:
        for chunk in chunks:
            data = chunk.encode() if type(chunk) is str else chunk
            if type(data) is bytes and 0 < len(data) <= CHUNK_LIMIT:
                out.write(data)
                sent += len(data)
            else:
                out.put(chunk)
    finally:
        out.count(sent)


async def pump_async(chunks: AsyncIterator[Any], out: Output) -> None:
    """Write all chunks of an async producer, waiting while the sink is full."""
    async for chunk in chunks:
        if await out.put_async(chunk):
            break
    else:
        return
    sink = out.sink
    sent = 0
    turned = monotonic()
    try:
        async for chunk in chunks:
            data = chunk.encode() if type(chunk) is str else chunk
            if type(data) is bytes and 0 < len(data) <= CHUNK_LIMIT:
                out.write(data)
                sent += len(data)
            else:
                await out.put_async(chunk)
            if sink.full or monotonic() - turned > _TURN:
                await out.drained()
                turned = monotonic()
    finally:
        out.count(sent)


def reads(file: Any) -> Iterator[Any]:
    """Yield the data of a file as it arrives."""
    # read1 returns what is available; read would wait for a full buffer on a pipe or a socket.
    read = getattr(file, "read1", None) or file.read
    while chunk := read(BYTES_SLICE):
        yield chunk
