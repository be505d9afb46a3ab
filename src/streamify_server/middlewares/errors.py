"""Errors as HTTP responses, and in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from streamify_server.errors import HttpError
from streamify_server.events import is_http
from streamify_server.response import HttpResponse

from ._options import check, check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request

_SEEN = "streamify.error_logger"


class http_error_handler:
    """Responds to an error with its status and message if it may be exposed, or else with a plain 500.

    This applies to `HttpError` and to every exception with a `status_code` and `expose = True`. (The
    `status_code` of an SDK's exception alone is that of a service behind the function; exposing it could tell
    callers about the function's own credentials.) Any other error becomes a 500 without details for an HTTP
    event; for other events it stays the function's error, as SDK callers expect.

    It handles errors before the first byte. After that the status has already been sent, so the error ends
    the stream. Register it last: `on_error` runs in reverse order, and the middlewares before it then see its
    response.

    Args:
        logger: Called with each error, or an object with `error(message, exc_info=)` such as a
            `logging.Logger` or the Logger of Powertools; False for none. By default the logger
            "streamify_server".
        fallback_message: The body of a response for an error that may not be exposed; None for an empty one.

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
        check_options(locals())
        self._log = _error_logger(logger)
        self._fallback_message = fallback_message

    def on_error(self, request: Request) -> None:
        """Respond to the error, unless there is a response already."""
        if request.response is not None or request.error is None:
            return
        status = _exposed_status(request.error)
        if status is None and not is_http(request.event) and not isinstance(request.error, HttpError):
            return
        self._log(request.error)
        if status is None:
            request.response = _answer(500, self._fallback_message)
            return
        answer = _answer(status, str(request.error))
        for name, value in dict(getattr(request.error, "headers", None) or {}).items():
            answer.headers[name] = value
        request.response = answer


class error_logger:
    """Logs every error of a request once, including one that ends the body while streaming.

    Args:
        logger: Called with the `Request`, whose `error` is set; or an object with `error(message, exc_info=)`
            such as a `logging.Logger` or the Logger of Powertools; False for none. By default the logger
            "streamify_server".

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import error_logger
        >>> from streamify_server.testing import invoke
        >>> log = error_logger(logger=lambda request: print("failed:", request.error))
        >>> @streaming_handler(middlewares=[log])
        ... def handler(event, context):
        ...     yield "some rows"
        ...     raise RuntimeError("the database went away")
        >>> invoke(handler, {}, raise_errors=False).error
        failed: the database went away
        RuntimeError('the database went away')
    """

    def __init__(self, *, logger: Callable[[Request], Any] | Literal[False] | Any = None) -> None:
        log = _error_logger(logger)
        self._log = log if callable(logger) else lambda request: log(request.error)

    def on_error(self, request: Request) -> None:
        """Log an error before the first byte."""
        request.internal[_SEEN] = request.error
        self._log(request)

    def on_stream_end(self, request: Request) -> None:
        """Log an error that ended the stream."""
        end = request.stream_end
        if end is not None and end.error is not None and end.error is not request.internal.get(_SEEN):
            self._log(request)


def _exposed_status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    legal = isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599
    return status if legal and getattr(error, "expose", False) is True else None


def _answer(status: int, message: str | None) -> HttpResponse:
    if not message:
        return HttpResponse(status)
    kind = "application/json" if message[0] in "{[" else "text/plain; charset=utf-8"
    return HttpResponse(status, {"Content-Type": kind}, message)


def _error_logger(logger: Any) -> Callable[[Any], Any]:
    """Return a logging function for a `logger` option: None, False, a function, or a logger."""
    if logger is False:
        return lambda error: None
    if logger is None:
        import logging

        logger = logging.getLogger("streamify_server")
    if callable(getattr(logger, "error", None)):
        return lambda error: logger.error(
            f"{type(error).__name__}: {error}", exc_info=(type(error), error, error.__traceback__)
        )
    if not callable(logger):
        raise TypeError(f"logger takes a function, an object with error(), or False, not {logger!r}.")
    check("logger", logger, "Callable")
    function: Callable[[Any], Any] = logger
    return function
