"""Errors in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from ._loggers import error_logger_of

if TYPE_CHECKING:
    from streamify_server.onion import Request

_SEEN = "streamify.error_logger"


class error_logger:
    """Logs every error of a request once, also one that ends the body in mid-stream.

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
        >>> invoke(handler, {}).error
        failed: the database went away
        RuntimeError('the database went away')
    """

    def __init__(self, *, logger: Callable[[Request], Any] | Literal[False] | Any = None) -> None:
        self._log: Callable[[Request], Any]
        if callable(logger):
            self._log = logger
        else:
            log_error = error_logger_of(logger)
            self._log = lambda request: log_error(request.error) if request.error is not None else None

    def on_error(self, request: Request) -> None:
        """Log an error that came before the first byte."""
        request.internal[_SEEN] = request.error
        self._log(request)

    def on_stream_end(self, request: Request) -> None:
        """Log an error that ended the stream."""
        end = request.stream_end
        if end is not None and end.error is not None and end.error is not request.internal.get(_SEEN):
            self._log(request)
