"""Middlewares and hooks, as types, and the request that they share.

A middleware is any object with some of `before`, `after`, `on_error` and `on_stream_end`, each sync or async,
each called with the `Request`. They wrap the handler like the layers of an onion:

    before 1, before 2, handler, after 2, after 1, body..., on_stream_end 2, on_stream_end 1

- If a `before` returns a value or sets `request.early_response`, the chain ends: neither the handler nor any
  `after` runs. If an `after` or `on_error` returns a value, its chain ends with that as the response.
- `on_error` of every middleware runs when a `before`, the handler, an `after` or the first chunk of a bare
  stream fails; setting or returning a response handles the error.
- `on_stream_end` runs exactly once for every request, after the last byte or the failure, with
  `request.stream_end` set.

**To change a response**, look at `request.response` in `after`. It is an `HttpResponse` if the handler
answered HTTP (a dict with `statusCode` has been converted, so that there is only one type), and otherwise the
bare body as returned by the handler. Headers, status, cookies and a bare response may be changed in place or
replaced.

**To change a body**, do not iterate it: call `request.transform_body(transform)` with an object that has
`feed(chunk) -> bytes` and `finish() -> bytes`. The engine puts every chunk through it, whatever the body is
(text, bytes, file, sync or async generator), without changing streaming, backpressure or closing, and drops
empty results of `feed`. Return data from `feed` as soon as possible, or the caller waits for it.

    >>> from streamify_server import Middleware, Request, streaming_handler
    >>> class Shout:
    ...     def after(self, request: Request) -> None:
    ...         request.transform_body(self)
    ...     def feed(self, chunk: bytes) -> bytes:
    ...         return chunk.upper()
    ...     def finish(self) -> bytes:
    ...         return b"!"
    >>> shout: Middleware = Shout()
    >>> @streaming_handler(middlewares=[shout])
    ... def handler(event, context):
    ...     yield "hello"
    >>> handler({}, None)
    b'HELLO!'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .response import normalised

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object  # importing typing costs every cold start

PHASES = ("before", "after", "on_error", "on_stream_end")
HOOKS = (
    "before_prefetch",
    "request_start",
    "before_middleware",
    "after_middleware",
    "before_handler",
    "after_handler",
    "request_end",
)


class StreamEnd:
    """How a response ended: `error` (None if complete), `bytes_sent` of the body, `duration` in seconds.

    `time_to_first_byte` is in seconds, None if no byte was sent. `continues` is true if the response ended at
    a checkpoint and the stream continues in another invocation.
    """

    __slots__ = ("bytes_sent", "continues", "duration", "error", "time_to_first_byte")

    def __init__(
        self,
        error: BaseException | None,
        bytes_sent: int,
        duration: float,
        continues: bool = False,
        time_to_first_byte: float | None = None,
    ) -> None:
        self.error: BaseException | None = error
        self.bytes_sent: int = bytes_sent
        self.duration: float = duration
        self.continues: bool = continues
        self.time_to_first_byte: float | None = time_to_first_byte

    @property
    def outcome(self) -> str:
        """The outcome: "whole", "continues" or "failed"."""
        return "failed" if self.error is not None else "continues" if self.continues else "whole"

    def __repr__(self) -> str:
        return f"StreamEnd(error={self.error!r}, bytes_sent={self.bytes_sent}, duration={self.duration:.3f})"


class Request:
    """One request on its way through the middlewares.

    Attributes:
        event: The event for the handler; a middleware may change or replace it.
        context: The Lambda context.
        response: The response so far: an HttpResponse, or a bare body. A dict with a `statusCode` becomes an
            HttpResponse when it is assigned.
        error: What failed, in `on_error` and afterwards.
        internal: A dict for middlewares, new for every request; it starts as a copy of `internal=` of
            `streaming_handler`.
        part: The number of this part of the stream, from 1.
        stream_end: How the response ended, in `on_stream_end` and `request_end`.
    """

    __slots__ = (
        "_answered_early",
        "_early",
        "_response",
        "context",
        "error",
        "event",
        "internal",
        "part",
        "stream_end",
        "transforms",
    )

    def __init__(self, event: Any, context: Any, internal: Mapping[str, Any] | None = None) -> None:
        self.event: Any = event
        self.context: Any = context
        self.error: BaseException | None = None
        self.internal: dict[str, Any] = dict(internal or {})
        self.part: int = 1
        self.stream_end: StreamEnd | None = None
        self.transforms: list[Transform] = []
        self._response: Any = None
        self._early: Any = None
        self._answered_early = False

    @property
    def response(self) -> Any:
        """The response so far; None if there is none yet."""
        return self._response

    @response.setter
    def response(self, response: Any) -> None:
        self._response = normalised(response)

    @property
    def early_response(self) -> Any:
        """A response that ends the chain; assigning None responds with an empty body."""
        return self._early

    @early_response.setter
    def early_response(self, response: Any) -> None:
        self._early = response
        self._answered_early = True

    @property
    def answered_early(self) -> bool:
        """Whether an early response has been assigned."""
        return self._answered_early

    def reset_early(self) -> None:
        """Discard an early response."""
        self._early = None
        self._answered_early = False

    def transform_body(self, transform: Transform) -> None:
        """Pass every chunk of the body through `transform`, after the transforms added before."""
        self.transforms.append(transform)


class Before(Protocol):
    """Runs before the handler."""

    def before(self, request: Request, /) -> Any:
        """Inspect or change the request; a returned value replaces the handler's response."""


class After(Protocol):
    """Runs after the handler and before the first byte."""

    def after(self, request: Request, /) -> Any:
        """Inspect or change `request.response`; a returned value replaces it and ends the chain."""


class OnError(Protocol):
    """Runs on an error before the first byte."""

    def on_error(self, request: Request, /) -> Any:
        """Inspect `request.error`; setting or returning a response handles it."""


class OnStreamEnd(Protocol):
    """Runs once for every request."""

    def on_stream_end(self, request: Request, /) -> Any:
        """Inspect `request.stream_end`, after the last byte or the failure."""


Middleware = Before | After | OnError | OnStreamEnd
"""An object with at least one of the four methods, each sync or async."""

Middlewares = Middleware | Iterable[Middleware]
"""A middleware, or several in the order of their `before`."""

Hook = Callable[[Request], object]
"""One function for one phase, sync or async."""


class Transform(Protocol):
    """Changes a body chunk by chunk, such as a codec or a filter. One object serves one response."""

    def feed(self, chunk: bytes, /) -> bytes:
        """Return the transformed chunk; empty if there is nothing to send yet."""

    def finish(self) -> bytes:
        """Return what remains to be sent after the last chunk."""
