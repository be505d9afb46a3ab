"""The transport interface: a response is opened, written to, and ended.

The runtime of this package posts to the Runtime API. Anything else that can send a stream (AWS's own Python
streaming, a test) can be a `Poster` too, and is used inside `posting_through`:

    >>> from streamify_server import streaming_handler
    >>> from streamify_server.posting import posting_through
    >>> class Printing:
    ...     full = False
    ...     def open(self, content_type, prelude):
    ...         print(content_type)
    ...         return self
    ...     def write(self, data):
    ...         print(data)
    ...     async def drained(self):
    ...         pass
    ...     def end(self):
    ...         print("end")
    ...     def fail(self, error, last=b""):
    ...         print("failed", error)
    >>> @streaming_handler
    ... def handler(event, context):
    ...     yield "hello"
    >>> with posting_through(Printing()):
    ...     handler({}, None)
    text/plain; charset=utf-8
    b'hello'
    end
"""

from __future__ import annotations

from contextlib import contextmanager

__all__ = ["Poster", "Sink", "posting_through"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol
else:
    Protocol = object  # importing typing costs every cold start


class Sink(Protocol):
    """Receives the body of one response.

    The engine makes one call at a time, except that `fail` may be called from any thread. The first of `end`
    and `fail` decides how the response ends; the other then does nothing, and `write` raises
    StreamClosedError.
    """

    def write(self, data: bytes, /) -> None:
        """Send a chunk of at least one byte, at once or together with chunks that follow immediately.

        If `full` is true, this waits until there is room.

        Raises:
            StreamClosedError: The response has ended.
            OSError: The response can no longer be sent; the producer is closed.
        """

    @property
    def full(self) -> bool:
        """Whether so much is buffered that the producer should wait."""

    async def drained(self) -> None:
        """Wait until there is room, without blocking the event loop."""

    def end(self) -> None:
        """Send what is buffered and end the response; raises if that fails."""

    def fail(self, error: BaseException, last: bytes = b"", /) -> None:
        """End the response with this error; never raises.

        Args:
            error: The error to report to the caller.
            last: A final chunk to send first; may be empty.
        """


class Poster(Protocol):
    """Sends the response of one invocation."""

    def open(self, content_type: str, prelude: bytes, /) -> Sink:
        """Begin the response.

        Args:
            content_type: The Content-Type of the response.
            prelude: HTTP metadata to send on its own before the body; may be empty.
        """

    def fail(self, error: BaseException, /) -> None:
        """Respond with this error, from any thread, because the handler is stuck before its response.

        A poster that does not support this may do nothing.
        """


class _Seat:
    """Holds the poster for the next handler."""

    __slots__ = ("poster", "request_id", "taken")

    def __init__(self, poster: Poster, request_id: str | None) -> None:
        self.poster = poster
        self.request_id = request_id
        self.taken = False


# Not a context variable: a process runs one invocation at a time, on whatever thread the handler is called.
_seat: _Seat | None = None


def seat(poster: Poster | None, request_id: str | None = None) -> None:
    """Set the poster of the next streaming handler that is called.

    Args:
        poster: The poster; None removes the current one.
        request_id: If given, only a handler whose context has this `aws_request_id` may use it.

    Raises:
        TypeError: The poster has no `open` method.
    """
    global _seat
    if poster is not None and not callable(getattr(poster, "open", None)):
        raise TypeError(
            "A poster has open(content_type, prelude), which returns a Sink to write the body to; "
            f"{poster!r} has none. Its post(content_type, prelude, body), if it has one, is no longer called."
        )
    _seat = None if poster is None else _Seat(poster, request_id)


def take(context: Any) -> Poster | None:
    """Return the poster for a handler called with this context; None if there is none or it is in use."""
    found = _seat
    if found is None or found.taken:
        return None
    if found.request_id is not None and found.request_id != getattr(context, "aws_request_id", None):
        return None
    found.taken = True
    return found.poster


def waiting() -> bool:
    """Return whether a poster is set whose handler has not been called yet."""
    return _seat is not None and not _seat.taken


def occupied() -> bool:
    """Return whether a handler has taken the poster of the current invocation."""
    return _seat is not None and _seat.taken


@contextmanager
def posting_through(poster: Poster) -> Iterator[None]:
    """Stream the response of the one handler called in this block through this poster."""
    seat(poster)
    try:
        yield
    finally:
        seat(None)
