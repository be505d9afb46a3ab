"""The I/O of a stream with asyncio."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any

from streamify_client.errors import StreamClosedError
from streamify_client.request.invocation import Invocation
from streamify_client.transports.aio_waiting import Interruptible
from streamify_client.transports.per_loop import running_loop
from streamify_client.transports.seam import (
    AsyncRawResponse,
    AsyncTransport,
    Cancellation,
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
        with _until_cancelled(opening.cancellation):
            opened = self._transport.open(invocation, opening)
            raw = await (opened if opening.within is None else _within(opening.within, opened))
        opening.cancellation.on_request(raw.close)
        return raw

    async def finish(self, raw: AsyncRawResponse) -> None:
        """Give the connection back."""
        await raw.finish()
        raw.close()

    async def sleep(self, cancellation: Cancellation, seconds: float) -> bool:
        """Wait for that time, or until the stream is cancelled."""
        try:
            with _until_cancelled(cancellation):
                await asyncio.sleep(seconds)
        except StreamClosedError:
            return True
        return False


async def _within(context: Context, opened: Coroutine[Any, Any, AsyncRawResponse]) -> AsyncRawResponse:
    """Open a response in another context, which requires its own task."""
    task = running_loop().create_task(opened, context=context)
    try:
        return await task
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().close()
        raise


def _until_cancelled(cancellation: Cancellation) -> Interruptible:
    """Return a context manager that raises StreamClosedError when the stream is cancelled from any thread."""
    loop, block = running_loop(), Interruptible()

    def interrupt() -> None:
        block.interrupt(StreamClosedError("The stream was cancelled."))

    cancellation.on_request(partial(_from_any_thread, loop, interrupt))
    return block


def _from_any_thread(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # a loop that is closed has no task left to wake
        loop.call_soon_threadsafe(callback)
