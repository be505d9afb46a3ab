"""Errors as HTTP answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from streamify_server._events import is_http
from streamify_server.errors import HttpError
from streamify_server.response import HttpResponse

from ._loggers import error_logger_of

if TYPE_CHECKING:
    from streamify_server.onion import Request


class http_error_handler:
    """Answers an error with its status and message if it may be exposed, and with a plain 500 otherwise.

    An `HttpError` is answered, and so is every exception that has a `status_code` and says `expose = True`.
    Any other error becomes a 500 without details if the event came over HTTP; for other events it stays the
    function's error, which is what an SDK caller looks for.

    It answers errors that come before the first byte. After that the status is on its way to the caller, so
    the error ends the stream. Register it last: `on_error` runs in reverse, and the middlewares before it
    then see its answer.

    Args:
        logger: Called with each error, or an object with `error(message, exc_info=)` such as a
            `logging.Logger` or the Logger of Powertools; False for none. By default the logger
            "streamify_server".
        fallback_message: The body of an answer to an error that may not be exposed; None for an empty one.

    Example:
        >>> from streamify_server import HttpError, streaming_handler
        >>> from streamify_server.middlewares import http_error_handler
        >>> from streamify_server.testing import invoke
        >>> @streaming_handler(middlewares=[http_error_handler(logger=False)])
        ... def handler(event, context):
        ...     raise HttpError(404, "No such report")
        >>> answer = invoke(handler, {})
        >>> answer.status_code, b"".join(answer.chunks)
        (404, b'No such report')
    """

    def __init__(
        self,
        *,
        logger: Callable[[BaseException], Any] | Literal[False] | Any = None,
        fallback_message: str | None = None,
    ) -> None:
        self._log = error_logger_of(logger)
        self._fallback_message = fallback_message

    def on_error(self, request: Request) -> None:
        """Answer the error, unless something else has."""
        if request.response is not None or request.error is None:
            return
        status = _exposed_status(request.error)
        if status is None and not is_http(request.event) and not isinstance(request.error, HttpError):
            return
        self._log(request.error)
        if status is None:
            request.response = _answer(500, self._fallback_message)
            return
        request.response = _answer(status, str(request.error))
        headers = getattr(request.error, "headers", None)
        for name, value in dict(headers or {}).items():
            request.response.headers[name] = value


def _exposed_status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    legal = isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599
    return status if legal and getattr(error, "expose", False) is True else None


def _answer(status: int, message: str | None) -> HttpResponse:
    if not message:
        return HttpResponse(status)
    kind = "application/json" if message[0] in "{[" else "text/plain; charset=utf-8"
    return HttpResponse(status, {"Content-Type": kind}, message)
