"""Waiting with asyncio: time limits that are cheap to change, and awaits that can be interrupted."""

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

from streamify_client.errors import StreamClosedError

from .per_loop import running_loop
from .seam import Cancellation


def reset(variable: ContextVar[Any], token: Token[Any]) -> None:
    """Reset a variable; not where a coroutine is freed unfinished, which may be in another context."""
    with contextlib.suppress(ValueError):
        variable.reset(token)


class Alarm:
    """Calls a function at a given time. Postponing it sets no timer: the running one checks again.

    Attributes:
        loop: Its event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._until: float | None = None
        self._strike: Callable[[], object] | None = None  # only while it is set, or there would be a circle

    def set(self, seconds: float | None, strike: Callable[[], object] | None) -> None:
        """Call a function after this many seconds, instead of the previous one; None: never."""
        self._strike = strike
        if seconds is None:
            self._until = None
            return
        self._until = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._until:
            self._cancel_timer()
            self._timer = self.loop.call_at(self._until, self._look)

    def unset(self) -> None:
        """Call nothing; a running timer is kept for the next time."""
        self._until = self._strike = None

    def stop(self) -> None:
        """Call nothing, and stop the timer."""
        self.unset()
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _look(self) -> None:
        self._timer, until, strike = None, self._until, self._strike
        if until is None or strike is None:
            return
        if self.loop.time() < until:
            self._timer = self.loop.call_at(until, self._look)
        else:
            self.unset()
            strike()


class Interruptible:
    """A block whose awaits `interrupt` can end with an error.

    Like `asyncio.timeout`, it cancels the task and then uncancels it.

    Attributes:
        loop: The running event loop. Asking asyncio for it takes a system call with Python 3.11.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = running_loop()
        self._awaiting = True
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task(self.loop)
        assert task is not None
        self._task: asyncio.Task[Any] = task
        self._cancelling = task.cancelling()  # by somebody else
        return self

    def interrupt(self, error: Exception) -> None:
        """Make the block raise this error; call it in the event loop, at any time."""
        if self._awaiting and self._error is None and self._task.cancel():
            self._error = error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._awaiting = False
        task, found = self._task, self._error
        del self._task, self._error  # the block may be kept for longer, by a context
        if found is None:
            return
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise found from None


class Cancellable(Interruptible):
    """A block whose awaits end when a stream is cancelled, from any thread.

    Raises:
        StreamClosedError: It was cancelled.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        super().__init__()
        self._cancellation = cancellation

    def __enter__(self) -> Self:
        super().__enter__()
        self._cancellation.on_request(self._cancel)
        return self

    def _cancel(self) -> None:
        error = StreamClosedError("The stream was cancelled.")
        with contextlib.suppress(RuntimeError):  # a loop that is closed has no task left to wake
            self.loop.call_soon_threadsafe(self.interrupt, error)
