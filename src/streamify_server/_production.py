"""Runs the lifecycle of one request and hands out what it emits, item by item, on the thread that asks.

The lifecycle is one coroutine. It starts on the asking thread, driven by hand, and as long as nothing has to
be awaited there is no event loop. The first awaitable moves it, as it stands, into a task on the process's
event loop; what is sync still runs on the asking thread, where signals can interrupt it, and in the same
contextvars context.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._loop import LoopTask

_END = object()


class Stopped(BaseException):
    """Nobody wants the rest; `reason` says why."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason
        super().__init__(str(reason))


class _Handover:
    """Gives an item to whoever drives the coroutine by hand."""

    __slots__ = ("item",)

    def __init__(self, item: Any) -> None:
        self.item = item

    def __await__(self) -> Generator[_Handover, None, None]:
        yield self


class _EnterLoop(_Handover):
    """Asks whoever drives the coroutine by hand to move it into a task."""


class Production:
    """An iterator over what `lifecycle(production)` emits."""

    def __init__(self, lifecycle: Callable[[Production], Coroutine[Any, Any, None]]) -> None:
        self._lifecycle = lifecycle
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._task: LoopTask | None = None
        self._over = False
        self.interrupt: BaseException | None = None
        self.in_user_code: bool = False

    # What the asking side calls.

    def __iter__(self) -> Production:
        return self

    def __next__(self) -> Any:
        item = self._resume(None)
        if item is _END:
            raise StopIteration
        return item

    def stop(self, reason: BaseException) -> None:
        """End early: producers are closed and end hooks run; their errors, and `reason`, stay inside."""
        while not self._over:
            try:
                self._resume(Stopped(reason))
            except Exception:
                return

    def abandon(self, reason: BaseException) -> None:
        """Like `stop`, for a thread that was torn out of its wait: what is being awaited is cancelled."""
        if self._task is not None:
            self.interrupt = reason
            self._task.cancel()
            try:
                self._task.receive()
            except Exception:
                self._over = True
        self.stop(reason)

    def cancel(self) -> None:
        """Cancel what is being awaited; from any thread, `interrupt` being set."""
        if self._task is not None:
            self._task.cancel()

    @property
    def over(self) -> bool:
        """Whether the lifecycle has come to its end."""
        return self._over

    # What the lifecycle awaits.

    async def emit(self, item: Any) -> None:
        """Hand an item out, and go on when the next is asked for."""
        if self._task is None:
            await _Handover(item)
        else:
            await self._task.hand_over(item)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call on the asking thread, and await what it returns if that is to be awaited."""
        if self._task is None:
            result = self._guarded(function, *args)
        else:
            result = await self._task.call_outside(self._guarded, function, *args)
        return await self.settle(result)

    async def settle(self, value: Any) -> Any:
        """The value, awaited if it is to be awaited."""
        if not hasattr(type(value), "__await__"):
            return value
        await self.enter_loop()
        return await value

    async def enter_loop(self) -> None:
        """From here on, run in a task on the process's event loop."""
        if self._task is None:
            await _EnterLoop(None)

    def check(self) -> None:
        """Raise if the production has been interrupted, which its code may have overlooked."""
        if self.interrupt is not None:
            raise Stopped(self.interrupt)

    def _guarded(self, function: Callable[..., Any], *args: Any) -> Any:
        self.check()
        self.in_user_code = True
        try:
            return function(*args)
        finally:
            self.in_user_code = False

    def _resume(self, error: BaseException | None) -> Any:
        if self._over:
            return _END
        try:
            if self._task is None:
                return self._drive(error)
            return self._task.resume(error)
        except StopIteration:
            self._over = True
            return _END
        except BaseException:
            # A signal may have interrupted the wait for a task that goes on.
            self._over = self._task is None or self._task.ended
            raise

    def _drive(self, error: BaseException | None) -> Any:
        if self._coroutine is None:
            self._coroutine = self._lifecycle(self)
        handover = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        if not isinstance(handover, _EnterLoop):
            return handover.item
        from ._loop import LoopTask

        # Known before it starts: the coroutine goes on in another thread, and asks for it.
        self._task = LoopTask(self._coroutine)
        self._task.start()
        return self._task.receive()
