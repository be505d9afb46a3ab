"""A page that reads streams in the two ways browsers offer: EventSource and fetch.

    pip install 'streamify[dev]'
    streamify dev browser.handler

A browser cannot verify a stream. So the last event or line says that the answer is complete or has failed; a
stream that ends without either was cut off. Call your own model in `answer`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from streamify_server import HttpResponse, ndjson, sse, streaming_handler
from streamify_server.middlewares import http_error_handler, http_router

PAGE = Path(__file__).with_name("browser.html")


def page(event: dict[str, Any], context: Any) -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/html; charset=utf-8"}, PAGE.read_text(encoding="utf-8"))


def events(event: dict[str, Any], context: Any) -> HttpResponse:
    """Answer with server-sent events, for EventSource: delta events, then done or failed."""
    prompt = (event.get("queryStringParameters") or {}).get("prompt", "")

    async def told() -> AsyncIterator[dict[str, Any]]:
        async for said in spoken(prompt, context):
            (name,) = said
            yield {"event": name, "data": said[name]}

    return HttpResponse(200, {"cache-control": "no-store"}, sse(told()))


def lines(event: dict[str, Any], context: Any) -> HttpResponse:
    """Answer with JSON Lines, for fetch."""
    return HttpResponse(200, {}, ndjson(spoken(json.loads(event["body"])["prompt"], context)))


async def spoken(prompt: str, context: Any) -> AsyncIterator[dict[str, str]]:
    # Stop two seconds before the function's timeout, so that the reader still gets an error.
    seconds = context.get_remaining_time_in_millis() / 1000 - 2
    try:
        async with asyncio.timeout(seconds):
            async for word in answer(prompt):
                yield {"delta": word}
        yield {"done": "All of the answer has come."}
    except Exception:
        yield {"failed": "The answer stopped in the middle."}
        raise  # for readers of verified streams, and for the log


async def answer(prompt: str) -> AsyncIterator[str]:
    """Stand in for a model: repeat the prompt, word by word."""
    for word in prompt.split():
        if word == "fail":
            raise RuntimeError("the model gave up")
        yield f"{word} "


routes = [("GET", "/", page), ("GET", "/events", events), ("POST", "/lines", lines)]
handler = streaming_handler(middlewares=[http_error_handler()])(http_router(routes))
