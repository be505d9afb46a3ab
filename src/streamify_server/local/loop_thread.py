"""An event loop in its own thread, for synchronous callers."""

import asyncio
import os
import selectors
import threading
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any, TypeVar

_T = TypeVar("_T")


# How many iterations of the loop in a row skip the poll.
_QUIET_TURNS = 4
# Seconds. Caller and function answer each other within this time, and to be woken takes longer than to look.
_AWAKE = 50e-6 if (os.cpu_count() or 1) > 1 else 0.0


class QuietSelector(selectors.DefaultSelector):
    """Asks the kernel less often while there is work anyway, and more often just after it.

    asyncio polls before each turn. A request is served in a dozen turns, each a task that wakes the next, and
    the polls between them would be a third of its cost.

    When there is nothing left to do, it looks for 50 microseconds before it sleeps: an invocation goes back
    and forth between caller and function, and each sleep would cost it the time that a wake-up takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._quiet = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0 and self._quiet < _QUIET_TURNS:
            self._quiet += 1
            return []
        self._quiet = 0
        if timeout is None or timeout > _AWAKE:
            until = perf_counter() + _AWAKE
            while perf_counter() < until:
                if ready := super().select(0):
                    return ready
        return super().select(timeout)


class LoopThread:
    """Runs coroutines and functions on its loop; it can be called from any thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.SelectorEventLoop(QuietSelector())
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine, wait for it, and return its result.

        Raises:
            RuntimeError: It was called in the loop's own thread, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("An observer must not wait for the LocalLambda that calls it.")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call a function in the loop's thread and return its result."""
        if threading.current_thread() is self._thread:
            return function(*arguments)

        async def call() -> _T:
            return function(*arguments)

        return self.run(call())

    def close(self) -> None:
        """Cancel all tasks, stop the loop, and wait for the thread."""
        self.run(self._wind_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _wind_up(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
