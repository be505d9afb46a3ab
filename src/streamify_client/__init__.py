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
    from ._aio_map import AsyncStreamMap
    from ._attempts import Attempts
    from ._headers import Headers
    from ._map import MapItem, StreamMap
    from ._result import StreamResult
    from .aio import AsyncStreamClient
    from .aio_response import AsyncResponseStream
    from .arrow import ArrowStream
    from .client import StreamClient
    from .item_views import ServerSentEvent
    from .response import ResponseStream

    __version__: str

_LAZY = {
    "ArrowStream": "arrow",
    "AsyncResponseStream": "aio_response",
    "AsyncStreamClient": "aio",
    "AsyncStreamMap": "_aio_map",
    "Attempts": "_attempts",
    "Headers": "_headers",
    "MapItem": "_map",
    "ResponseStream": "response",
    "ServerSentEvent": "item_views",
    "StreamClient": "client",
    "StreamMap": "_map",
    "StreamResult": "_result",
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
        from importlib.metadata import version

        return version("streamify")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value
