"""What the steps of a stream wait for, by asyncio."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from types import TracebackType
from typing import Any

from streamify_client.errors import StreamClosedError
from streamify_client.transports.per_loop import running_loop
from streamify_client.transports.seam import (
    AsyncRawResponse,
    AsyncTransport,
    Cancellation,
    Invocation,
    Opening,
)


class Asyncio:
    """Waits by suspending the task."""

    blocks = False
    advice = "iterate over it, await it, or use it in an async with block"

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def open(self, invocation: Invocation, opening: Opening) -> AsyncRawResponse:
        """Invoke the function once."""
        with _Interruptible(opening.cancellation):
            opened = self._transport.open(invocation, opening)
            raw = await (opened if opening.within is None else _within(opening.within, opened))
        opening.cancellation.on_request(raw.close)
        return raw

    async def finish(self, raw: AsyncRawResponse) -> None:
        """Give the connection back."""
        await raw.finish()
        raw.close()

    async def sleep(self, cancellation: Cancellation, seconds: float) -> bool:
        """Wait that long, or until the stream is cancelled."""
        try:
            with _Interruptible(cancellation):
                await asyncio.sleep(seconds)
        except StreamClosedError:
            return True
        return False


async def _within(context: Context, opened: Coroutine[Any, Any, AsyncRawResponse]) -> AsyncRawResponse:
    """Open a response in another context, which takes a task of its own."""
    task = running_loop().create_task(opened, context=context)
    try:
        return await task
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().close()
        raise


class _Interruptible:
    """Awaits that end with StreamClosedError when the stream is cancelled, in whatever thread.

    It cancels the task, and takes that back, as `asyncio.timeout` does.
    """

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._awaiting = True
        self._interrupted = False

    def __enter__(self) -> None:
        loop, task = running_loop(), asyncio.current_task()
        assert task is not None
        self._task: asyncio.Task[Any] = task
        self._cancelling = task.cancelling()  # by somebody else
        self._cancellation.on_request(partial(_from_any_thread, loop, self._interrupt))

    def _interrupt(self) -> None:
        if self._awaiting and not self._interrupted:
            self._interrupted = self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._awaiting = False
        self._cancellation.on_request(None)
        if self._interrupted and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise StreamClosedError("The stream was cancelled.") from None


def _from_any_thread(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # a loop that is closed has no task left to wake
        loop.call_soon_threadsafe(callback)
