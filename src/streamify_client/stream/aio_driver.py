"""What the steps of a stream wait for, by asyncio."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from streamify_client.errors import ConfigurationError, StreamClosedError
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
        """Invoke the function once, in a task of its own, so that another thread can end it."""
        loop, cancellation = _running_loop(), opening.cancellation
        task = loop.create_task(self._transport.open(invocation, opening), context=opening.within)
        cancellation.on_request(partial(_from_any_thread, loop, task.cancel))
        try:
            raw = await task
        except asyncio.CancelledError:
            if task.done() and not task.cancelled() and task.exception() is None:
                task.result().close()
            current = asyncio.current_task()
            if cancellation.requested and current is not None and not current.cancelling():
                raise StreamClosedError("The stream was cancelled.") from None
            raise
        cancellation.on_request(raw.close)
        return raw

    async def finish(self, raw: AsyncRawResponse) -> None:
        """Give the connection back."""
        await raw.finish()
        raw.close()

    async def sleep(self, cancellation: Cancellation, seconds: float) -> bool:
        """Wait that long, or until the stream is cancelled."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        cancellation.on_request(partial(_from_any_thread, loop, woken.set))
        try:
            await asyncio.wait_for(woken.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            cancellation.on_request(None)
        return True


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigurationError(
            "AsyncStreamClient needs a running event loop of asyncio: under trio or another library, use "
            "StreamClient in a thread."
        ) from error


def _from_any_thread(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # a loop that is closed has no task left to wake
        loop.call_soon_threadsafe(callback)
