"""The answer of an OpenAI model, passed on as server-sent events.

    pip install openai 'streamify[dev]'
    new EventSource(url + "?prompt=hi")

OPENAI_API_KEY, and OPENAI_BASE_URL for any other server that speaks the API. A refusal (a wrong key, too many
requests) is an HTTP status, because the model is asked before the head of the response goes out. The upstream
stream is closed whatever ends this one: its last event, a caller that is refused, the deadline.
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
    """How long the model may take: two seconds before the function's timeout the reader can still be told."""
    left: float = context.get_remaining_time_in_millis() / 1000
    return left - 2


class Told:
    """The upstream's chunks as events. Closing it closes the upstream, even if nothing was read."""

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
                raise EOFError("The answer ended without a finish_reason.")  # the SDK does not mind
        except Exception:
            yield {"event": "error", "data": {"message": "The model stopped in the middle of its answer."}}
            raise  # a verified reader and the log learn what it was

    async def aclose(self) -> None:
        await self.upstream.close()
