"""The Vercel AI SDK's UI message stream, for `useChat`.

Its protocol: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol

streamify dev ai_sdk.handler
useChat({ transport: new DefaultChatTransport({ api: url }) })
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from streamify_server import HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_cors, http_error_handler, http_json_body_parser


@streaming_handler(middlewares=[http_cors(), http_error_handler(), http_json_body_parser()])
def handler(event: dict[str, Any], context: Any) -> HttpResponse:
    text = "".join(part.get("text", "") for part in event["body"]["messages"][-1]["parts"])
    return HttpResponse(200, {"x-vercel-ai-ui-message-stream": "v1"}, sse(parts(text)))


def parts(text: str) -> Iterator[str]:
    part_id = uuid.uuid4().hex
    yield part("start", messageId=uuid.uuid4().hex)
    yield part("text-start", id=part_id)
    try:
        for word in answer(text):
            yield part("text-delta", id=part_id, delta=word)
    except Exception as failure:
        yield part("error", errorText=str(failure))
        raise  # a verified reader and the log learn of it too
    yield part("text-end", id=part_id)
    yield part("finish")
    yield "[DONE]"


def answer(text: str) -> Iterator[str]:
    """The model: it says back what it was told, word by word."""
    for word in text.split():
        if word == "fail":
            raise RuntimeError("the model gave up")
        yield f"{word} "


def part(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})
