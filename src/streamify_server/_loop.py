"""The process's event loop: one, in its own thread, so that async clients survive between invocations."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any

_ITEM, _CALL, _ERROR, _END = "item", "call", "error", "end"

_lock = threading.Lock()
_running: tuple[int, asyncio.AbstractEventLoop, threading.Thread] | None = None


def process_loop() -> asyncio.AbstractEventLoop:
    """The running event loop of this process, started on first use."""
    global _running
    with _lock:
        if _running is None or _running[0] != os.getpid():  # threads do not survive a fork
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=_run, args=(loop,), name="streamify-loop", daemon=True)
            thread.start()
            _running = (os.getpid(), loop, thread)
            atexit.register(_stop, loop, thread, os.getpid())
        return _running[1]


def run(awaitable: Any) -> Any:
    """Await something on the process's loop, from another thread."""

    async def wait() -> Any:
        return await awaitable

    return asyncio.run_coroutine_threadsafe(wait(), process_loop()).result()


def in_process_loop() -> bool:
    """Whether this code runs on the thread of the process's event loop."""
    return _running is not None and threading.current_thread() is _running[2]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, owner: int) -> None:
    if os.getpid() != owner or not thread.is_alive():
        return
    asyncio.run_coroutine_threadsafe(_wind_down(), loop)
    thread.join(1.0)
    if not thread.is_alive():
        loop.close()


async def _wind_down() -> None:
    """Let what is still pending run its `finally`, and stop the loop."""
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    asyncio.get_running_loop().stop()


class LoopTask:
    """A coroutine that goes on as a task on the process's loop, resumed step by step from another thread."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._loop = process_loop()
        self._context = contextvars.copy_context()
        self._outbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._demand: asyncio.Future[tuple[Any, BaseException | None]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._coroutine = coroutine
        self.ended = False

    # Called on the asking thread.

    def start(self) -> None:
        """Let the coroutine go on in the loop's thread."""
        self._loop.call_soon_threadsafe(self._start, self._coroutine)

    def resume(self, error: BaseException | None) -> Any:
        """Let the task go on after its last item; its next item, or StopIteration, or its error."""
        self._answer(None, error)
        return self.receive()

    def receive(self) -> Any:
        """The task's next item, or StopIteration, or its error; calls that it asks for are made here."""
        while True:
            kind, value = self._outbox.get()
            if kind is _ITEM:
                return value
            self.ended = kind is not _CALL
            if kind is _END:
                raise StopIteration
            if kind is _ERROR:
                raise value
            self._answer(*self._made(*value))

    def cancel(self) -> None:
        """Cancel what the task awaits."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _made(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
        try:
            return self._context.run(function, *args), None
        except (SystemExit, KeyboardInterrupt):
            self.cancel()
            raise
        except BaseException as error:
            return None, error

    def _answer(self, value: Any, error: BaseException | None) -> None:
        self._loop.call_soon_threadsafe(self._satisfy, value, error)

    # Called on the loop's thread.

    async def hand_over(self, item: Any) -> None:
        """Give an item to the asking thread, and wait until it asks again."""
        await self._exchange(_ITEM, item)

    async def call_outside(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call on the asking thread, in this task's context."""
        return await self._exchange(_CALL, (function, args))

    async def _exchange(self, kind: str, value: Any) -> Any:
        self._demand = self._loop.create_future()
        # Once this task has paused: until then its context is entered, and a call outside could not enter it.
        self._loop.call_soon(self._outbox.put, (kind, value))
        result, error = await self._demand
        if error is not None:
            raise error
        return result

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._task = self._loop.create_task(_Contained(coroutine, self._outbox).run(), context=self._context)

    def _satisfy(self, value: Any, error: BaseException | None) -> None:
        if self._demand is not None and not self._demand.done():
            self._demand.set_result((value, error))

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


class _Contained:
    """Keeps what comes out of a coroutine, SystemExit too, from the loop; the asking thread gets it."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], outbox: queue.SimpleQueue[tuple[str, Any]]
    ) -> None:
        self._coroutine = coroutine
        self._outbox = outbox

    async def run(self) -> None:
        try:
            await self
        except BaseException as error:
            self._outbox.put((_ERROR, error))
        else:
            self._outbox.put((_END, None))

    def __await__(self) -> Generator[Any, Any, None]:
        # Awaiting the coroutine itself is refused because it has begun; going through its iterator is not.
        return (yield from self._coroutine.__await__())
