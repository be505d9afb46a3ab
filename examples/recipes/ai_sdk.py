"""The Vercel AI SDK's UI message stream, for `useChat`.

    pip install 'streamify[dev]'
    npm install ai
    streamify dev ai_sdk.handler
    useChat({ transport: new DefaultChatTransport({ api: url }) })

Its protocol: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol. Put your own model behind `answer`. An error
in mid-stream is a part of its own, which `useChat` shows as `error`.
An answer without a `finish` part was cut off.
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
    # Two seconds before the function's timeout the reader can still be told.
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
        raise  # a verified reader and the log learn of it too
    yield part("text-end", id=part_id)
    yield part("finish")
    yield "[DONE]"


async def answer(text: str) -> AsyncIterator[str]:
    """The model: it says back what it was told, word by word."""
    for word in text.split():
        if word == "fail":
            raise RuntimeError("the model gave up")
        yield f"{word} "


def part(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})
