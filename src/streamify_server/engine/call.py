"""One invocation of a streaming handler, from the event to the end of its response."""

from __future__ import annotations

import os
import sys
from _contextvars import copy_context  # the function may have its own contextvars.py
from contextlib import nullcontext, suppress

from streamify_server import checkpoints, posting
from streamify_server.events import REST_API
from streamify_server.shadowing import unshadowed
from streamify_server.wire.verified import take_offer

from . import driver as _driver
from .answer import Answer
from .driver import Driver
from .interruption import Interruption
from .lifecycle import Lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from streamify_server.posting import Sink
    from streamify_server.response import HttpResponse
    from streamify_server.wire.verified import Offer

    from .answer import Head
    from .buffered import Collecting
    from .onion import Onion
    from .part import Part


class Options:
    """The validated options of one handler."""

    __slots__ = ("content_type", "deadline_margin", "empty_body", "hand_over_margin", "respond")

    def __init__(
        self,
        content_type: str | None,
        respond: str,
        empty_body: bytes,
        deadline_margin: float | None,
        hand_over_margin: float | None,
    ) -> None:
        self.content_type: str | None = content_type
        self.respond: str = respond
        self.empty_body: bytes = empty_body
        self.deadline_margin: float | None = deadline_margin
        self.hand_over_margin: float | None = hand_over_margin


class _State:
    """State of this process: whether its first invocation is still to come."""

    is_first = True


def answer(onion: Onion, options: Options, event: Any, context: Any) -> Any:
    """Handle an event; return the result for the handler's caller, None if the response was streamed.

    Inside another streaming handler, return the response itself, not yet begun.
    """
    if (outer := _driver.current.get()) is not None:
        from .inner import Inner

        return Inner(onion, options.content_type, event, context, outer)
    # A copy: context variables set for one request must not be visible in the next.
    return copy_context().run(Call(onion, options, event, context).run)


class Call:
    """Runs the lifecycle of one request and ends its response.

    The response is posted inside the handler's call, so that decorators around `@streaming_handler` see all
    of it: metrics counted while streaming are flushed, tracers cover the body, and an error in the middle of
    the stream reaches them and awslambdaric's own log.
    """

    def __init__(self, onion: Onion, options: Options, event: Any, context: Any) -> None:
        self._poster = posting.take(context)
        event, offer = take_offer(event, context)
        first, _State.is_first = _State.is_first, False
        content_type = options.content_type
        if offer.probe is not None:
            from . import probe as _probe

            content_type = _probe.CONTENT_TYPE
            onion = _probe.probe(offer.probe, first=first)
        self._event = event
        self._context = context
        self._margin = options.deadline_margin
        self._answer = Answer(
            event,
            respond=options.respond,
            empty_body=options.empty_body,
            can_stream=self._poster is not None,
            offered=offer.verified,
        )
        self._part = self._part_of(offer, event, context, options)
        if self._answer.misses_stream and "AWS_LAMBDA_RUNTIME_API" in os.environ:
            from streamify_server.runtime import attached

            attached.warn(context)
        self.interruption: Interruption = Interruption()
        self.driver: Driver = Driver(self.interruption)
        request = onion.request(event, context)
        self._span = None
        if "opentelemetry.trace" in sys.modules:
            from .tracing import traced

            self._span = traced(request, first=first)
        self._lifecycle = Lifecycle(onion, request, self.driver, self._begin, content_type, self._part)
        self._collected: Collecting | None = None
        self._given_up: BaseException | None = None

    def run(self) -> Any:
        """Handle the request."""
        with self._span or nullcontext(), self._deadline():
            try:
                value = self._run()
            except BaseException as error:
                if self._span is not None:
                    self._span.end(error)
                raise
            else:
                if self._span is not None:
                    self._span.end(None)
                return value
            finally:
                self._work_afterwards()

    def _run(self) -> Any:
        try:
            if self._part is not None:
                self._part.open()
            self.driver.run(self._lifecycle.run())
        except Exception as error:
            self._fail(error)
            raise
        return self._end()

    def _part_of(self, offer: Offer, event: Any, context: Any, options: Options) -> Part | None:
        """Return which part of a stream this call is; None if the stream cannot continue."""
        part: Part | None = checkpoints.current.get()
        if part is None and offer.continues and self._answer.streams:
            with unshadowed():
                from .part import Part

            margins = options.hand_over_margin, options.deadline_margin
            part = Part(
                event,
                context,
                offer.token,
                *margins,
                payload=getattr(self._poster, "payload", None),
                rest_api=self._answer.kind == REST_API,
            )
            self._answer.part = part
        if part is not None or hasattr(context, "_streamify_part"):  # a unit test's context that is reused
            with suppress(AttributeError):  # a context with slots: a context variable is used then
                context._streamify_part = part
        return part

    def _work_afterwards(self) -> None:
        """Run the tasks deferred until after the response, however it ended."""
        while self.driver.afterwards:
            work = self.driver.afterwards.pop(0)
            self.driver.run(self.driver.settle(work()))

    def _end(self) -> Any:
        out = self._lifecycle.out
        assert out is not None
        if self._given_up is not None:
            raise self._given_up
        out.end()
        return None if self._collected is None else self._collected.value()

    def _fail(self, error: Exception) -> None:
        """End the response with this error; if none has begun, send one with an error frame if offered."""
        out = self._lifecycle.out
        if out is not None and out.begun:
            out.fail(error)
        elif self._given_up is None:
            with suppress(OSError):  # the platform no longer reads the response
                self._refuse(error)

    def _refuse(self, error: BaseException) -> bool:
        """Send an error frame if the caller accepts verified streams; return whether it does."""
        failure = self._answer.failure()
        if failure is None or self._poster is None:
            return False
        sink, _ = self._answer.open(self._poster, failure)
        sink.fail(error)
        return True

    def _begin(self, response: HttpResponse | None, content_type: str | None) -> tuple[Sink, bytes]:
        head: Head = self._answer.head(response, content_type)
        if self._poster is not None and self._answer.streams:
            return self._answer.open(self._poster, head)
        from .buffered import Collecting

        self._collected = Collecting(head.response, head.content_type, self._event, self._answer.kind)
        return self._collected, b""

    # The deadline.

    def _deadline(self) -> AbstractContextManager[Any]:
        # A unit test's context may return anything; only a runtime's context has the real time left.
        known = self._poster is not None or type(self._context).__module__.startswith("awslambdaric")
        if self._margin is None or not known:
            return nullcontext()
        from .deadline import Deadline, remaining_seconds

        remaining = remaining_seconds(self._context)
        return nullcontext() if remaining is None else Deadline(self, remaining, self._margin)

    def interrupt(self, error: BaseException, patience: float) -> None:
        """Stop the producer, from another thread; later sends may stall for `patience` seconds."""
        self.interruption.patience = patience
        self.interruption.raised = False
        self.interruption.error = error
        if (out := self._lifecycle.out) is not None:
            out.interrupt(error)

    def give_up(self, error: BaseException) -> None:
        """Report the error to the caller from another thread, because the producer is stuck."""
        if self._poster is None or self._given_up is not None:
            return
        self._given_up = error
        out = self._lifecycle.out
        if out is not None and out.begun:
            out.fail(error)
            return
        try:
            if not self._refuse(error):
                self._poster.fail(error)
        except OSError:
            pass  # the platform no longer reads the response; the call raises the error anyway
