"""The lifecycle of one request, from the first hook to the last."""

from __future__ import annotations

import time

from streamify_server.checkpoints import StreamHandedOver
from streamify_server.errors import StreamClosedError
from streamify_server.middleware import StreamEnd
from streamify_server.response import HttpResponse

from .body import Body, closers_unopened, open_body
from .chains import chained, joined
from .interruption import Stopped
from .output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from streamify_server.middleware import Request
    from streamify_server.posting import Sink

    from .driver import Driver
    from .onion import Onion
    from .part import Part

    class Begin(Protocol):
        """Opens the response with this head; returns the sink, and the bytes to send for an empty body."""

        def __call__(
            self, response: HttpResponse | None, content_type: str | None, /
        ) -> tuple[Sink, bytes]: ...


# Exceptions that end the process: they propagate after the end hooks have run.
_ENDS_PROCESS = (SystemExit, KeyboardInterrupt)


class Lifecycle:
    """Runs the middlewares, hooks and handler for one request, and writes the body.

    Args:
        onion: Middlewares, hooks and handler.
        request: The request.
        driver: Calls the application's functions.
        begin: Opens the response.
        content_type: Content type of a response that has none of its own.
        part: Which part of a stream the response is.
    """

    def __init__(
        self,
        onion: Onion,
        request: Request,
        driver: Driver,
        begin: Begin,
        content_type: str | None,
        part: Part | None = None,
    ) -> None:
        self._onion = onion
        self._request = request
        self.driver = driver
        self._begin = begin
        self._content_type = content_type
        self._unfinished = driver.unfinished
        self._part = part
        self._handed_over = False
        self._replaced: list[Any] = []  # bodies that middlewares have replaced
        self._own: Any = None  # the response as `_adopt` left it
        self._opened: Body | None = None
        self._started = 0.0
        self.out: Output | None = None

    async def run(self) -> None:
        """Run the request up to, but not including, the end of its response; raise the error to report."""
        error: BaseException | None = None
        try:
            await self.open()
            await self.push()
        except GeneratorExit:
            raise
        except BaseException as caught:
            error = self.reported(caught)
            if self.recoverable(error):
                error = await self._recovered(error)
        error = await self.close(error)
        if error is not None:
            raise error

    @property
    def body(self) -> Body:
        """The body of the opened response."""
        assert self._opened is not None
        return self._opened

    # The steps.

    async def open(self) -> None:
        """Run everything up to the response; begin the response if it is HTTP."""
        self._started = time.monotonic()
        request = self._request
        if self._part is not None:
            request.part = self._part.number
        await self._hook("request_start", request)
        await self._chain("before")
        if not request.answered_early:
            await self._handle()
            await self._chain("after")
        await self._open()

    async def push(self) -> None:
        """Write the body."""
        assert self.out is not None
        try:
            await self.driver.call(self.body.push, self.out)
        except StreamHandedOver as handed:
            if error := await self._close_body(None):
                raise error from None
            self._handed_over = True
            self.out.hand_over(handed.at)
        else:
            self.out.finish()

    def recoverable(self, error: BaseException) -> bool:
        """Whether nothing has been sent yet, so that on_error may still provide a response."""
        return not isinstance(error, _ENDS_PROCESS) and (self.out is None or not self.out.begun)

    async def _recovered(self, error: BaseException) -> BaseException | None:
        try:
            await self.recover(error)
            await self.push()
        except BaseException as another:
            return self.reported(another)
        return None

    async def recover(self, error: BaseException) -> None:
        """Let on_error provide a response, or raise."""
        request = self._request
        await self._discard(error)
        request.response = None
        self._own = None
        request.error = error
        request.reset_early()
        request.transforms.clear()
        self.driver.interruption.forget()
        try:
            await self._chain("on_error")
        except Exception as another:
            chained(another, error)
            raise
        if request.response is None and not request.answered_early:
            raise error
        await self._open()

    async def close(self, error: BaseException | None) -> BaseException | None:
        """Close the producer and run the end hooks; return the error to report, if any."""
        error = await self._close_body(error)
        sent, first_byte_at = (0, None) if self.out is None else (self.out.sent, self.out.first_byte_at)
        self._request.stream_end = StreamEnd(
            error,
            sent,
            time.monotonic() - self._started,
            self._handed_over and error is None,
            None if first_byte_at is None else first_byte_at - self._started,
        )
        if error is not None:
            self._request.error = error
        for _, function in self._onion.chain("on_stream_end"):
            error = await self._quietly(error, function, self._request)
        if (hook := self._onion.hook("request_end")) is not None:
            error = await self._quietly(error, hook, self._request)
        return error

    def reported(self, caught: BaseException) -> BaseException:
        """Return the reason for an interruption, or the error itself."""
        if isinstance(caught, Stopped):
            return caught.reason
        reason = self.driver.interruption.error
        if isinstance(caught, Exception):
            return reason if reason is not None and isinstance(caught, StreamClosedError) else caught
        if isinstance(caught, _ENDS_PROCESS):
            return caught
        if reason is not None:
            return reason
        error = RuntimeError(f"The handler was ended by {type(caught).__name__}.")  # asyncio.CancelledError
        error.__cause__ = caught
        return error

    # Up to the response.

    async def _handle(self) -> None:
        request = self._request
        await self._hook("before_handler")
        request.response = await self.driver.call(self._onion.handler, request.event, request.context)
        self._adopt()
        await self._hook("after_handler")

    async def _chain(self, phase: str) -> None:
        request = self._request
        for name, function in self._onion.chain(phase):
            await self._hook("before_middleware", name)
            before = body_of(request.response)
            result = await self.driver.call(function, request)
            await self._hook("after_middleware", name)
            if result is not None:
                request.response = result
                if phase == "before":
                    request.early_response = result
            elif request.answered_early:
                request.response = request.early_response
            self._adopt()
            if body_of(request.response) is not before:
                self._replaced.append(before)
            if result is not None or request.answered_early:
                return

    def _adopt(self) -> None:
        """Copy the response: middlewares change headers in place, and handlers may reuse a response."""
        response = self._request.response
        if response is self._own:
            return
        if isinstance(response, HttpResponse):
            self._request.response = response.copy()
        self._own = self._request.response

    async def _open(self) -> None:
        self._adopt()
        response = self._request.response
        http = response if isinstance(response, HttpResponse) else None
        content = await self.driver.settle(response if http is None else http.body)
        body = self._opened = open_body(content)
        kind = self._content_type or body.content_type
        begin = self._begin
        self.out = Output(
            lambda first: begin(http, kind or (None if http is not None else first)),
            self._request.transforms,
            self.driver.interruption,
            self._part,
        )
        if http is not None:
            self.out.begin()
        if body.keepalive is not None:
            from .keepalive import keep_alive

            keep_alive(self.out, body.keepalive, body.filler)

    async def _hook(self, name: str, *args: Any) -> None:
        hook = self._onion.hook(name)
        if hook is not None:
            await self.driver.call(hook, *args)

    # The end.

    async def _close_body(self, error: BaseException | None) -> BaseException | None:
        """Close the producers; report their error if there was none before."""
        body, self._opened = self._opened, None
        closers = [] if body is None else body.closers()
        closers += self._unfinished
        replaced, self._replaced = self._replaced, []
        for other in replaced:
            closers += [close for close in closers_unopened(other) if close not in closers]
        for close in closers:
            error = await self._quietly(error, close)
        if self.driver.on_loop:
            # asyncio closes async generators inside the producer on its next turn, maybe an invocation later.
            from .loop import generators_closed

            try:
                await generators_closed()
            except BaseException as another:
                error = self._and(error, another)
        return error

    async def _discard(self, error: BaseException) -> None:
        """Close the producer of a response that will not be sent, opened or not."""
        if self._opened is None:
            self._replaced.append(body_of(self._request.response))
        await self._close_body(error)

    async def _quietly(
        self, error: BaseException | None, function: Callable[..., Any], *args: Any
    ) -> BaseException | None:
        self.driver.interruption.forget()
        try:
            await self.driver.call(function, *args)
        except BaseException as another:
            return self._and(error, another)
        return error

    def _and(self, error: BaseException | None, another: BaseException) -> BaseException:
        """Return the error to report of two: the first, unless the second ends the process."""
        found = self.reported(another)
        if error is None or (isinstance(found, _ENDS_PROCESS) and not isinstance(error, _ENDS_PROCESS)):
            return found
        joined(error, found)
        return error


def body_of(response: Any) -> Any:
    """Return the body of an HttpResponse, or the bare body itself."""
    return response.body if isinstance(response, HttpResponse) else response
