"""Make streamed AWS Lambda responses."""

from __future__ import annotations

from .handler import StreamingHandler, streaming_handler
from .middleware import Request, StreamEnd
from .response import Headers, HttpResponse

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

    from .asgi import streaming_asgi
    from .checkpoints import StreamHandedOver, checkpoint, last_checkpoint
    from .errors import DeadlineExceededError, HttpError
    from .formats import csv_rows, ndjson, sse
    from .middleware import Middleware
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
    "HttpError": "errors",
    "StreamHandedOver": "checkpoints",
    "checkpoint": "checkpoints",
    "last_checkpoint": "checkpoints",
    "Middleware": "middleware",
    "StreamWriter": "writer",
    "csv_rows": "formats",
    "ndjson": "formats",
    "sse": "formats",
    "streaming_asgi": "asgi",
}


def __getattr__(name: str) -> Any:
    # What few functions use is imported when it is used: a cold start pays for every module.
    if name == "__version__":
        from .engine.version import version

        return version()
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
