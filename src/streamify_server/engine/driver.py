"""Runs the coroutine of one call, on the thread that asks for it.

The coroutine starts there, driven by hand, and as long as nothing has to be awaited there is no event loop.
The first awaitable moves it, as it stands, into a task on the process's event loop. Functions of the
application that are sync are called on the same thread while no loop runs there, in the task's context.
"""

from __future__ import annotations

import sys
from _contextvars import ContextVar  # contextvars could be a file of the function's

from streamify_server.shadowing import unshadowed

from .interruption import Interruption
from .producing import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from typing import Any

    from .loop import LoopTask

# The driver of the call that this code belongs to.
current: ContextVar[Driver | None] = ContextVar("streamify_driver", default=None)


class _EnterLoop:
    """Yielded to a driver: move the coroutine into a task."""

    __slots__ = ()

    def __await__(self) -> Generator[_EnterLoop, None, None]:
        yield self


class Driver:
    """Runs coroutines that `call` the application's functions.

    Args:
        interruption: Stops what is run.
        afterwards: Work that is left for the time after the response.
    """

    def __init__(
        self, interruption: Interruption, afterwards: list[Callable[[], Awaitable[None]]] | None = None
    ) -> None:
        self.interruption: Interruption = interruption
        self.afterwards: list[Callable[[], Awaitable[None]]] = [] if afterwards is None else afterwards
        self.unfinished: list[Callable[[], Any]] = []  # how to close the inner responses
        self.task: LoopTask | None = None
        self._around: Any = None  # the loop that runs on this thread already

    def inner(self) -> Driver:
        """A driver for a part of the same call."""
        return Driver(self.interruption, self.afterwards)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
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
        """Call a function of the application outside the loop, and await what it returns if that is to be."""
        self.interruption.check()
        task = self.task
        if task is not None and _running_loop() is task.loop:
            result = await task.outside(function, args)
        else:
            result = call(function, *args)
        return await self.settle(result)

    async def settle(self, value: Any) -> Any:
        """The value, awaited if it is to be awaited."""
        if hasattr(type(value), "__await__") and not _is_inner(value):
            await self.enter_loop()
            value = await value
        return await value if _is_inner(value) else value

    @property
    def on_loop(self) -> bool:
        """Whether this code runs on an event loop that was not there before."""
        return _running_loop() is not self._around

    async def enter_loop(self) -> None:
        """From here on, run in a task on an event loop."""
        if self.task is None and not self.on_loop:
            await _EnterLoop()


def _is_inner(value: Any) -> bool:
    """Whether this is the response of a handler that was called in another: awaited off a loop as well."""
    return getattr(type(value), "needs_no_loop", False) is True


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio.events")
    return None if asyncio is None else asyncio._get_running_loop()
