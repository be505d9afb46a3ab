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
    from ._attempts import Attempts
    from ._map import MapItem
    from ._result import StreamResult
    from .aio import AsyncStreamClient
    from .aio_response import AsyncResponseStream
    from .client import StreamClient
    from .item_views import ServerSentEvent
    from .response import ResponseStream

_LAZY = {
    "AsyncResponseStream": "aio_response",
    "AsyncStreamClient": "aio",
    "Attempts": "_attempts",
    "MapItem": "_map",
    "ResponseStream": "response",
    "ServerSentEvent": "item_views",
    "StreamClient": "client",
    "StreamResult": "_result",
}

__all__ = [
    "AsyncResponseStream",
    "AsyncStreamClient",
    "Attempts",
    "ConfigurationError",
    "ConnectError",
    "CorruptStreamError",
    "DecodeError",
    "FunctionError",
    "FunctionNotFoundError",
    "HttpStatusError",
    "InvocationError",
    "MapItem",
    "ResponseStream",
    "ServerSentEvent",
    "StreamClient",
    "StreamClosedError",
    "StreamError",
    "StreamResult",
    "StreamTimeoutError",
    "StreamifyError",
    "ThrottledError",
    "TruncatedStreamError",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value
