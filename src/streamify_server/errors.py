"""The errors of handlers and responses.

    StreamifyError
    ├── HttpError              ends a request with a status: status_code, headers, expose
    ├── DeadlineExceededError  also a TimeoutError: the function's time is up
    ├── StreamClosedError      also a BrokenPipeError: nothing more can be written
    │   └── CallerGoneError    the same, for ASGI applications
    ├── ResponseRefusedError   also a ConnectionError: the platform did not accept the whole response
        ├── ResponseTooLargeError  also a ValueError: too large for a buffered response
    ├── NotStreamingError      also a RuntimeError: STREAMIFY_RUNTIME=require, and nothing streams
    ├── LifespanError          also a RuntimeError: an ASGI application could not start
    └── TokenError             also a ValueError: a stream cannot continue from the token in the request

All of them can be caught as `StreamifyError`.
"""

from __future__ import annotations

from .shadowing import unshadowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class StreamifyError(Exception):
    """Base class of all errors of this package."""


class DeadlineExceededError(StreamifyError, TimeoutError):
    """The function's time is up, except for the margin that is needed to report this."""


class StreamClosedError(StreamifyError, BrokenPipeError):
    """The response has ended or its caller has disconnected: nothing more can be written."""


class CallerGoneError(StreamClosedError):
    """Raised by an ASGI application's `send()` when the caller no longer receives the response."""


class ResponseRefusedError(StreamifyError, ConnectionError):
    """The platform did not accept the whole response."""


class ResponseTooLargeError(StreamifyError, ValueError):
    """A response that must be sent in one piece is larger than the platform allows."""


class NotStreamingError(StreamifyError, RuntimeError):
    """STREAMIFY_RUNTIME requires a streaming runtime, and there is none."""


class LifespanError(StreamifyError, RuntimeError):
    """An ASGI application could not start."""


class TokenError(StreamifyError, ValueError):
    """The token of a continued stream was refused; the message says why."""


class HttpError(StreamifyError):
    """Ends a request with an HTTP status.

    Raise it in a handler or a middleware; `http_error_handler` turns it into a response.

    Args:
        status_code: Status code, 400 to 599.
        message: The message for the caller; None for the standard phrase of the status.
        headers: Header fields for the response.
        expose: Whether the caller may see status and message; by default only below 500.

    Raises:
        ValueError: The status code is not an error status.

    Example:
        >>> error = HttpError(404, "No such report")
        >>> error.status_code, error.expose, str(error)
        (404, True, 'No such report')
    """

    def __init__(
        self,
        status_code: int,
        message: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        expose: bool | None = None,
    ) -> None:
        if isinstance(status_code, bool) or not isinstance(status_code, int) or not 400 <= status_code <= 599:
            raise ValueError(f"An HttpError has a status code between 400 and 599, not {status_code!r}.")
        super().__init__(_phrase(status_code) if message is None else message)
        self.status_code = status_code
        self.headers: dict[str, str] = dict(headers or {})
        self.expose: bool = status_code < 500 if expose is None else expose


def _phrase(status_code: int) -> str:
    with unshadowed():
        from http import HTTPStatus

    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return f"HTTP {status_code}"
