"""What wraps a handler: middlewares, hooks, and the request that they share.

A middleware is any object with some of `before`, `after`, `on_error` and `on_stream_end`, each sync or async,
each called with the `Request`. Around the handler they lie like the skins of an onion:

    before 1, before 2, handler, after 2, after 1, body..., on_stream_end 2, on_stream_end 1

- A `before` that returns something, or assigns `request.early_response`, ends the chain: neither the handler
  nor any `after` runs. An `after` or `on_error` that returns something ends its own chain with that as the
  response.
- `on_error` runs, of every middleware, when a `before`, the handler, an `after` or the first chunk of a bare
  stream fails; setting or returning a response handles the error.
- `on_stream_end` runs exactly once for every request, after the last byte or the failure, with
  `request.stream_end` set.

**To change a response**, look at `request.response` in `after`. It is an `HttpResponse` if the handler
answered HTTP (a dict with `statusCode` has been turned into one), and otherwise the bare body as the handler
returned it. Headers, status, cookies and a bare response may be changed in place or replaced.

**To change a body**, do not iterate it: call `request.transform_body(transform)` with an object that has
`feed(chunk) -> bytes` and `finish() -> bytes`. The engine puts every chunk through it, whatever the body is
(text, bytes, file, sync or async generator), keeps streaming, backpressure and closing as they are, and drops
what `feed` returns empty. Return what you have from `feed` at once, or the caller waits for it.

    >>> from streamify_server import streaming_handler
    >>> class Shout:
    ...     def after(self, request):
    ...         request.transform_body(self)
    ...     def feed(self, chunk):
    ...         return chunk.upper()
    ...     def finish(self):
    ...         return b"!"
    >>> @streaming_handler(middlewares=[Shout()])
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
    from typing import Any

    from .middleware import Hook, Middlewares, Transform

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
    """How a response ended: `error` (None if whole), `bytes_sent` of the body, `duration` in seconds.

    `time_to_first_byte` says after how many seconds the first byte of the body was sent, None if none was.
    `continues` says that the response ended at a checkpoint and the stream goes on in another invocation.
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
        """In one word: "whole", "continues" or "failed"."""
        return "failed" if self.error is not None else "continues" if self.continues else "whole"

    def __repr__(self) -> str:
        return f"StreamEnd(error={self.error!r}, bytes_sent={self.bytes_sent}, duration={self.duration:.3f})"


class Request:
    """One request on its way through the onion.

    Attributes:
        event: What the handler gets; a middleware may change or replace it.
        context: The Lambda context.
        response: The response so far: an HttpResponse, or a bare body. A dict with a `statusCode` becomes an
            HttpResponse when it is assigned.
        error: What failed, in `on_error` and afterwards.
        internal: A dict for middlewares, fresh for every request; it begins with what `internal=` of
            `streaming_handler` holds.
        part: Which part of a stream the response is, from 1.
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
        """A response that ends the chain; assigning None answers with an empty body."""
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
        """Take an early response back."""
        self._early = None
        self._answered_early = False

    def transform_body(self, transform: Transform) -> None:
        """Put every chunk of the body through `transform`, after those that were added before."""
        self.transforms.append(transform)


class Onion:
    """The registered middlewares, hooks and the handler in the middle."""

    def __init__(
        self,
        handler: Callable[..., Any],
        hooks: Any = None,
        internal: Mapping[str, Any] | None = None,
    ) -> None:
        self.handler = handler
        self.hooks = hooks
        self._internal = dict(internal or {})
        self._phases: dict[str, list[tuple[str, Hook]]] = {phase: [] for phase in PHASES}

    def request(self, event: Any, context: Any) -> Request:
        """A request on its way through this onion."""
        return Request(event, context, self._internal)

    def use(self, middlewares: Middlewares) -> None:
        """Register a middleware, or all of a list, or none if one of them is wrong.

        Raises:
            TypeError: An object has none of before, after, on_error and on_stream_end, one of them is not
                callable, or a name is written differently, such as `onError`.
        """
        several = [middlewares] if isinstance(middlewares, Mapping) else middlewares
        found = [_phases_of(one) for one in (several if isinstance(several, Iterable) else [several])]
        for phases in found:
            for phase, name, function in phases:
                self._phases[phase].append((name, function))

    def add(self, phase: str, function: Hook) -> None:
        """Register one function for one phase.

        Raises:
            TypeError: It is not callable.
        """
        if not callable(function):
            raise TypeError(f"{phase} takes a function of the request, not {function!r}.")
        self._phases[phase].append((getattr(function, "__name__", type(function).__name__), function))

    def chain(self, phase: str) -> list[tuple[str, Hook]]:
        """Name and function of each hook of this phase, in the order in which they run."""
        registered = self._phases[phase]
        return list(registered) if phase == "before" else registered[::-1]

    def hook(self, name: str) -> Callable[..., Any] | None:
        """This hook, if it was given."""
        found: Callable[..., Any] | None = getattr(self.hooks, name, None)
        return found


def checked_hooks(hooks: Any) -> Any:
    """The hooks.

    Raises:
        TypeError: The object has none of them, one is not callable, or a name is written differently.
    """
    if hooks is not None and not _methods(hooks, HOOKS, "hooks"):
        raise TypeError(f"hooks takes an object with some of {', '.join(HOOKS)}; {hooks!r} has none.")
    return hooks


def _phases_of(middleware: Any) -> list[tuple[str, str, Hook]]:
    name = type(middleware).__name__
    found = [] if isinstance(middleware, type) else _methods(middleware, PHASES, f"The middleware {name}")
    if not found:
        raise TypeError(
            f"A middleware is an object with some of {', '.join(PHASES)} as methods, not {middleware!r}."
        )
    return [(phase, name, function) for phase, function in found]


def _methods(thing: Any, names: Iterable[str], what: str) -> list[tuple[str, Callable[..., Any]]]:
    """Which of these methods an object has; None as value counts as absent.

    Raises:
        TypeError: One of them is not callable, or has a name that differs in case or underscores only.
    """
    expected = {_letters(name): name for name in names}
    for name in dir(thing):
        right = expected.get(_letters(name), name)
        if right != name and not name.startswith("_"):
            raise TypeError(f"{what} has {name!r}, which is never called: rename it to {right!r}.")
    found = [(name, method) for name in names if (method := getattr(thing, name, None)) is not None]
    for name, method in found:
        if not callable(method):
            raise TypeError(f"{what} has {name} = {method!r}, which is not a function.")
    return found


def _letters(name: str) -> str:
    return name.replace("_", "").lower()
