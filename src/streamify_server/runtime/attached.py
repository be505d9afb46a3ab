"""Streaming in the managed Python runtime, with this package in the function and no other setup.

The runtime client that AWS starts is already in the process when a handler is decorated. The module global
through which it talks to the Runtime API is replaced, once, with a streaming client. If that does not fit,
responses are buffered, with one warning: a managed runtime updates itself, and a function must not break.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

from streamify_server import posting
from streamify_server.errors import NotStreamingError
from streamify_server.shadowing import unshadowed

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

MODES = ("auto", "off", "require")

_WHAT_TO_DO = (
    "Start the function with AWS_LAMBDA_EXEC_WRAPPER=/opt/streamify-wrapper and the layer, "
    "or set STREAMIFY_RUNTIME=off if this is how it should answer."
)

_misfit: str | None = None  # why this process cannot stream
_awaiting = False  # whether the runtime client has not been imported yet
_warned = False


def attach() -> None:
    """Make the runtime client of this process stream; called when a handler is decorated.

    Raises:
        ValueError: STREAMIFY_RUNTIME has an invalid value.
        NotStreamingError: STREAMIFY_RUNTIME is "require", and handlers cannot stream here. If that is not
            known yet, the handler raises it later.
    """
    global _misfit
    mode = os.environ.get("STREAMIFY_RUNTIME") or "auto"
    if mode not in MODES:
        raise ValueError(f"STREAMIFY_RUNTIME takes {', '.join(MODES)}, not {mode!r}.")
    if mode != "off":
        _misfit = _attach()
        if _misfit is not None and not _awaiting:
            _refuse_misfit()


def _refuse_misfit() -> None:
    if os.environ.get("STREAMIFY_RUNTIME") == "require":
        raise NotStreamingError(f"This function cannot stream, and STREAMIFY_RUNTIME=require: {_misfit}.")


def _attach() -> str | None:
    with unshadowed():
        from . import ric

    module = ric.imported()
    if module is None:
        _await_import(ric.CLIENT_MODULE)
        return "AWS's runtime client for Python, awslambdaric, does not run this process"
    try:
        ric.install(module)
    except ric.UnfitClientError as error:
        return str(error)
    return None


def _await_import(awaited: str) -> None:
    """Attach when the runtime client is imported, with a finder.

    Some tracers import the function before it, and there is no other moment before the first invocation.
    """
    global _awaiting

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            if name != awaited:
                return None
            sys.meta_path.remove(Finder)
            spec = PathFinder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                loader: Any = spec.loader
                loader.exec_module = _then_attach(loader.exec_module)
            return spec

    if not _awaiting:
        _awaiting = True
        sys.meta_path.insert(0, Finder)


def _then_attach(execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def exec_module(module: ModuleType) -> None:
        global _misfit
        execute(module)
        _misfit = _attach()

    return exec_module


def warn(context: Any) -> None:
    """Log once per process why a response that could be streamed is buffered.

    Raises:
        NotStreamingError: STREAMIFY_RUNTIME is "require", and handlers cannot stream here.
    """
    global _warned
    if os.environ.get("AWS_SAM_LOCAL") or os.environ.get("STREAMIFY_RUNTIME") == "off":
        return
    if posting.occupied():  # called directly, inside the handler that has the stream
        return
    if _misfit is not None:
        _refuse_misfit()
    if _warned:
        return
    _warned = True
    import logging

    logging.getLogger("streamify_server").warning(
        "A streaming handler's response is buffered, because %s", _why(context)
    )


def _why(context: Any) -> str:
    if posting.waiting():
        request_id = getattr(context, "aws_request_id", None)
        return (
            f"it was called with a context (aws_request_id {request_id!r}) that is "
            "not the invocation's. A decorator around it replaces the context: make @streaming_handler the "
            "outermost decorator, or pass Lambda's context on."
        )
    if _misfit is not None:
        return f"{_misfit}. {_WHAT_TO_DO}"
    return (
        "no invocation is waiting for a stream: it was decorated after its first invocation had begun, or "
        "called outside of one. Decorate it while its module is imported."
    )
