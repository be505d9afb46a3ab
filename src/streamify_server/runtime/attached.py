"""Streaming in the managed Python runtime, with this package in the function and nothing else set up.

The runtime client that AWS starts is in the process when a handler is decorated. A streaming client takes the
place of the module global through which it talks to the Runtime API, once.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from streamify_server import posting

if TYPE_CHECKING:
    from typing import Any

MODES = ("auto", "off", "require")

# Of the standard library, what streams need. It is imported as the managed runtime imported its own share:
# before a file of the function's that is called select.py could be taken for it.
_NEEDED = ("select", "signal", "socket")

_WHAT_TO_DO = (
    "Start the function with AWS_LAMBDA_EXEC_WRAPPER=/opt/streamify-wrapper and the layer, "
    "or set STREAMIFY_RUNTIME=off if this is how it should answer."
)

_misfit: str | None = None  # why this process cannot stream
_warned = False


class NotStreamingError(RuntimeError):
    """STREAMIFY_RUNTIME asks for a runtime that streams, and there is none."""


def attach() -> None:
    """Let the runtime client of this process stream; called when a handler is decorated.

    Raises:
        ValueError: STREAMIFY_RUNTIME has a value that it does not take.
        NotStreamingError: STREAMIFY_RUNTIME is "require", and handlers cannot stream here.
    """
    global _misfit
    mode = os.environ.get("STREAMIFY_RUNTIME") or "auto"
    if mode not in MODES:
        raise ValueError(f"STREAMIFY_RUNTIME takes {', '.join(MODES)}, not {mode!r}.")
    _misfit = None if mode == "off" else _attach()
    if _misfit is not None and mode == "require":
        raise NotStreamingError(f"This function cannot stream, and STREAMIFY_RUNTIME=require: {_misfit}.")


def _attach() -> str | None:
    _import_needed()
    from . import ric
    from .streaming import StreamingClient

    module = ric.imported()
    if module is None:
        return "AWS's runtime client for Python, awslambdaric, does not run this process"
    if isinstance(getattr(module, "runtime_client", None), StreamingClient):
        return None
    try:
        ric.check(module)
    except ric.UnfitClientError as error:
        return str(error)
    module.runtime_client = ric.streaming(module)
    return None


def _import_needed() -> None:
    """Import what is needed of the standard library, from the interpreter's own folders only."""
    missing = [name for name in _NEEDED if name not in sys.modules]
    path = sys.path
    try:
        sys.path = [folder for folder in path if folder.startswith((sys.base_prefix, sys.base_exec_prefix))]
        for name in missing:
            __import__(name)
    finally:
        sys.path = path


def warn(context: Any) -> None:
    """Say once in this process, in the function's log, why an answer comes in one piece that could stream."""
    global _warned
    if _warned or os.environ.get("AWS_SAM_LOCAL") or os.environ.get("STREAMIFY_RUNTIME") == "off":
        return
    if posting.occupied():  # called by hand, inside the handler that has the stream
        return
    _warned = True
    import logging

    logging.getLogger("streamify_server").warning(
        "A streaming handler answers in one piece, because %s", _why(context)
    )


def _why(context: Any) -> str:
    if posting.waiting():
        request_id = getattr(context, "aws_request_id", None)
        return (
            f"it was called with a context (aws_request_id {request_id!r}) that is "
            "not the invocation's. A decorator around it replaces the context: make @streaming_handler the "
            "outermost decorator, or hand Lambda's context on."
        )
    if _misfit is not None:
        return f"{_misfit}. {_WHAT_TO_DO}"
    return (
        "no invocation waits for a stream: it was decorated after its first invocation had begun, or called "
        "outside of one. Decorate it while its module is imported."
    )
