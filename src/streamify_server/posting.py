"""The seam for transport: here is an iterator of bytes, post it.

Today the runtime of this package posts over the Runtime API. Whatever else can send a stream (AWS's own
Python streaming, a test) is a `Poster` too, and takes over inside `posting_through`:

    >>> from streamify_server import streaming_handler
    >>> from streamify_server.posting import posting_through
    >>> class Printer:
    ...     def post(self, content_type, prelude, body):
    ...         print(content_type, [*body])
    ...     def fail(self, error, farewell):
    ...         pass
    >>> @streaming_handler
    ... def handler(event, context):
    ...     yield "hello"
    >>> with posting_through(Printer()):
    ...     handler({}, None)
    text/plain; charset=utf-8 [b'hello']
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Poster(Protocol):
    """Sends the response of one invocation."""

    def post(self, content_type: str, prelude: bytes, body: Iterator[bytes]) -> None:
        """Send a whole response.

        An exception that comes out of `body` is the stream's error: end the response with it and let it out.
        An exception of the transport may be raised as it is; the producer is closed either way.

        Args:
            content_type: The Content-Type of the response.
            prelude: HTTP metadata to send by itself before the body; empty if there is none.
            body: Chunks, none of them empty.
        """

    def fail(self, error: BaseException, farewell: bytes) -> None:
        """End the response with this error now, from any thread, because its producer cannot be stopped.

        A poster that cannot do this may do nothing.

        Args:
            error: What the caller is to be told.
            farewell: Body bytes to send first; may be empty.
        """


class _Seat:
    """Where a poster waits for the handler that it serves."""

    __slots__ = ("poster", "request_id", "taken")

    def __init__(self, poster: Poster, request_id: str | None) -> None:
        self.poster = poster
        self.request_id = request_id
        self.taken = False


# One invocation at a time runs in a process, whatever thread its handler is called on: no context variable.
_seat: _Seat | None = None


def seat(poster: Poster | None, request_id: str | None = None) -> None:
    """Make this the poster of the next streaming handler that is called, or of none.

    Args:
        poster: The poster; None takes it away again.
        request_id: If given, only a handler whose context has this `aws_request_id` may use it.
    """
    global _seat
    _seat = None if poster is None else _Seat(poster, request_id)


def take(context: Any) -> Poster | None:
    """The poster for a handler called with this context; None if there is none, or if it is taken."""
    found = _seat
    if found is None or found.taken:
        return None
    if found.request_id is not None and found.request_id != getattr(context, "aws_request_id", None):
        return None
    found.taken = True
    return found.poster


def waiting() -> bool:
    """Whether a poster waits for a handler that has not been called yet."""
    return _seat is not None and not _seat.taken


def occupied() -> bool:
    """Whether a handler has taken the poster of the invocation that is under way."""
    return _seat is not None and _seat.taken


@contextmanager
def posting_through(poster: Poster) -> Iterator[None]:
    """Stream the response of the one handler called inside through this poster."""
    seat(poster)
    try:
        yield
    finally:
        seat(None)
