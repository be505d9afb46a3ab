"""The one loop that reads a stream, for blocking calls and for asyncio.

Its steps are coroutines, and a driver does the waiting: `Blocking` never suspends them, so that
`views.drive` can run them to their end; `Asyncio` uses the event loop.
"""

import threading
import warnings
from collections.abc import Awaitable
from typing import Any, NoReturn, Protocol

from streamify_client.errors import FunctionError, StreamClosedError, StreamifyError, TimeoutPhase
from streamify_client.request.invocation import Invocation
from streamify_client.transports.deadlines import Allowance
from streamify_client.transports.seam import Cancellation, Opening, RawResponse, Transport
from streamify_client.wire.errors import WireError

from .core import ERROR_BODY_SIZE, ERROR_BODY_WAIT, HAND_OVER_WAIT, State, StreamCore
from .views import Progress, ViewSlot, drive

_OPEN = State.OPEN  # looked up for every read


class Driver(Protocol):
    """The I/O of a stream."""

    blocks: bool
    """Whether nothing that it does has to be awaited."""

    advice: str
    """How a stream that was never opened should have been used."""

    def open(self, invocation: Invocation, opening: Opening) -> Awaitable[Any]:
        """Invoke the function once."""

    async def finish(self, raw: Any) -> None:
        """Everything has arrived: return the connection to the pool."""

    async def sleep(self, cancellation: Cancellation, seconds: float) -> bool:
        """Wait for that time; return True, at once, if the stream is cancelled."""


class Blocking:
    """Waits by blocking the thread."""

    blocks = True
    advice = "iterate over it, or use it in a with block"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def open(self, invocation: Invocation, opening: Opening) -> RawResponse:
        """Invoke the function once."""
        if opening.within is None:
            return self._transport.open(invocation, opening)
        return opening.within.run(self._transport.open, invocation, opening)

    async def finish(self, raw: RawResponse) -> None:
        """Return the connection to the pool."""
        raw.finish()

    async def sleep(self, cancellation: Cancellation, seconds: float) -> bool:
        """Wait for that time, or until the stream is cancelled."""
        return cancellation.sleep(seconds)


