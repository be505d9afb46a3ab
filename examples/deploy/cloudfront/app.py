"""A page whose head arrives and is rendered while its body is still being generated."""

import html
from collections.abc import Iterator
from typing import Any

from streamify_server import HttpResponse, streaming_handler


def page(name: str) -> Iterator[str]:
    yield "<!doctype html><html lang=en><meta charset=utf-8><title>Streamed</title>\n"
    yield f"<h1>Hello, {html.escape(name)}</h1>\n"
    for number in range(1, 4):
        yield f"<p>Paragraph {number}</p>\n"


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> HttpResponse:
    query = event.get("queryStringParameters") or {}
    headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}
    return HttpResponse(200, headers, body=page(query.get("name", "world")))
