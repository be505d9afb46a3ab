"""Read streamed AWS Lambda responses."""

from typing import TYPE_CHECKING, Any

from .errors import (
    ConfigurationError,
    ConnectError,
    CorruptStreamError,
    DecodeError,
    FunctionError,
    FunctionNotFoundError,
    HttpStatusError,
    InvocationError,
    StreamClosedError,
    StreamError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)

if TYPE_CHECKING:
    from streamify_client.files.arrow import ArrowStream
    from streamify_client.stream.item_views import ServerSentEvent

    from .aio import AsyncStreamClient
    from .aio_many import AsyncStreamMap
    from .aio_response import AsyncResponseStream
    from .client import StreamClient
    from .many import MapItem, StreamMap
    from .models import Attempts, Headers, Part, StreamResult
    from .response import ResponseStream

    __version__: str

_LAZY = {
    "ArrowStream": "files.arrow",
    "AsyncResponseStream": "aio_response",
    "AsyncStreamClient": "aio",
    "AsyncStreamMap": "aio_many",
    "Attempts": "models",
    "Headers": "models",
    "MapItem": "many",
    "Part": "models",
    "ResponseStream": "response",
    "ServerSentEvent": "stream.item_views",
    "StreamClient": "client",
    "StreamMap": "many",
    "StreamResult": "models",
}

__all__ = [
    "ArrowStream",
    "AsyncResponseStream",
    "AsyncStreamClient",
    "AsyncStreamMap",
    "Attempts",
    "ConfigurationError",
    "ConnectError",
    "CorruptStreamError",
    "DecodeError",
    "FunctionError",
    "FunctionNotFoundError",
    "Headers",
    "HttpStatusError",
    "InvocationError",
    "MapItem",
    "Part",
    "ResponseStream",
    "ServerSentEvent",
    "StreamClient",
    "StreamClosedError",
    "StreamError",
    "StreamMap",
    "StreamResult",
    "StreamTimeoutError",
    "StreamifyError",
    "ThrottledError",
    "TruncatedStreamError",
    "__version__",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("streamify")
        except PackageNotFoundError:  # copied into a function's package without its metadata
            return "unknown"
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value
