"""The decorator that makes a function a streaming handler."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping

from streamify_server.engine.answer import RESPOND
from streamify_server.engine.call import Options, answer
from streamify_server.engine.onion import Onion, checked_hooks
from streamify_server.engine.style import takes_stream
from streamify_server.wire.errors import of_application

from .response import checked_content_type
from .shadowing import unshadowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Protocol, Self, TypedDict, Unpack, overload

    from typing_extensions import TypeVar

    from .middleware import Hook, Middlewares

    Function = Callable[..., Any]
    Event = TypeVar("Event", default=Any)
    Context = TypeVar("Context", default=Any)
    Event_contra = TypeVar("Event_contra", contravariant=True, default=Any)
    Context_contra = TypeVar("Context_contra", contravariant=True, default=Any)

    class HandlerOptions(TypedDict, total=False):
        """The options of `streaming_handler`."""

        content_type: str | None
        respond: Literal["auto", "stream", "buffered"]
        middlewares: Middlewares
        hooks: Any
        internal: Mapping[str, Any] | None
        deadline_margin: float | None
        hand_over_margin: float | None
        empty_body: bytes | str
        writer: bool | None

    class _Decorator(Protocol):
        """Decorates a handler `(event, context)` or a writer-style one."""

        @overload
        def __call__(
            self, function: Callable[[Event, Context], Any], /
        ) -> StreamingHandler[Event, Context]: ...
        @overload
        def __call__(
            self, function: Callable[[Event, Context, Any], Any], /
        ) -> StreamingHandler[Event, Context]: ...

else:  # importing typing costs every cold start

    class Protocol:
        def __class_getitem__(cls, _item):
            return cls

    Event_contra = Context_contra = None

    def overload(function):
        return function


class StreamingHandler(Protocol[Event_contra, Context_contra]):
    """A Lambda handler, as returned by `@streaming_handler`; its methods change it and return it."""

    def __call__(self, event: Event_contra, context: Context_contra) -> Any:
        """Handle one event; without a streaming runtime, return bytes, or a proxy response for HTTP."""

    def use(self, middlewares: Middlewares) -> Self:
        """Register a middleware or a list of them; if one is invalid, none is registered."""

    def before(self, function: Hook) -> Self:
        """Run a function before the handler; what it returns, if anything, replaces the response."""

    def after(self, function: Hook) -> Self:
        """Run a function after the handler and before the first byte."""

    def on_error(self, function: Hook) -> Self:
        """Run a function on any failure before the first byte; returning a response handles the error."""

    def on_stream_end(self, function: Hook) -> Self:
        """Run a function once per request, after the last byte or the failure."""

    def handler(self, function: Function) -> Self:
        """Replace the inner handler function."""


@overload
def streaming_handler(function: Callable[[Event, Context], Any], /) -> StreamingHandler[Event, Context]: ...
@overload
def streaming_handler(  # noqa: F811
    function: Callable[[Event, Context, Any], Any], /
) -> StreamingHandler[Event, Context]: ...
@overload
def streaming_handler(**options: Unpack[HandlerOptions]) -> _Decorator: ...  # noqa: F811
def streaming_handler(  # noqa: F811
    function: Function | None = None,
    /,
    *,
    content_type: str | None = None,
    respond: Literal["auto", "stream", "buffered"] = "auto",
    middlewares: Middlewares = (),
    hooks: Any = None,
    internal: Mapping[str, Any] | None = None,
    deadline_margin: float | None = 0.5,  # an end hook, the trailers and the platform's answer have to fit in
    hand_over_margin: float | None = None,
    empty_body: bytes | str = b"\n",
    writer: bool | None = None,
) -> Any:
    """Turn a function into a streaming Lambda handler.

    The function may return or yield str, bytes, memoryview or None, return an iterable or a file object of
    these, or return an HTTP response: an `HttpResponse` or a dict with a `statusCode`.

    Args:
        function: The handler, `(event, context)`; passed by Python if the decorator has no parentheses.
        content_type: Content type of the response; by default text or binary, depending on the first chunk.
        respond: "stream", "buffered" or "auto": the value of the environment variable STREAMIFY_RESPOND, or
            "stream". Without a streaming runtime, and for event sources that cannot stream, such as load
            balancers and HTTP APIs, responses are always buffered.
        middlewares: Middlewares in the order of their `before`.
        hooks: An object with any of the hooks in `streamify_server.middleware.HOOKS`.
        internal: The initial `request.internal` of every request; the dict is copied.
        deadline_margin: How many seconds before Lambda's timeout the producer is stopped and the caller
            informed; None never stops it.
        hand_over_margin: How many seconds before the timeout a stream with checkpoints is handed over to the
            next invocation, at the next checkpoint; must be more than `deadline_margin`. By default twice
            that, or a fifth of the time that the invocation starts with, up to 10 s.
        empty_body: Sent instead of an empty body to a Function URL or an API Gateway, which would otherwise
            keep the caller waiting; b"" sends nothing.
        writer: Whether the function takes a third argument to write to, `(event, context, stream)`; by
            default True if it has exactly three required positional parameters.

    Raises:
        TypeError: An option is unknown or has a value of the wrong type, or an object is not a middleware.
        ValueError: An option, or STREAMIFY_RESPOND, has an invalid value.

    Example:
        >>> @streaming_handler
        ... def handler(event, context):
        ...     yield "hello "
        ...     yield event["name"]
        >>> handler({"name": "world"}, None)
        b'hello world'
    """
    hooks = checked_hooks(hooks)
    options = _checked(content_type, respond, deadline_margin, hand_over_margin, empty_body)
    _check_type("internal", internal, Mapping, "a dict")
    _check_type("writer", writer, bool, "True or False")

    def decorate(function: Function) -> StreamingHandler:
        if "AWS_LAMBDA_RUNTIME_API" in os.environ:
            from .runtime import attached

            attached.attach()
        onion = Onion(_as_handler(function, writer), hooks, internal)
        onion.use(middlewares)
        _prefetch(onion)
        return _decorated(function, onion, options, writer)

    return decorate if function is None else decorate(function)


def _decorated(function: Function, onion: Onion, options: Options, writer: bool | None) -> StreamingHandler:
    @functools.wraps(function)
    def handle(event: Any, context: Any) -> Any:
        try:
            return answer(onion, options, event, context)
        except Exception as error:
            error.__traceback__ = of_application(error.__traceback__)
            raise

    handler: Any = handle

    def registering(register: Callable[..., None], *names: Any) -> Callable[[Any], Any]:
        def method(value: Any) -> Any:
            register(*names, value)
            return handler

        return method

    handler.use = registering(onion.use)
    for phase in ("before", "after", "on_error", "on_stream_end"):
        setattr(handler, phase, registering(onion.add, phase))
    handler.handler = registering(lambda function: setattr(onion, "handler", _as_handler(function, writer)))
    return handler  # type: ignore[no-any-return]


def _prefetch(onion: Onion) -> None:
    hook = onion.hook("before_prefetch")
    fetching = None if hook is None else hook()
    if hasattr(type(fetching), "__await__"):
        from streamify_server.engine.driver import Driver
        from streamify_server.engine.interruption import Interruption

        driver = Driver(Interruption())
        driver.run(driver.settle(fetching))


def _as_handler(function: Function, writer: bool | None) -> Function:
    """Return the function as a handler `(event, context)`, whatever its style."""
    if not callable(function):
        raise TypeError(f"@streaming_handler decorates a function, not {function!r}.")
    if not takes_stream(function, writer):
        return function

    def handle(event: Any, context: Any) -> Any:
        with unshadowed():
            from .writer import written

        return written(function, event, context)

    return handle


def _checked(
    content_type: Any, respond: Any, deadline_margin: Any, hand_over_margin: Any, empty_body: Any
) -> Options:
    _check_type("content_type", content_type, str, "a str")
    _check_respond("respond", respond)
    if respond == "auto":
        _check_respond("STREAMIFY_RESPOND", os.environ.get("STREAMIFY_RESPOND") or respond)
    _check_seconds("deadline_margin", deadline_margin)
    _check_seconds("hand_over_margin", hand_over_margin)
    if hand_over_margin is not None and hand_over_margin <= (deadline_margin or 0):
        raise ValueError(
            f"hand_over_margin takes more seconds than deadline_margin ({deadline_margin!r}), not "
            f"{hand_over_margin!r}: a stream is handed over before it is stopped."
        )
    if not isinstance(empty_body, str | bytes):
        raise TypeError(f"empty_body takes a str or bytes, not {empty_body!r}.")
    return Options(
        None if content_type is None else checked_content_type(content_type),
        respond,
        empty_body.encode() if isinstance(empty_body, str) else empty_body,
        deadline_margin,
        hand_over_margin,
    )


def _check_seconds(option: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not number:
        raise TypeError(f"{option} takes a number of seconds, or None, not {value!r}.")
    if value is not None and not 0 < value < float("inf"):
        raise ValueError(f"{option} takes a number of seconds above 0, not {value!r}.")


def _check_type(option: str, value: Any, kind: type, what: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{option} takes {what}, not {value!r}.")


def _check_respond(option: str, value: Any) -> None:
    if value not in RESPOND:
        raise ValueError(f"{option} takes {', '.join(RESPOND)}, not {value!r}.")
