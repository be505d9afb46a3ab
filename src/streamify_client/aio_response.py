"""One streamed response, read by asyncio."""

import asyncio
import contextlib
import warnings
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from ._attributes import parse_json
from ._core import ERROR_BODY_SIZE, ERROR_BODY_WAIT, NeedData, State, StreamCore
from ._deadlines import Allowance
from .errors import DecodeError, FunctionError, StreamClosedError, TimeoutPhase
from .item_views import AsyncItemViews
from .transport import AsyncRawResponse, AsyncTransport, Opening
from .views import AsyncView, BytesDecoder, Progress, ViewSlot
from .wire.text import TextDecoder

R = TypeVar("R")


class AsyncStreamReader:
    """StreamReader for asyncio."""

    def __init__(self, core: StreamCore, transport: AsyncTransport) -> None:
        self.core = core
        self.slot: ViewSlot = ViewSlot(core)
        self.managed = False
        self._transport = transport
        self._raw: AsyncRawResponse | None = None
        self._phase: TimeoutPhase = "first_byte"
        self._busy: int | None = None  # the task that opens or reads

    async def open(self) -> None:
        """Invoke the function, once, and read as far as the body's beginning."""
        if error := self.core.refuse_use():
            raise error
        if self.core.state is State.NEW:
            await self._retrying(_nothing)

    async def next_chunk(self) -> bytes | None:
        """Return the next chunk of the body, or None at the end of a whole response."""
        if error := self.core.refuse_use():
            raise error
        return await self._retrying(self._read_chunk)

    async def aclose(self) -> None:
        """Free the connection: for reuse if all has come, else by closing it."""
        if self._busy is None and self.core.decode_to_end():
            await self._finish()
        self.close()

    def close(self) -> None:
        """Free the connection at once."""
        if self._busy not in (None, _current_task()):
            self.core.cancellation.request()  # the task that opens or reads wakes, and frees it
            return
        self._drop()
        self.core.close()

    def view_dropped(self, progress: Progress[Any]) -> None:
        """Nobody holds this view any more: with it goes the stream, unless somebody manages that."""
        if not self.managed and self.core.state is not State.NEW and self.slot.holds(progress):
            self.close()

    def fail(self, error: DecodeError) -> NoReturn:
        """The body cannot be decoded: free everything, and raise."""
        self._drop()
        found = self.core.explain(error)
        self.core.fail(found)
        raise found from error.__cause__

    async def _retrying(self, step: Callable[[], Awaitable[R]]) -> R:
        """Take a step on an open response; where the call may be tried again, open it again first."""
        self._busy = _current_task()
        try:
            while True:
                try:
                    if self.core.state in (State.NEW, State.OPENING):
                        await self._open()
                    return await step()
                except Exception as error:
                    await self._recover(error)
        except BaseException:  # a cancelled task frees the connection, and raises nothing else
            self._drop()
            self.core.close()
            raise
        finally:
            self._busy = None

    async def _recover(self, error: Exception) -> None:
        """Free the connection; raise the error unless the call may be tried again, and then wait for that."""
        self._drop()
        core = self.core
        found = core.explain(error, self._phase)
        delay = core.retry_delay(found)
        if delay is None:
            try:
                raise found from (found.__cause__ or error.__cause__ or (None if found is error else error))
            finally:
                del found, error  # or it would hold itself, by its traceback and this frame
        if await _sleep(core, delay):
            raise core.explain(error)

    async def _open(self) -> None:
        core = self.core
        if core.cancellation.requested:
            raise StreamClosedError("The stream was cancelled.")
        self._phase = "first_byte"
        self._raw = await self._invoke(core.begin())
        core.cancellation.on_request(self._raw.close)
        core.answered(self._raw.head)
        while not core.advance_opening():
            await self._receive()
        if core.state is State.OPENING:
            await self._read_error_body()

    async def _invoke(self, opening: Opening) -> AsyncRawResponse:
        """Let the transport open a response, in a task of its own, so that another thread can end it."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._transport.open(self.core.invocation, opening))
        self.core.cancellation.on_request(partial(_from_any_thread, loop, task.cancel))
        try:
            return await task
        except asyncio.CancelledError:
            if task.done() and not task.cancelled() and task.exception() is None:
                task.result().close()
            current = asyncio.current_task()
            if self.core.cancellation.requested and current is not None and not current.cancelling():
                raise StreamClosedError("The stream was cancelled.") from None
            raise

    async def _read_error_body(self) -> NoReturn:
        core, allowance = self.core, Allowance(ERROR_BODY_SIZE, ERROR_BODY_WAIT)
        try:
            while core.gather_error_body() and (wait := allowance.wait):
                await self._receive(at_most=wait)
        except FunctionError:
            raise  # a verified stream tells what the status is about
        except Exception:  # what has come has to do
            pass
        if core.decode_to_end():
            await self._finish()
        raise core.status_error()

    async def _read_chunk(self) -> bytes | None:
        while isinstance(chunk := self.core.next_chunk(), NeedData):
            await self._receive()
        if chunk is None:
            await self._finish()
        return chunk

    async def _receive(self, at_most: float | None = None) -> None:
        assert self._raw is not None
        limit, self._phase = self.core.limits.next_read
        if at_most is not None:
            limit = at_most if limit is None else min(limit, at_most)
        try:
            pieces = await self._raw.read(limit)
        except ConnectionError:
            if not self.core.whole:
                raise
            pieces = []
        self.core.received(pieces)

    async def _finish(self) -> None:
        raw = self._raw
        if raw is not None:
            await raw.finish()
            self._drop()

    def _drop(self) -> None:
        raw, self._raw = self._raw, None
        self.core.cancellation.on_request(None)
        if raw is not None:
            raw.close()

    def __del__(self) -> None:
        core = self.core
        if core.state is State.NEW and not core.cancellation.requested:
            warnings.warn(
                f"a stream of {core.invocation.function} was never opened, so the function was not invoked: "
                "iterate over it, await it, or use it in an async with block",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
        self.close()


def _from_any_thread(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # a loop that is closed has nobody left to wake
        loop.call_soon_threadsafe(callback)


def _current_task() -> int | None:
    """Which task this is; its id, as a stream that held its task would be a cycle."""
    try:
        return id(asyncio.current_task())
    except RuntimeError:  # another thread, or no event loop any more
        return None


async def _nothing() -> None:
    """Opening is all that is wanted."""


async def _sleep(core: StreamCore, seconds: float) -> bool:
    """Wait that long; return True, at once, when somebody cancels the stream."""
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    core.cancellation.on_request(partial(_from_any_thread, loop, woken.set))
    try:
        await asyncio.wait_for(woken.wait(), seconds)
    except TimeoutError:
        return False
    return True


class AsyncResponseStream(AsyncItemViews):
    """A function's response as it arrives; what `AsyncStreamClient.stream` returns.

    As `ResponseStream`, by ``await``, ``async with`` and ``async for``. A cancelled task frees the
    connection.

    Example:
        >>> async with client.stream("report", {"rows": 3}) as stream:  # doctest: +SKIP
        ...     print(stream.status_code, stream.content_type)
        ...     async for chunk in stream.iter_bytes():
        ...         print(len(chunk))
    """

    _reader: AsyncStreamReader

    def __init__(
        self, core: StreamCore, transport: AsyncTransport, *, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        super().__init__(core, encoding=encoding, errors=errors)
        self._reader = AsyncStreamReader(core, transport)

    async def open(self) -> Self:
        """Invoke the function and read as far as the body's beginning; `aclose` is up to the caller then.

        Raises:
            StreamifyError: See `streamify_client.errors`.
        """
        await self._reader.open()
        self._reader.managed = True
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.open().__await__()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncView[str]:
        return self.iter_text()

    def iter_bytes(self) -> AsyncView[bytes]:
        """Iterate over the body's bytes, in the pieces in which they come."""
        return AsyncView(self._reader, "bytes", BytesDecoder)

    def iter_text(self, encoding: str | None = None, errors: str | None = None) -> AsyncView[str]:
        """As `ResponseStream.iter_text`."""
        options = self._text_options(encoding, errors)
        return AsyncView(self._reader, ("text", *options), lambda: TextDecoder(*options))

    async def read(self) -> bytes:
        """Return the rest of the body as bytes."""
        return b"".join([chunk async for chunk in self.iter_bytes()])

    async def text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the rest of the body as text."""
        return "".join([chunk async for chunk in self.iter_text(encoding, errors)])

    async def json(self) -> Any:
        """Return the rest of the body as what its JSON says.

        Raises:
            DecodeError: It is no JSON.
        """
        return parse_json(self._core, await self.read())

    def close(self) -> None:
        """Free the connection at once, without waiting for anything."""
        self._reader.close()

    async def aclose(self) -> None:
        """Free the connection, for reuse if all has come; reading afterwards raises StreamClosedError."""
        await self._reader.aclose()

    def cancel(self) -> None:
        """End the stream, from any thread: whoever reads or opens it gets StreamClosedError.

        The function itself goes on, and so does its bill: Lambda does not stop it when a caller goes away.
        """
        self._core.cancellation.request()
