"""Make streamed AWS Lambda responses."""

from typing import TYPE_CHECKING, Any

from .handler import StreamingHandler, streaming_handler
from .onion import Request, StreamEnd
from .response import Headers, HttpResponse

if TYPE_CHECKING:
    from .errors import HttpError

__all__ = [
    "Headers",
    "HttpError",
    "HttpResponse",
    "Request",
    "StreamEnd",
    "StreamingHandler",
    "streaming_handler",
]


def __getattr__(name: str) -> Any:
    if name != "HttpError":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .errors import HttpError  # not every cold start has to import it

    return HttpError
