"""Sends a response to its caller, and applies an injected fault to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from http import HTTPStatus

from .chunks import ChunkGate
from .faults import Action, Cut, Fault, Script, Send, Stall
from .http.connection import Connection
from .http.head import Headers
from .units import counted

_NO_FAULT = Fault()


class CutShortError(ConnectionError):
    """The fault ended the response here."""


class Delivery:
    """Sends the head and the frames of one response; the fault may delay, change or drop them.

    Args:
        connection: The caller's connection.
        fault: The fault, if any.
        framed: Whether the body consists of event-stream frames.
        tell: Called with the fault and its effect when the response is over.
    """

    def __init__(
        self,
        connection: Connection,
        fault: Fault | None,
        tell: Callable[[Fault, str], None],
        *,
        framed: bool = False,
    ) -> None:
        self._tell = tell
        self._framed = framed
        self._ended = False
        self.fault: Fault = fault or _NO_FAULT
        self._connection = connection
        self._script = Script(fault) if fault else None
        self._gate: ChunkGate | None = None

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head."""
        if self.fault.delay_headers:
            await asyncio.sleep(self.fault.delay_headers)
        await self._connection.start(status, headers)
        if self._script:
            await self._perform(self._script.begin())

    def pieces(
        self, batches: AsyncIterator[list[bytes]], content_type: str | None
    ) -> AsyncIterator[list[bytes]]:
        """Return the part of a response, before framing, up to the chunk at which `finish` cuts it."""
        limit = self.fault.cut_after_chunks
        if limit is None:
            return batches
        self._gate = ChunkGate(limit, content_type or "")
        return self._limited(batches, self._gate)

    async def _limited(
        self, batches: AsyncIterator[list[bytes]], gate: ChunkGate
    ) -> AsyncIterator[list[bytes]]:
        while not gate.over and (batch := await anext(batches, None)) is not None:
            yield [passed for piece in batch if (passed := gate.take(piece))]

    @property
    def cut_here(self) -> bool:
        """Whether the fault cuts the response after the chunks so far."""
        return self._gate is not None and self._gate.over

    async def send(self, frames: Sequence[bytes]) -> None:
        """Send frames, or pieces of a plain body.

        Raises:
            CutShortError: The fault ended the response.
        """
        if not self._script:
            return await self._connection.send_all(frames)
        for frame in frames:
            await self._perform(self._script.feed(frame))
        return None

    async def finish(self) -> None:
        """End the response.

        Raises:
            CutShortError: The fault ended the response.
        """
        if self.cut_here and self._script:
            chunks = counted(self.fault.cut_after_chunks or 0, "chunk")
            await self._perform(self._script.cut(f"after {chunks}"))
        self._ended = True
        if self._script:
            await self._perform(self._script.finish())
        await self._connection.finish()

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a complete response."""
        if not self._script:
            self._ended = True
            return await self._connection.respond(status, headers, body)
        # RFC 9110, section 8.6: a 204 has no Content-Length.
        length = [] if status == HTTPStatus.NO_CONTENT else [("content-length", str(len(body)))]
        await self.start(status, [*headers, *length])
        if body:
            await self.send([body])
        return await self.finish()

    def over(self) -> None:
        """Report the fault's effect, once nothing more is sent."""
        if self._script:
            self._tell(self.fault, self._script.effect(self._framed and self._ended))

    async def _perform(self, actions: Iterator[Action]) -> None:
        for action in actions:
            match action:
                case Send(data):
                    await self._connection.send(data)
                case Stall(seconds):
                    if seconds is None:
                        await self._connection.wait_for_hang_up()
                    else:
                        await asyncio.sleep(seconds)
                case Cut(kind):
                    await self._connection.cut(kind)
                    raise CutShortError(kind)
