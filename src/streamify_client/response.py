"""One streamed response, read by blocking calls."""

import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from ._attributes import parse_json
from ._core import ERROR_BODY_SIZE, ERROR_BODY_WAIT, NeedData, State, StreamCore
from ._deadlines import Allowance
from .errors import DecodeError, FunctionError, StreamClosedError, TimeoutPhase
from .item_views import ItemViews
from .transport import RawResponse, Transport
from .views import BytesDecoder, Progress, View, ViewSlot
from .wire.text import TextDecoder

R = TypeVar("R")


class StreamReader:
    """The I/O loop around a StreamCore. It owns the connection, which is freed when nothing holds it."""

    def __init__(self, core: StreamCore, transport: Transport) -> None:
        self.core = core
        self.slot: ViewSlot = ViewSlot(core)
        self.managed = False
        self._transport = transport
        self._raw: RawResponse | None = None
        self._phase: TimeoutPhase = "first_byte"
        self._busy: int | None = None

    def open(self) -> None:
        """Invoke the function, once, and read as far as the body's beginning."""
        if error := self.core.refuse_use():
            raise error
        if self.core.state is State.NEW:
            self._retrying(lambda: None)

    def next_chunk(self) -> bytes | None:
        """Return the next chunk of the body, or None at the end of a whole response."""
        if error := self.core.refuse_use():
            raise error
        return self._retrying(self._read_chunk)

    def close(self) -> None:
        """Free the connection: for reuse if all has come, else by closing it."""
        if self._busy not in (None, threading.get_ident()):
            self.core.cancellation.request()  # the thread that reads wakes, and frees it
            return
        self._release(reuse=self.core.decode_to_end())
        self.core.close()

    def view_dropped(self, progress: Progress[Any]) -> None:
        """Nobody holds this view any more: with it goes the stream, unless somebody manages that."""
        if not self.managed and self.core.state is not State.NEW and self.slot.holds(progress):
            self.close()

    def fail(self, error: DecodeError) -> NoReturn:
        """The body cannot be decoded: free everything, and raise."""
        self._release(reuse=False)
        found = self.core.explain(error)
        self.core.fail(found)
        raise found from error.__cause__

    def _retrying(self, step: Callable[[], R]) -> R:
        """Take a step on an open response; where the call may be tried again, open it again first."""
        self._busy = threading.get_ident()
        try:
            while True:
                try:
                    if self.core.state in (State.NEW, State.OPENING):
                        self._open()
                    return step()
                except Exception as error:
                    self._recover(error)
        except BaseException:
            self._release(reuse=False)
            self.core.close()
            raise
        finally:
            self._busy = None

    def _recover(self, error: Exception) -> None:
        """Free the connection; raise the error unless the call may be tried again, and then wait for that."""
        self._release(reuse=False)
        core = self.core
        found = core.explain(error, self._phase)
        delay = core.retry_delay(found)
        if delay is None:
            try:
                raise found from (found.__cause__ or error.__cause__ or (None if found is error else error))
            finally:
                del found, error  # or it would hold itself, by its traceback and this frame
        if core.cancellation.sleep(delay):
            raise core.explain(error)

    def _open(self) -> None:
        core = self.core
        if core.cancellation.requested:
            raise StreamClosedError("The stream was cancelled.")
        self._raw = self._transport.open(core.invocation, core.begin())
        core.answered(self._raw.head)
        while not core.advance_opening():
            self._receive()
        if core.state is State.OPENING:
            self._read_error_body()

    def _read_error_body(self) -> NoReturn:
        core, allowance = self.core, Allowance(ERROR_BODY_SIZE, ERROR_BODY_WAIT)
        try:
            while core.gather_error_body() and (wait := allowance.wait):
                self._receive(at_most=wait)
        except FunctionError:
            raise  # a verified stream tells what the status is about
        except Exception:  # what has come has to do
            pass
        self._release(reuse=core.decode_to_end())
        raise core.status_error()

    def _read_chunk(self) -> bytes | None:
        while isinstance(chunk := self.core.next_chunk(), NeedData):
            self._receive()
        if chunk is None:
            self._release(reuse=True)
        return chunk

    def _receive(self, at_most: float | None = None) -> None:
        assert self._raw is not None
        limit, self._phase = self.core.limits.next_read
        if at_most is not None:
            limit = at_most if limit is None else min(limit, at_most)
        try:
            pieces = self._raw.read(limit)
        except ConnectionError:
            if not self.core.whole:
                raise
            pieces = []
        self.core.received(pieces)

    def _release(self, *, reuse: bool) -> None:
        raw, self._raw = self._raw, None
        self.core.cancellation.on_request(None)  # the connection may soon be somebody else's
        if raw is None:
            return
        if reuse:
            raw.finish()
        else:
            raw.close()

    def __del__(self) -> None:
        core = self.core
        if core.state is State.NEW and not core.cancellation.requested:
            warnings.warn(
                f"a stream of {core.invocation.function} was never opened, so the function was not invoked: "
                "iterate over it, or use it in a with block",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
        self.close()


class ResponseStream(ItemViews):
    """A function's response as it arrives; what `StreamClient.stream` returns.

    The function is invoked once, on first use: by ``with``, by iterating, by a view, or by `open`.
    Iterating gives text. A loop that ends normally means that the whole response came; everything else
    raises. ``break`` frees the connection at once, except in a ``with`` block, where another view may read
    on.

    Example:
        >>> with client.stream("report", {"rows": 3}) as stream:  # doctest: +SKIP
        ...     print(stream.status_code, stream.content_type)
        ...     for chunk in stream.iter_bytes():
        ...         print(len(chunk))
    """

    _reader: StreamReader

    def __init__(
        self, core: StreamCore, transport: Transport, *, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        super().__init__(core, encoding=encoding, errors=errors)
        self._reader = StreamReader(core, transport)

    def open(self) -> Self:
        """Invoke the function and read as far as the body's beginning; `close` is up to the caller from now
        on.

        Raises:
            StreamifyError: See `streamify_client.errors`.
        """
        self._reader.open()
        self._reader.managed = True
        return self

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> View[str]:
        return self.iter_text()

    def iter_bytes(self) -> View[bytes]:
        """Iterate over the body's bytes, in the pieces in which they come."""
        return View(self._reader, "bytes", BytesDecoder)

    def iter_text(self, encoding: str | None = None, errors: str | None = None) -> View[str]:
        """Iterate over the body's text, decoded as it comes; a character split between two chunks stays
        whole.

        Args:
            encoding: Instead of the stream's own, which is UTF-8 unless `StreamClient.stream` was told
                otherwise.
            errors: What to do with bytes that are no text, as for `bytes.decode`; by default they raise
                DecodeError.
        """
        options = self._text_options(encoding, errors)
        return View(self._reader, ("text", *options), lambda: TextDecoder(*options))

    def read(self) -> bytes:
        """Return the rest of the body as bytes."""
        return b"".join(self.iter_bytes())

    def text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the rest of the body as text."""
        return "".join(self.iter_text(encoding, errors))

    def json(self) -> Any:
        """Return the rest of the body as what its JSON says.

        Raises:
            DecodeError: It is no JSON.
        """
        return parse_json(self._core, self.read())

    def close(self) -> None:
        """Free the connection, for reuse if all has come; reading afterwards raises StreamClosedError."""
        self._reader.close()

    def cancel(self) -> None:
        """End the stream, from any thread: returns at once, and whoever reads or opens it gets
        StreamClosedError.

        The function itself goes on, and so does its bill: Lambda does not stop it when a caller goes away.
        """
        self._core.cancellation.request()
