"""Errors that handlers raise or meet."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class StreamClosedError(BrokenPipeError):
    """The response has ended, or its caller has gone: nothing more can be written."""


class HttpError(Exception):
    """Raised by a handler or a middleware to end a request with an HTTP status; `http_error_handler` answers
    it.

    Args:
        status_code: Status code, 400 to 599.
        message: What the caller is told; the status's own phrase if it is None.
        headers: Header fields for the answer.
        expose: Whether the caller may see status and message; by default below 500.

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
    from http import HTTPStatus

    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return f"HTTP {status_code}"
