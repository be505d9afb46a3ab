"""Server-sent events behind an API Gateway REST API."""

import json
from collections.abc import Iterator
from typing import Any

from streamify_server import HttpResponse, streaming_handler


def events() -> Iterator[str]:
    for number in range(3):
        yield f"event: tick\nid: {number}\ndata: {json.dumps({'tick': number})}\n\n"


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> HttpResponse:
    headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
    return HttpResponse(200, headers, body=events())
