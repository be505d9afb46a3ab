"""Where errors are logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def error_logger_of(logger: Any) -> Callable[[BaseException], Any]:
    """A function that logs an error, from what a user gave as `logger`: None, False, a function, or a logger.

    Raises:
        TypeError: It is none of these.
    """
    if logger is False:
        return _silent
    if logger is None:
        import logging

        logger = logging.getLogger("streamify_server")
    if callable(getattr(logger, "error", None)):
        return lambda error: logger.error(
            f"{type(error).__name__}: {error}", exc_info=(type(error), error, error.__traceback__)
        )
    if not callable(logger):
        raise TypeError(f"logger takes a function, an object with error(), or False, not {logger!r}.")
    function: Callable[[BaseException], Any] = logger
    return function


def _silent(error: BaseException) -> None:
    pass
