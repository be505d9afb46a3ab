"""The answer of an Anthropic model, forwarded as server-sent events.

    pip install anthropic 'streamify[dev]'
    new EventSource(url + "?prompt=hi")

Set ANTHROPIC_API_KEY, and ANTHROPIC_BASE_URL for another server with the same API. If the request is rejected
(a wrong key, too many requests), the response has an error status, since the model is called before the head
of the response is sent. The upstream stream is closed however this one ends: with its last event, by a caller
that is refused, or at the deadline.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import anthropic

from streamify_server import HttpError, HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_error_handler

client = anthropic.AsyncAnthropic(max_retries=0)
MODEL = os.environ.get("MODEL", "claude-haiku-4-5")


@streaming_handler(middlewares=[http_error_handler()])
async def handler(event: dict[str, Any], context: Any) -> HttpResponse:
    prompt = (event.get("queryStringParameters") or {}).get("prompt")
    if not prompt:
        raise HttpError(400, "prompt is missing: ?prompt=...")
    try:
        upstream = await client.messages.create(
            model=MODEL, max_tokens=1024, messages=[{"role": "user", "content": prompt}], stream=True
        )
    except anthropic.RateLimitError as refused:
        raise HttpError(429, "The model has too much to do; try again.") from refused
    except anthropic.APIError as refused:
        raise HttpError(502, "The model cannot be asked now.", expose=True) from refused
    return HttpResponse(200, {"cache-control": "no-store"}, sse(Told(upstream, seconds_left(context))))


def seconds_left(context: Any) -> float:
    """Return how long the model may take: up to two seconds before the function's timeout."""
    left: float = context.get_remaining_time_in_millis() / 1000
    return left - 2


class Told:
    """Converts the upstream's events to ours. Closing it closes the upstream, even if nothing was read."""

    def __init__(self, upstream: anthropic.AsyncStream[Any], seconds: float) -> None:
        self.upstream = upstream
        self.seconds = seconds

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        done = False
        try:
            async with asyncio.timeout(self.seconds):
                async for event in self.upstream:
                    if event.type == "content_block_delta" and event.delta.type == "text_delta":
                        yield {"event": "delta", "data": {"text": event.delta.text}}
                    elif event.type == "message_delta":
                        done = True
                        yield {"event": "done", "data": {"reason": event.delta.stop_reason}}
            if not done:
                raise EOFError("The answer ended without a stop_reason.")  # the SDK does not raise
        except Exception:
            yield {"event": "error", "data": {"message": "The model stopped in the middle of its answer."}}
            raise  # for readers of verified streams, and for the log

    async def aclose(self) -> None:
        await self.upstream.close()
