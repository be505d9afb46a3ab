"""The Vercel AI SDK's UI message stream, for `useChat`.

    pip install 'streamify[dev]'
    npm install ai
    streamify dev ai_sdk.handler
    useChat({ transport: new DefaultChatTransport({ api: url }) })

The protocol: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol. Call your own model in `answer`. An error in
mid-stream is sent as an `error` part, which `useChat` returns as `error`. An answer without a `finish` part
was cut off.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

from streamify_server import HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_cors, http_error_handler, http_json_body_parser


@streaming_handler(middlewares=[http_cors(), http_error_handler(), http_json_body_parser()])
def handler(event: dict[str, Any], context: Any) -> HttpResponse:
    text = "".join(part.get("text", "") for part in event["body"]["messages"][-1]["parts"])
    # Stop two seconds before the function's timeout, so that the reader still gets an error.
    seconds = context.get_remaining_time_in_millis() / 1000 - 2
    return HttpResponse(200, {"x-vercel-ai-ui-message-stream": "v1"}, sse(parts(text, seconds)))


async def parts(text: str, seconds: float) -> AsyncIterator[str]:
    part_id = uuid.uuid4().hex
    yield part("start", messageId=uuid.uuid4().hex)
    yield part("text-start", id=part_id)
    try:
        async with asyncio.timeout(seconds):
            async for word in answer(text):
                yield part("text-delta", id=part_id, delta=word)
    except Exception as failure:
        yield part("error", errorText=str(failure) or "The model took too long.")
        raise  # for readers of verified streams, and for the log
    yield part("text-end", id=part_id)
    yield part("finish")
    yield "[DONE]"


async def answer(text: str) -> AsyncIterator[str]:
    """Stand in for a model: repeat the text, word by word."""
    for word in text.split():
        if word == "fail":
            raise RuntimeError("the model gave up")
        yield f"{word} "


def part(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})
