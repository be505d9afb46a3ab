"""One call of a streaming handler, from the event to the last byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from . import posting
from ._answer import Answer, Head
from ._body import TypedBody
from ._buffered import check_size, whole
from ._lifecycle import Lifecycle
from ._production import Production
from ._verified import take_offer
from .onion import Onion
from .response import HttpResponse

_UNREAD = ConnectionAbortedError("The response was not read to its end.")


class Options:
    """The checked options of one handler."""

    __slots__ = ("content_type", "deadline_margin", "empty_body", "respond")

    def __init__(
        self, content_type: str | None, respond: str, empty_body: bytes, deadline_margin: float | None
    ) -> None:
        self.content_type = content_type
        self.respond = respond
        self.empty_body = empty_body
        self.deadline_margin = deadline_margin


class Handling:
    """One call: asks the lifecycle for the head, then posts or collects the body."""

    def __init__(self, onion: Onion, options: Options, event: Any, context: Any) -> None:
        self._poster = posting.take(context)
        event, offered = take_offer(event, context)
        self._event = event
        self._context = context
        self._margin = options.deadline_margin
        self._answer = Answer(
            event,
            respond=options.respond,
            empty_body=options.empty_body,
            can_stream=self._poster is not None,
            offered=offered,
        )
        if self._answer.misses_stream and "AWS_LAMBDA_RUNTIME_API" in os.environ:
            from .runtime import attached

            attached.warn(context)
        lifecycle = Lifecycle(onion, onion.request(event, context), self._answer.head, options.content_type)
        self._production = Production(lifecycle.run)
        self._head: Head | None = None
        self._given_up = False

    def run(self) -> Any:
        """Answer; the value to return to whoever called the handler: None if the answer has been posted."""
        with self._deadline():
            if self._poster is not None and self._answer.streams:
                return self._post(self._poster)
            return self._collect()

    def _post(self, poster: posting.Poster) -> None:
        try:
            head = next(self._production)
            body = self._answer.body(head, self._production)
        except Exception as error:
            failure = self._answer.failure()
            if failure is None or self._given_up:
                raise
            head, body = failure, self._answer.body(failure, _raising(error))
        self._head = head
        try:
            poster.post(head.wire_type, head.prelude, body)
        except BaseException as error:
            self._production.stop(error)
            raise
        self._production.stop(_UNREAD)

    def _collect(self) -> Any:
        head = next(self._production)
        kind = self._answer.kind
        try:
            body = _joined(self._production, kind)
        except ValueError as error:
            self._production.stop(error)
            raise
        return whole(head.response, head.content_type, body, self._event, kind)

    def _deadline(self) -> AbstractContextManager[Any]:
        # Contexts made up for a unit test say anything; only a runtime's tell the time.
        made_up = self._poster is None and not type(self._context).__module__.startswith("awslambdaric")
        if self._margin is None or made_up:
            return nullcontext()
        from .deadline import Deadline, remaining_seconds

        remaining = remaining_seconds(self._context)
        if remaining is None:
            return nullcontext()
        return Deadline(self._production, remaining, self._margin, self._give_up)

    def _give_up(self, error: BaseException) -> None:
        """Tell the caller from the watchdog's thread, because the producer is stuck."""
        if self._poster is None:
            return
        self._given_up = True
        failure = self._answer.failure() if self._head is None else None
        if failure is None:
            self._poster.fail(error, self._answer.farewell(self._head, error))
            return
        with suppress(Exception):  # the error itself comes out of the body again
            self._poster.post(failure.wire_type, failure.prelude, self._answer.body(failure, _raising(error)))


class Inside:
    """What lets a streaming handler be called from inside another, kept on the function itself."""

    __slots__ = ("function", "onion", "options")

    def __init__(self, function: Callable[..., Any], onion: Onion, options: Options) -> None:
        self.function = function
        self.onion = onion
        self.options = options


def call_inside(handler: Callable[..., Any], event: Any, context: Any) -> Any:
    """Call a handler from inside a streaming one: a stream comes back unread, for the caller to return."""
    inside = getattr(handler, "_inside", None)
    # functools.wraps copies attributes, so what decorates a streaming handler has it too: it is not skipped.
    if not isinstance(inside, Inside) or inside.function is not handler:
        return handler(event, context)
    request = inside.onion.request(event, context)
    lifecycle = Lifecycle(inside.onion, request, _unsent, inside.options.content_type)
    production = Production(lifecycle.run)
    response, content_type = next(production)
    body = _Unread(production)
    if response is None:
        return TypedBody(body, content_type)
    if content_type:
        response.headers.setdefault("content-type", content_type)
    return HttpResponse(response.status, response.headers, body, response.cookies)


def _unsent(response: HttpResponse | None, content_type: str | None) -> Any:
    return response, content_type


class _Unread:
    """The body of a handler that was called inside another."""

    __slots__ = ("_production", "_waiting")

    def __init__(self, production: Production) -> None:
        self._production = production
        self._waiting = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._waiting = True
        chunk: bytes = next(self._production)
        self._waiting = False
        return chunk

    def close(self) -> None:
        if self._production.over:
            return
        reason = RuntimeError("The response was closed before its end.")
        if self._waiting:  # the deadline has torn this thread out of its wait for the chunk
            self._production.abandon(reason)
        else:
            self._production.stop(reason)


def _joined(production: Iterable[bytes], kind: str | None) -> bytes:
    body = bytearray()
    for chunk in production:
        body += chunk
        check_size(len(body), kind)
    return bytes(body)


def _raising(error: BaseException) -> Iterator[bytes]:
    yield from ()
    raise error
