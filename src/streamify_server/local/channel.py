"""The bounded queue between a function and its caller, so that a slow caller slows the function down."""

import asyncio
from collections.abc import AsyncIterator

_IN_FLIGHT = 65536


class Channel:
    """A queue of chunks for one producer and one consumer, bounded by their size in bytes.

    The consumer gets all waiting chunks as one list.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._detached = False
        self._loop = asyncio.get_running_loop()
        self._filled: asyncio.Future[None] | None = None  # awaited by the consumer
        self._room: asyncio.Future[None] | None = None  # awaited by the producer

    async def put(self, pieces: list[bytes]) -> None:
        """Add chunks; wait while the queue is full. After `detach`, they are dropped."""
        while self._size >= _IN_FLIGHT and not self._ended and not self._detached:
            self._room = self._loop.create_future()
            await self._room
        if not self._ended and not self._detached:
            self._pieces += pieces
            self._size += sum(map(len, pieces))
            _wake(self._filled)

    def end(self) -> None:
        """Mark the end; what is queued is still delivered."""
        self._ended = True
        _wake(self._filled)
        _wake(self._room)

    def detach(self) -> None:
        """Drop all chunks from now on, because the consumer is gone; the producer no longer waits."""
        self._detached = True
        self._pieces.clear()
        _wake(self._room)

    def __aiter__(self) -> AsyncIterator[list[bytes]]:
        return self

    async def __anext__(self) -> list[bytes]:
        while not self._pieces:
            if self._ended:
                raise StopAsyncIteration
            self._filled = self._loop.create_future()
            await self._filled
        pieces, self._pieces = self._pieces, []
        self._size = 0
        _wake(self._room)
        return pieces


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
