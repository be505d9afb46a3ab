"""What a middleware is, as types: an object with some of `before`, `after`, `on_error` and `on_stream_end`.

>>> from streamify_server import Middleware, Request, streaming_handler
>>> class Greeting:
...     def before(self, request: Request) -> None:
...         request.internal["greeting"] = "hello"
>>> greeting: Middleware = Greeting()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from .onion import Request


class Before(Protocol):
    """Runs before the handler."""

    def before(self, request: Request, /) -> Any:
        """Look at the request or change it; returning something answers instead of the handler."""


class After(Protocol):
    """Runs after the handler and before the first byte."""

    def after(self, request: Request, /) -> Any:
        """Look at `request.response` or change it; returning something ends the chain with that."""


class OnError(Protocol):
    """Runs when something fails before the first byte."""

    def on_error(self, request: Request, /) -> Any:
        """Look at `request.error`; setting or returning a response handles it."""


class OnStreamEnd(Protocol):
    """Runs once for every request."""

    def on_stream_end(self, request: Request, /) -> Any:
        """Look at `request.stream_end`, after the last byte or the failure."""


Middleware = Before | After | OnError | OnStreamEnd
"""An object with at least one of the four methods, each sync or async."""

Middlewares = Middleware | Iterable[Middleware]
"""A middleware, or several in the order of their `before`."""

Hook = Callable[[Request], Any]
"""One function for one phase, sync or async."""


class Transform(Protocol):
    """Changes a body chunk by chunk: a codec, a filter. One object serves one response."""

    def feed(self, chunk: bytes, /) -> bytes:
        """What this chunk becomes; empty if nothing is to be sent yet."""

    def finish(self) -> bytes:
        """What is still to be sent after the last chunk."""
