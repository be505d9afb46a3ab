"""Make streamed AWS Lambda responses."""

from .handler import StreamingHandler, streaming_handler
from .onion import Request, StreamEnd
from .response import Headers, HttpResponse

__all__ = ["Headers", "HttpResponse", "Request", "StreamEnd", "StreamingHandler", "streaming_handler"]
