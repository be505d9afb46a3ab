"""Bytes on their way from a function to its caller: few in flight, so a slow caller slows the function."""

import asyncio
from collections.abc import AsyncIterator

_IN_FLIGHT = 65536


class Channel:
    """A queue of pieces with a bound on their bytes; one producer, one consumer.

    Pieces that are put together, or that wait together, are handed over together.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._ended = False
        self._detached = False
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, pieces: list[bytes]) -> None:
        """Add pieces; wait while the consumer is behind. Once the consumer has gone, they are dropped."""
        while self._size >= _IN_FLIGHT and not self._ended and not self._detached:
            self._room.clear()
            await self._room.wait()
        if not self._ended and not self._detached:
            self._pieces += pieces
            self._size += sum(map(len, pieces))
            self._filled.set()

    def end(self) -> None:
        """No piece follows; what is queued is still delivered."""
        self._ended = True
        self._filled.set()
        self._room.set()

    def detach(self) -> None:
        """The consumer has gone: the producer must not wait for it."""
        self._detached = True
        self._pieces.clear()
        self._room.set()

    async def __aiter__(self) -> AsyncIterator[list[bytes]]:
        while True:
            while self._pieces:
                pieces, self._pieces = self._pieces, []
                self._size = 0
                self._room.set()
                yield pieces
            if self._ended:
                return
            self._filled.clear()
            await self._filled.wait()
