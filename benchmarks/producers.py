"""The producers in functions/, and their events."""

from typing import Any
from urllib.parse import urlencode

STARLETTE = "Starlette"
PRODUCERS = {
    "generator": "generator",
    "async generator": "async_generator",
    "writer": "writer",
    "async writer": "async_writer",
    STARLETTE: "starlette",
}
"""The names of the functions, by their names in the tables."""


def event_for(producer: str, **parameters: float) -> dict[str, Any]:
    """Return an event with the parameters; for Starlette, that of a Function URL with a query string."""
    if producer != STARLETTE:
        return parameters
    http = {
        "method": "GET",
        "path": "/",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "bench",
    }
    return {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": urlencode(parameters),
        "headers": {"host": "fn.lambda-url.us-east-1.on.aws"},
        "requestContext": {"http": http, "domainName": "fn.lambda-url.us-east-1.on.aws"},
        "isBase64Encoded": False,
    }
