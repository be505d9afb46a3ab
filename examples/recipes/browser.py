"""A page that reads streams in both ways that browsers have: EventSource and fetch.

    streamify dev browser.handler

A browser cannot verify a stream. So the last event says that all came, and an error is an event of its own:
what ends without either was cut off.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamify_server import HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_error_handler, http_router

PAGE = Path(__file__).with_name("browser.html")


def page(event: dict[str, Any], context: Any) -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/html; charset=utf-8"}, PAGE.read_text(encoding="utf-8"))


def events(event: dict[str, Any], context: Any) -> HttpResponse:
    prompt = (event.get("queryStringParameters") or {}).get("prompt", "")
    return HttpResponse(200, {"cache-control": "no-store"}, sse(told(prompt)))


def told(prompt: str) -> Iterator[dict[str, Any]]:
    try:
        for word in answer(prompt):
            yield {"event": "delta", "data": {"text": word}}
        yield {"event": "done", "data": {}}
    except Exception:
        yield {"event": "failed", "data": {"message": "The answer stopped in the middle."}}
        raise


def text(event: dict[str, Any], context: Any) -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/plain"}, answer(json.loads(event["body"])["prompt"]))


def answer(prompt: str) -> Iterator[str]:
    for word in prompt.split():
        yield f"{word} "


routes = [("GET", "/", page), ("GET", "/events", events), ("POST", "/text", text)]
handler = streaming_handler(middlewares=[http_error_handler()])(http_router(routes))
