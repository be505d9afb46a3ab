"""Make streamed AWS Lambda responses."""

from .formats import csv_rows, ndjson, sse
from .handler import StreamingHandler, streaming_handler
from .onion import Request, StreamEnd
from .response import Headers, HttpResponse
from .writer import StreamWriter

__all__ = [
    "Headers",
    "HttpResponse",
    "Request",
    "StreamEnd",
    "StreamWriter",
    "StreamingHandler",
    "csv_rows",
    "ndjson",
    "sse",
    "streaming_handler",
]