class StreamReader:
    """The loop around a StreamCore. It owns the connection, which is freed when nothing refers to it.

    Attributes:
        opened_explicitly: Whether the caller closes the stream, so that dropping a view must not.
    """

    def __init__(self, core: StreamCore, driver: Driver) -> None:
        self.core = core
        self.slot: ViewSlot = ViewSlot(core)
        self.opened_explicitly = False
        self._driver = driver
        self._blocks = driver.blocks
        self._raw: Any = None
        self._phase: TimeoutPhase = "first_byte"
        self._turn = threading.Lock()  # held while the stream is opened, read or closed

    def advance(self, progress: Progress[Any]) -> bool:
        """Do what `refill` does, by blocking, and without a coroutine where only the next read is due."""
        core = self.core
        if (
            core.steady_limit is None
            or self.slot.current is not progress
            or core.cancellation.requested
            or not self._turn.acquire(False)
        ):
            return drive(self.refill(progress))
        try:
            found, met = self._read_on(progress), None
        except BaseException as error:
            found, met = False, error
        if found:
            self._let_go()
            return True
        try:
            return drive(self.refill(progress, has_turn=True, met=met))
        finally:
            del met  # or it would hold itself, by its traceback and this frame

    async def refill(
        self, progress: Progress[Any] | None, *, has_turn: bool = False, met: BaseException | None = None
    ) -> bool:
        """Open the response, and read until a view has items; return False at the end of the response.

        If the call may be retried, it starts again.

        Args:
            progress: The view's; None: only open the response.
            has_turn: Whether the caller has taken the turn to read.
            met: An error that the caller has met while reading.
        """
        core = self.core
        if not has_turn and not self._take_turn_to_read(progress):
            return False
        try:
            while True:
                try:
                    if met is not None:
                        raise met
                    if core.state is State.NEW or core.state is State.OPENING:
                        await self._open()
                    return progress is not None and await self._fill(progress)
                except Exception as error:
                    met = None
                    await self._recover(error)
        except BaseException:  # a cancelled task frees the connection, and raises nothing else
            self._free()
            raise
        finally:
            met = None
            self._let_go()

    def _let_go(self) -> None:
        """Give up the turn."""
        self._turn.release()
        if self.core.cancellation.requested:  # another thread asked to end the stream while we held the turn
            self.close()

    def _take_turn_to_read(self, progress: Progress[Any] | None) -> bool:
        """Take the turn; return False where there is nothing to do, and raise where nothing can be read."""
        core = self.core
        if progress is None and core.state is _OPEN:
            return False
        if self.slot.current is not progress or core.state is not _OPEN or core.cancellation.requested:
            self._check_use(progress)
        if progress is not None and progress.done:
            return False
        if self._turn.acquire(blocking=False):
            return True
        raise core.explain_closed(
            StreamClosedError("Another thread or task is reading this stream: one reads it at a time.")
        )

    def _check_use(self, progress: Progress[Any] | None) -> None:
        """Raise if nothing can be read any more, or not by this view; a view at its end stays there."""
        if progress is not None:
            if progress.done:
                return
            self.slot.check(progress)
        if error := self.core.closed_error():
            if self.core.cancellation.requested:  # while nobody was reading, who would have freed it
                self.close()
            raise error

    async def aclose(self) -> None:
        """Free the connection: for reuse if the response is complete, otherwise by closing it."""
        if not self._take_turn():
            return
        try:
            if self.core.at_end:
                await self._finish()
        finally:
            self._free()
            self._turn.release()

    def close(self) -> None:
        """Free the connection at once."""
        if not self._take_turn():
            return
        try:
            self._free()
        finally:
            self._turn.release()

    def _take_turn(self) -> bool:
        """Take the turn to close the stream. If another thread reads it, wake that thread to close it."""
        if self._turn.acquire(blocking=False):
            return True
        self.core.cancel()
        return self._turn.acquire(blocking=False)  # it may have let go before it could see the request

    def view_dropped(self, progress: Progress[Any]) -> None:
        """A view was dropped. The last one closes the stream, unless the caller does."""
        if self.slot.drop(progress) and not self.opened_explicitly and self.core.state is not State.NEW:
            self._leave()

    async def _open(self) -> None:
        core = self.core
        if core.cancellation.requested:
            raise StreamClosedError("The stream was cancelled.")
        self._phase = "first_byte"
        opening = core.begin()
        self._raw = raw = await self._driver.open(core.next_invocation, opening)
        if not self._blocks:
            core.cancellation.on_request(raw.close)
        core.answered(raw.head)
        while not core.advance_opening():
            core.hold(await self._receive())
        if core.state is State.OPENING:
            await self._read_error_body()

    async def _read_error_body(self) -> NoReturn:
        core, allowance = self.core, Allowance(ERROR_BODY_SIZE, ERROR_BODY_WAIT)
        try:
            while core.gather_error_body() and allowance.wait:
                core.hold(await self._receive(allowance))
        except FunctionError:
            raise  # a verified stream tells what the status is about
        except (StreamifyError, WireError, OSError):  # what has come has to do
            pass
        if core.at_end:
            await self._finish()
        raise core.status_error()

    def _read_on(self, progress: Progress[Any]) -> bool:
        """Block until the view has items or there is more to do than to read on; return whether it has."""
        core = self.core
        if progress.decoder.error is not None:
            return False
        if core.took_much:
            progress.forget()
        while (steady := core.steady_limit) is not None:
            limit, self._phase = steady
            chunks = core.received(self._raw.read(limit, core.wanted))
            if chunks and progress.receive(chunks):
                return True
        return False

    async def _fill(self, progress: Progress[Any]) -> bool:
        core = self.core
        if progress.decoder.error is not None:
            raise progress.broken()
        if core.took_much:
            progress.forget()
        rest: Allowance | None = None
        while True:
            if (steady := core.steady_limit) is not None:
                limit, self._phase = steady
                pieces = self._raw.read(limit, core.wanted)
                chunks = core.received(pieces if self._blocks else await pieces)
            elif (taken := core.take()) is not None:
                if core.hands_over:
                    rest = rest or Allowance(seconds=HAND_OVER_WAIT)
                chunks = taken or await self._receive(rest)
            else:
                await self._finish()
                if core.state is not State.OPENING:
                    return progress.receive(None)
                await self._open()  # the next part
                rest = None
                continue
            if chunks and progress.receive(chunks):
                return True

    async def _receive(self, allowance: Allowance | None = None) -> list[bytes]:
        core = self.core
        limit, self._phase = core.next_read()
        if allowance is not None:
            if core.hands_over and not allowance.wait:
                return core.received([])
            limit = allowance.wait if limit is None else min(limit, allowance.wait)
        moment = self._moment(limit)
        try:
            pieces = self._raw.read(limit if moment is None else moment, core.wanted)
            if not self._blocks:
                pieces = await pieces
        except (ConnectionError, TimeoutError) as error:
            if moment is not None and isinstance(error, TimeoutError):
                return core.let_go()
            if not (core.hands_over or (core.whole and isinstance(error, ConnectionError))):
                raise
            pieces = []
        return core.received(pieces)

    def _moment(self, limit: float | None) -> float | None:
        """Return how long to hold bytes back before releasing them; None: until the limit."""
        left = self.core.moment_left
        if left is None or not self._raw.survives_timeout or (limit is not None and limit <= left):
            return None
        return left

    async def _recover(self, error: Exception) -> None:
        """Free the connection; raise the error, or wait if the call may be retried."""
        self._drop()
        found = self.core.public_error(error, self._phase)
        if found is None:
            raise error
        delay = self.core.retry_delay(found)
        if delay is None:
            try:
                raise found from (found.__cause__ or error.__cause__ or (None if found is error else error))
            finally:
                del found, error  # or it would hold itself, by its traceback and this frame
        if await self._driver.sleep(self.core.cancellation, delay):
            raise self.core.explain(found)

    async def _finish(self) -> None:
        """Everything that matters has arrived: return the connection to its pool."""
        raw, self._raw = self._raw, None
        if raw is None:
            return
        self.core.cancellation.on_request(None)  # another stream may use the connection next
        try:
            await self._driver.finish(raw)
        except BaseException:
            raw.close()
            raise

    def _free(self) -> None:
        self._drop()
        self.core.close()

    def _drop(self) -> None:
        raw, self._raw = self._raw, None
        self.core.cancellation.on_request(None)
        if raw is not None:
            raw.close()

    def _leave(self) -> None:
        """Close the stream if nothing can be awaited."""
        if self._blocks:
            drive(self.aclose())
        else:
            self.close()

    def __del__(self) -> None:
        core = self.core
        if core.state is State.NEW and not core.cancellation.requested:
            warnings.warn(
                f"a stream of {core.invocation.function} was never opened, so the function was not invoked: "
                f"{self._driver.advice}",
                RuntimeWarning,  # as for a coroutine that was never awaited: Python shows it to everybody
                stacklevel=2,
            )
        if self._raw is not None or not core.over:
            self._leave()
