"""Runs the coroutine of one call on the calling thread.

The coroutine is first driven by hand, without an event loop. The first awaitable moves it into a task on the
process's event loop. Sync functions of the application are called on the same thread, in the task's context,
while no loop is running there.
"""

from __future__ import annotations

import sys
from _contextvars import ContextVar  # the function may have its own contextvars.py

from streamify_server.shadowing import unshadowed

from .interruption import Interruption
from .producing import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from typing import Any

    from .loop import LoopTask

# The driver of the current call.
current: ContextVar[Driver | None] = ContextVar("streamify_driver", default=None)


class _EnterLoop:
    """Yielded to a driver: move the coroutine into a task."""

    __slots__ = ()

    def __await__(self) -> Generator[_EnterLoop, None, None]:
        yield self


class Driver:
    """Runs coroutines that `call` the application's functions.

    Args:
        interruption: Stops what is running.
        afterwards: Tasks to run after the response.
    """

    def __init__(
        self, interruption: Interruption, afterwards: list[Callable[[], Awaitable[None]]] | None = None
    ) -> None:
        self.interruption: Interruption = interruption
        self.afterwards: list[Callable[[], Awaitable[None]]] = [] if afterwards is None else afterwards
        self.unfinished: list[Callable[[], Any]] = []  # functions that close the inner responses
        self.task: LoopTask | None = None
        self._around: Any = None  # the loop that was already running on this thread

    def inner(self) -> Driver:
        """Return a driver for a part of the same call."""
        return Driver(self.interruption, self.afterwards)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine until it ends."""
        self._around = _running_loop()
        token = current.set(self)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        else:
            with unshadowed():
                from .loop import LoopTask

            self.task = task = LoopTask(coroutine)
            self.interruption.tasks.append(task)
            try:
                return task.run()
            finally:
                self.interruption.tasks.remove(task)
                self.task = None  # its context holds this driver
        finally:
            current.reset(token)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the application outside the loop; await its result if it is awaitable."""
        self.interruption.check()
        task = self.task
        if task is not None and _running_loop() is task.loop:
            result = await task.outside(function, args)
        else:
            result = call(function, *args)
        return await self.settle(result)

    async def settle(self, value: Any) -> Any:
        """Return the value, awaited if it is awaitable."""
        if hasattr(type(value), "__await__") and not _is_inner(value):
            await self.enter_loop()
            value = await value
        return await value if _is_inner(value) else value

    @property
    def on_loop(self) -> bool:
        """Whether this code runs on an event loop that was not running before."""
        return _running_loop() is not self._around

    async def enter_loop(self) -> None:
        """Continue in a task on an event loop."""
        if self.task is None and not self.on_loop:
            await _EnterLoop()


def _is_inner(value: Any) -> bool:
    """Whether this is the response of a nested handler, which can be awaited without a loop."""
    return getattr(type(value), "needs_no_loop", False) is True


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio.events")
    return None if asyncio is None else asyncio._get_running_loop()
