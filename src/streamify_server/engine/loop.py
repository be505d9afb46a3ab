"""The process's event loop, which runs on the thread that calls the handler and is kept between invocations.

It runs only while something is awaited: sync code never sees a running loop and may use `asyncio.run`, and
background tasks pause between invocations. If a loop is already running on the calling thread, or another
thread is using this one, tasks run on a second loop in its own thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from .producing import call

_WIND_DOWN_SECONDS = 1.0
# Seconds that the awaiter of a task has to handle its SystemExit before the call is cancelled: asyncio raises
# it out of the loop at once, but an ASGI application inside a middleware should answer 500.
_HEARD_WITHIN = 0.05

Outcome = tuple[Any, BaseException | None]

_lock = threading.Lock()


class _Loop:
    """A loop of this process and the thread that uses it."""

    def __init__(self) -> None:
        self.process = os.getpid()  # threads do not survive a fork, nor do their loops
        self.loop = asyncio.new_event_loop()
        self.owner: int | None = None
        self.uses = 0

    def run_in_thread(self) -> None:
        """Run until the loop is stopped: one task's SystemExit must not end it for the others."""
        while True:
            try:
                return self.loop.run_forever()
            except SystemExit:
                continue


_here: _Loop | None = None
_beside: _Loop | None = None


def _claimed() -> _Loop | None:
    """Return the process's loop for this thread; None if a loop is running here or another thread uses it."""
    global _here
    if asyncio._get_running_loop() is not None:
        return None
    thread = threading.get_ident()
    with _lock:
        if _here is None or _here.process != os.getpid():
            _here = _Loop()
            atexit.register(_close, _here)
        if _here.owner not in (None, thread):
            return None
        _here.owner = thread
        _here.uses += 1
        return _here


def _release(claimed: _Loop) -> None:
    with _lock:
        claimed.uses -= 1
        if not claimed.uses:
            claimed.owner = None


def _loop_beside() -> asyncio.AbstractEventLoop:
    """Return the loop in its own thread; it is started on first use."""
    global _beside
    with _lock:
        if _beside is None or _beside.process != os.getpid():
            _beside = _Loop()
            run = _beside.run_in_thread
            thread = threading.Thread(target=run, name="streamify-loop", daemon=True)
            thread.start()
            atexit.register(_stop, _beside, thread)
        return _beside.loop


def _close(used: _Loop) -> None:
    if os.getpid() != used.process or used.loop.is_running() or used.loop.is_closed():
        return
    used.loop.run_until_complete(_wind_down())
    used.loop.close()


def _stop(used: _Loop, thread: threading.Thread) -> None:
    if os.getpid() != used.process or not thread.is_alive():
        return

    async def stop() -> None:
        await _wind_down()
        used.loop.stop()

    asyncio.run_coroutine_threadsafe(stop(), used.loop)
    thread.join(_WIND_DOWN_SECONDS)
    if not thread.is_alive():
        used.loop.close()


async def _wind_down() -> None:
    """Let pending tasks run their `finally` blocks."""
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=_WIND_DOWN_SECONDS)
    await asyncio.get_running_loop().shutdown_asyncgens()


async def generators_closed() -> None:
    """Wait for dropped async generators to be closed; asyncio closes each in its own task."""
    await asyncio.sleep(0)  # those tasks are created on the loop's next turn
    closing = [
        task for task in asyncio.all_tasks() if type(task.get_coro()).__name__ == "async_generator_athrow"
    ]
    if closing:
        await asyncio.wait(closing)


class _Request:
    """A function call to make outside the loop."""

    __slots__ = ("args", "context", "function", "future")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context,
        future: asyncio.Future[Outcome],
    ) -> None:
        self.function = function
        self.args = args
        self.context = context
        self.future = future

    def made(self) -> Outcome:
        try:
            return self.context.run(call, self.function, *self.args), None
        except BaseException as error:
            return None, error

    def answer(self, outcome: Outcome) -> None:
        if not self.future.done():
            self.future.set_result(outcome)


class LoopTask:
    """A started coroutine that continues as a task on a loop until it ends."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._claimed = _claimed()
        self.loop: asyncio.AbstractEventLoop = _loop_beside() if self._claimed is None else self._claimed.loop
        self._context = contextvars.copy_context()
        self._coroutine = coroutine
        self._requests: deque[_Request] = deque()
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # if the loop runs in another thread
        self._task: asyncio.Task[None] | None = None
        self._over = False
        self._cancelled = False
        self._value: Any = None
        self._error: BaseException | None = None

    # On the calling thread.

    def run(self) -> Any:
        """Run to the end; return the coroutine's result or raise its error."""
        if self._claimed is None:
            self.loop.call_soon_threadsafe(self._start)
            self._serve_beside()
        else:
            try:
                self._start()
                self._serve_here(self._claimed.loop)
            finally:
                _release(self._claimed)
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._value

    def _serve_here(self, loop: asyncio.AbstractEventLoop) -> None:
        interrupted: BaseException | None = None
        while not self._over:
            try:
                loop.run_forever()
            except SystemExit as error:  # of a task; its awaiter gets it too and may handle it
                interrupted = error
                loop.call_later(_HEARD_WITHIN, self._cancel)
            except BaseException as error:  # KeyboardInterrupt
                interrupted = error
                self._cancel()
            while self._requests:
                request = self._requests.popleft()
                request.answer(request.made())
        if interrupted is not None and self._cancelled and self._error is None:
            raise interrupted

    def _serve_beside(self) -> None:
        while True:
            self._asked.get()
            if self._over:
                return
            request = self._requests[0]  # stays in the queue during the call
            outcome = request.made()
            self._requests.popleft()
            self.loop.call_soon_threadsafe(request.answer, outcome)

    # From any thread.

    def cancel(self, wanted: Callable[[], bool]) -> None:
        """Cancel what is awaited, if `wanted` still returns true when the loop gets to it."""

        def cancel() -> None:
            if wanted():
                self._cancel()

        self.loop.call_soon_threadsafe(cancel)

    @property
    def awaiting(self) -> bool:
        """Whether the loop is running and no function of the application is being called outside it."""
        return not self._requests and self.loop.is_running()

    # On the loop's thread.

    async def outside(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a function on the calling thread, in this task's context, while no loop is running there."""
        future: asyncio.Future[Outcome] = self.loop.create_future()
        own = asyncio.current_task() is self._task
        request = _Request(function, args, self._context if own else contextvars.copy_context(), future)
        # Only once this task has paused: until then its context is entered and cannot be entered again.
        self.loop.call_soon(self._ask, request)
        result, error = await future
        if error is not None:
            try:
                raise error
            finally:
                del error
        return result

    def _ask(self, request: _Request) -> None:
        self._requests.append(request)
        self._leave()

    def _leave(self) -> None:
        if self._claimed is None:
            self._asked.put(None)
        else:
            self.loop.stop()

    def _start(self) -> None:
        self._task = self.loop.create_task(self._contained(), context=self._context)

    def _cancel(self) -> None:
        if self._task is not None and not self._over:
            self._cancelled = True
            self._task.cancel()

    async def _contained(self) -> None:
        """Keep the coroutine's exceptions, including SystemExit, away from the loop."""
        try:
            self._value = await _Begun(self._coroutine)
        except BaseException as error:
            self._error = error
        self._over = True
        self._leave()


class _Begun:
    """Awaits a started coroutine through its iterator; asyncio refuses the coroutine itself."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._coroutine.__await__())
