"""Blocking work beside an event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Do blocking work in a thread. A cancelled task waits for its end before it cleans up."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


@asynccontextmanager
async def entered_in_thread(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context manager that blocks."""
    value = await in_thread(context.__enter__)
    try:
        yield value
    except BaseException as error:
        await in_thread(context.__exit__, type(error), error, error.__traceback__)
        raise
    await in_thread(context.__exit__, None, None, None)
