"""The decorator that makes a function a streaming handler."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast, overload

from . import posting
from ._answer import RESPOND, Answer
from ._buffered import check_size, whole
from ._lifecycle import Lifecycle
from ._production import Production
from ._trace import of_application
from .onion import Onion, Request
from .response import checked_content_type

Function = Callable[..., Any]


class StreamingHandler(Protocol):
    """What `@streaming_handler` returns: a Lambda handler, whose methods change it and return it."""

    def __call__(self, event: Any, context: Any, /) -> Any:
        """Handle one event; without a streaming runtime the answer is bytes, or a proxy response for HTTP."""

    def use(self, middlewares: Any) -> StreamingHandler:
        """Register a middleware, or all of a list, or none if one of them is wrong."""

    def before(self, function: Callable[[Request], Any]) -> StreamingHandler:
        """Run a function before the handler; returning something answers instead."""

    def after(self, function: Callable[[Request], Any]) -> StreamingHandler:
        """Run a function after the handler and before the first byte."""

    def on_error(self, function: Callable[[Request], Any]) -> StreamingHandler:
        """Run a function when something fails before the first byte; a response handles the error."""

    def on_stream_end(self, function: Callable[[Request], Any]) -> StreamingHandler:
        """Run a function once for each request, after the last byte or the failure."""

    def handler(self, function: Function) -> StreamingHandler:
        """Replace the function in the middle."""


class _Options:
    """The checked options of one handler."""

    __slots__ = ("content_type", "empty_body", "respond")

    def __init__(self, content_type: str | None, respond: str, empty_body: bytes | str) -> None:
        if respond not in RESPOND:
            raise ValueError(f"respond takes {', '.join(RESPOND)}, not {respond!r}.")
        self.respond = respond
        self.content_type = None if content_type is None else checked_content_type(content_type)
        self.empty_body = empty_body.encode() if isinstance(empty_body, str) else bytes(empty_body)


@overload
def streaming_handler(function: Function, /) -> StreamingHandler: ...
@overload
def streaming_handler(
    *,
    content_type: str | None = None,
    respond: str = "auto",
    middlewares: Any = (),
    hooks: Any = None,
    empty_body: bytes | str = b"\n",
) -> Callable[[Function], StreamingHandler]: ...
def streaming_handler(
    function: Function | None = None,
    /,
    *,
    content_type: str | None = None,
    respond: str = "auto",
    middlewares: Any = (),
    hooks: Any = None,
    empty_body: bytes | str = b"\n",
) -> StreamingHandler | Callable[[Function], StreamingHandler]:
    """Make a function a streaming Lambda handler.

    The function may return or yield str, bytes, memoryview or None, return any iterable or file object of
    those, or answer HTTP with an `HttpResponse` or a dict that has a `statusCode`.

    Args:
        function: The handler, `(event, context)`; given by Python when the decorator has no parentheses.
        content_type: Content type of the response; by default text or binary, as the first chunk is.
        respond: "stream", "buffered", or "auto": as the environment variable STREAMIFY_RESPOND says, else
        stream.
            Without a streaming runtime, and for events of load balancers and HTTP APIs, answers are buffered
            anyway.
        middlewares: Middlewares in the order of their `before`.
        hooks: An object with some of the hooks of `streamify_server.onion.HOOKS`.
        empty_body: Sent in place of an empty body to a Function URL or an API Gateway, which would keep the
        caller
            waiting; b"" sends nothing.

    Raises:
        TypeError: An option is unknown, or a middleware is none.
        ValueError: An option has a value that it does not take.

    Example:
        >>> @streaming_handler
        ... def handler(event, context):
        ...     yield "hello "
        ...     yield event["name"]
        >>> handler({"name": "world"}, None)
        b'hello world'
    """
    options = _Options(content_type, respond, empty_body)

    def decorate(function: Function) -> StreamingHandler:
        if not callable(function):
            raise TypeError(f"@streaming_handler decorates a function, not {function!r}.")
        onion = Onion(function, hooks)
        onion.use(middlewares)
        if (prefetch := onion.hook("before_prefetch")) is not None:
            prefetch()
        return _decorated(function, onion, options)

    return decorate if function is None else decorate(function)


def _decorated(function: Function, onion: Onion, options: _Options) -> StreamingHandler:
    @functools.wraps(function)
    def handle(event: Any, context: Any) -> Any:
        try:
            return _handle(onion, options, event, context)
        except Exception as error:
            raise error.with_traceback(of_application(error.__traceback__)) from error.__cause__

    handler = cast(Any, handle)

    def registering(register: Callable[..., None], *names: Any) -> Callable[[Any], StreamingHandler]:
        def method(value: Any) -> StreamingHandler:
            register(*names, value)
            return cast(StreamingHandler, handler)

        return method

    handler.use = registering(onion.use)
    for phase in ("before", "after", "on_error", "on_stream_end"):
        setattr(handler, phase, registering(onion.add, phase))
    handler.handler = registering(functools.partial(setattr, onion, "handler"))
    return cast(StreamingHandler, handler)


def _handle(onion: Onion, options: _Options, event: Any, context: Any) -> Any:
    poster = posting.take(context)
    answer = Answer(
        event, respond=options.respond, empty_body=options.empty_body, can_stream=poster is not None
    )
    lifecycle = Lifecycle(onion, Request(event, context), answer.head, options.content_type)
    production = Production(lifecycle.run)
    head = next(production)
    if poster is None or not answer.streams:
        return whole(
            head.response, head.content_type, _collected(production, answer.kind), event, answer.kind
        )
    try:
        poster.post(head.wire_type, head.prelude, answer.body(production))
    except BaseException as error:
        production.stop(error)
        raise
    return None


def _collected(production: Iterable[bytes], kind: str | None) -> bytes:
    body = bytearray()
    for chunk in production:
        body += chunk
        check_size(len(body), kind)
    return bytes(body)
