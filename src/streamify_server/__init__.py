"""Make streamed AWS Lambda responses."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

    from .asgi import streaming_asgi
    from .checkpoints import StreamHandedOver, checkpoint, last_checkpoint
    from .errors import DeadlineExceededError, HttpError
    from .formats import csv_rows, ndjson, sse
    from .handler import StreamingHandler, streaming_handler
    from .middleware import Middleware, Request, StreamEnd
    from .response import Headers, HttpResponse
    from .writer import StreamWriter

    __version__: str

__all__ = [
    "DeadlineExceededError",
    "Headers",
    "HttpError",
    "HttpResponse",
    "Middleware",
    "Request",
    "StreamEnd",
    "StreamHandedOver",
    "StreamWriter",
    "StreamingHandler",
    "__version__",
    "checkpoint",
    "csv_rows",
    "last_checkpoint",
    "ndjson",
    "sse",
    "streaming_asgi",
    "streaming_handler",
]

_LATER = {
    "DeadlineExceededError": "errors",
    "Headers": "response",
    "HttpError": "errors",
    "HttpResponse": "response",
    "Middleware": "middleware",
    "Request": "middleware",
    "StreamEnd": "middleware",
    "StreamHandedOver": "checkpoints",
    "StreamWriter": "writer",
    "StreamingHandler": "handler",
    "checkpoint": "checkpoints",
    "csv_rows": "formats",
    "last_checkpoint": "checkpoints",
    "ndjson": "formats",
    "sse": "formats",
    "streaming_asgi": "asgi",
    "streaming_handler": "handler",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # Imported on first use: every module costs time in a cold start, and the runtime needs none of these. A
    # function without a streaming handler pays for the runtime alone.
    if name == "__version__":
        from .engine.version import version

        return version()
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    from .shadowing import unshadowed

    with unshadowed():
        found = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    return found
