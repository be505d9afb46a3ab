"""The I/O of a stream with asyncio."""

import asyncio
from collections.abc import Awaitable
from contextvars import Context

from streamify_client.errors import StreamClosedError
from streamify_client.request.invocation import Invocation
from streamify_client.transports.aio_waiting import Cancellable
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

    def open(self, invocation: Invocation, opening: Opening) -> Awaitable[AsyncRawResponse]:
        """Invoke the function once."""
        if opening.within is None:
            return self._transport.open(invocation, opening)
        return self._open_within(opening.within, invocation, opening)

    async def _open_within(
        self, context: Context, invocation: Invocation, opening: Opening
    ) -> AsyncRawResponse:
        """Open the response in another context, which requires its own task."""
        loop = running_loop()
        task = loop.create_task(self._transport.open(invocation, opening), context=context)
        try:
            return await task
        except asyncio.CancelledError:
            if task.done() and not task.cancelled() and task.exception() is None:
                task.result().close()
            raise

    async def finish(self, raw: AsyncRawResponse) -> None:
        """Give the connection back."""
        await raw.finish()

    async def sleep(self, cancellation: Cancellation, seconds: float) -> bool:
        """Wait for that time, or until the stream is cancelled."""
        try:
            with Cancellable(cancellation):
                await asyncio.sleep(seconds)
        except StreamClosedError:
            return True
        return False
