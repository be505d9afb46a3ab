"""Objects that belong to one event loop and must be closed in it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

from streamify_client.errors import ConfigurationError

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop.

    Raises:
        ConfigurationError: No asyncio event loop is running.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigurationError(
            "AsyncStreamClient needs a running event loop of asyncio: under trio or another library, use "
            "StreamClient in a thread."
        ) from error


class _Entry(Generic[T]):
    """The object of one loop, once it is created."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.made: T | None = None
        self.keeper: AsyncGenerator[None, None] | None = None


class PerLoop(Generic[T]):
    """One object for each event loop, closed with the loop or by `close`.

    Args:
        make: Creates it.
        close: Closes it, in its own loop.
    """

    def __init__(self, make: Callable[[], Awaitable[T]], close: Callable[[T], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._entries: dict[asyncio.AbstractEventLoop, _Entry[T]] = {}

    async def get(self, loop: asyncio.AbstractEventLoop) -> T:
        """Return the object of the running loop."""
        entry = self._entries.get(loop)
        if entry is None:
            for ended in [known for known in self._entries if known.is_closed()]:
                del self._entries[ended]
            entry = self._entries[loop] = _Entry()
        if entry.made is None:
            async with entry.lock:
                if entry.made is None:
                    entry.made = await self._make()
                    entry.keeper = self._until_the_loop_ends(loop, entry)
                    await anext(entry.keeper)  # from here on the loop knows it
        return entry.made

    @property
    def made(self) -> list[T]:
        """The objects that were created and not closed."""
        return [entry.made for entry in self._entries.values() if entry.made is not None]

    async def close(self) -> None:
        """Close the running loop's object."""
        if not self._entries:
            return
        loop = running_loop()
        entry = self._entries.get(loop)
        if entry is not None:
            async with entry.lock:
                await self._end(loop, entry)
                keeper, entry.keeper = entry.keeper, None
                if keeper is not None:
                    await keeper.aclose()  # at once: it would raise if the loop closed it meanwhile

    async def _end(self, loop: asyncio.AbstractEventLoop, entry: _Entry[T]) -> None:
        self._entries.pop(loop, None)
        made, entry.made = entry.made, None
        if made is not None:
            with contextlib.suppress(Exception):
                await self._close(made)

    async def _until_the_loop_ends(
        self, loop: asyncio.AbstractEventLoop, entry: _Entry[T]
    ) -> AsyncGenerator[None, None]:
        """Wait in an asynchronous generator: `asyncio.run` closes these before it closes its loop."""
        try:
            yield
        finally:
            await self._end(loop, entry)
