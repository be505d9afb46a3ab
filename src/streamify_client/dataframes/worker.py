"""A thread for a reader that blocks while it waits for the event loop.

It has a thread to itself: in the loop's own pool a few readers would hold every thread while they wait for a
name to be looked up, which needs one.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """One thread that takes one step after the other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="streamify")

    async def run(self, step: Callable[[], T], on_cancel: Callable[[], object] | None = None) -> T:
        """Take a step. A task that is cancelled waits for the end of the step, so that none goes on unseen.

        Args:
            step: What to do in the thread.
            on_cancel: How to hasten the step's end.
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
        """Let the thread go, after a last step."""
        if last is not None:
            self._executor.submit(last)
        self._executor.shutdown(wait=False)
