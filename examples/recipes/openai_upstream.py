"""The answer of an OpenAI model, forwarded as server-sent events.

    pip install openai 'streamify[dev]'
    new EventSource(url + "?prompt=hi")

Set OPENAI_API_KEY, and OPENAI_BASE_URL for another server with the same API. If the request is rejected (a
wrong key, too many requests), the response has an error status, since the model is called before the head of
the response is sent. The upstream stream is closed however this one ends: with its last event, by a caller
that is refused, or at the deadline.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import openai

from streamify_server import HttpError, HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_error_handler

client = openai.AsyncOpenAI(max_retries=0)
MODEL = os.environ.get("MODEL", "gpt-5-mini")


@streaming_handler(middlewares=[http_error_handler()])
async def handler(event: dict[str, Any], context: Any) -> HttpResponse:
    prompt = (event.get("queryStringParameters") or {}).get("prompt")
    if not prompt:
        raise HttpError(400, "prompt is missing: ?prompt=...")
    try:
        upstream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}], stream=True
        )
    except openai.RateLimitError as refused:
        raise HttpError(429, "The model has too much to do; try again.") from refused
    except openai.APIError as refused:
        raise HttpError(502, "The model cannot be asked now.", expose=True) from refused
    return HttpResponse(200, {"cache-control": "no-store"}, sse(Told(upstream, seconds_left(context))))


def seconds_left(context: Any) -> float:
    """Return how long the model may take: up to two seconds before the function's timeout."""
    left: float = context.get_remaining_time_in_millis() / 1000
    return left - 2


class Told:
    """Converts the upstream's chunks to events. Closing it closes the upstream, even if nothing was read."""

    def __init__(self, upstream: openai.AsyncStream[Any], seconds: float) -> None:
        self.upstream = upstream
        self.seconds = seconds

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        done = False
        try:
            async with asyncio.timeout(self.seconds):
                async for chunk in self.upstream:
                    for choice in chunk.choices:
                        if choice.delta.content:
                            yield {"event": "delta", "data": {"text": choice.delta.content}}
                        if choice.finish_reason:
                            done = True
                            yield {"event": "done", "data": {"reason": choice.finish_reason}}
            if not done:
                raise EOFError("The answer ended without a finish_reason.")  # the SDK does not raise
        except Exception:
            yield {"event": "error", "data": {"message": "The model stopped in the middle of its answer."}}
            raise  # for readers of verified streams, and for the log

    async def aclose(self) -> None:
        await self.upstream.close()
