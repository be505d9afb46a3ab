"""A thread for a reader that blocks while it waits for the event loop.

It is not one of the loop's own pool: there a few readers could occupy all threads while they wait for a name
lookup, which needs one.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """One thread that runs one step after the other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="streamify")

    async def run(self, step: Callable[[], T], on_cancel: Callable[[], object] | None = None) -> T:
        """Run a step. A cancelled task waits for the end of the step, so that none continues unnoticed.

        Args:
            step: The function to run in the thread.
            on_cancel: Called on cancellation to make the step end soon.
        """
        future = self._executor.submit(step)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if on_cancel is not None:
                on_cancel()
            with contextlib.suppress(Exception):  # what a step raises that was cut short is of no interest
                await asyncio.wrap_future(future)
            raise

    def end(self, last: Callable[[], object] | None = None) -> None:
        """End the thread after a last step."""
        if last is not None:
            self._executor.submit(last)
        self._executor.shutdown(wait=False)
