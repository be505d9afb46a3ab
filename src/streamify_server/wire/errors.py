"""Errors as reported to Lambda: type, message and the application's frames, in JSON and in trailers."""

from __future__ import annotations

import json
import os
import re
from types import TracebackType

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

TYPE = "Lambda-Runtime-Function-Error-Type"
BODY = "Lambda-Runtime-Function-Error-Body"

# The error types that the Runtime API keeps; it rewrites all others.
_ALLOWED = r"(Runtime|Function)\.[A-Z][a-zA-Z]+"  # compiled on first use, to keep cold starts short
_MESSAGE_LIMIT = 4096  # characters
_TRACE_LIMIT = 12 * 1024  # characters; with the message, well below servers' limits for a header field
_NAME_LIMIT = 256

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def error_json(error: BaseException) -> dict[str, Any]:
    """Return type, message and stack trace of an error in the form of Lambda's error JSON, truncated."""
    return {
        "errorType": type(error).__name__[:_NAME_LIMIT],
        "errorMessage": _message(error),
        "stackTrace": _trace(error),
    }


def error_type(name: str) -> str:
    """Return the name in the Runtime API's form: `Function.ValueError`, else `Function.Unhandled`."""
    for candidate in (name, f"Function.{name}"):
        if re.fullmatch(_ALLOWED, candidate):
            return candidate
    return "Function.Unhandled"


def error_trailers(error: BaseException) -> dict[str, str]:
    """Return the two trailers that end a stream with this error."""
    from binascii import b2a_base64

    body = json.dumps(error_json(error)).encode()
    return {TYPE: error_type(type(error).__name__), BODY: b2a_base64(body, newline=False).decode()}


def _message(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception as broken:
        message = f"<the error has no message: its str() raised {type(broken).__name__}>"
    return message if len(message) <= _MESSAGE_LIMIT else message[:_MESSAGE_LIMIT] + "..."


def _trace(error: BaseException) -> list[str]:
    import traceback

    lines = traceback.format_list(traceback.extract_tb(of_application(error.__traceback__)))
    kept: list[str] = []
    room = _TRACE_LIMIT
    for line in reversed(lines):  # the innermost frames are the most useful
        room -= len(line)
        if room < 0:
            break
        kept.insert(0, line)
    return kept


def of_application(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback without this package's frames; unchanged if it has no others."""
    frames = []
    step = trace
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_HERE):
            frames.append(step)
        step = step.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept or trace
