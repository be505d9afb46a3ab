"""An endpoint on FastAPI that is compatible with Anthropic's messages API and its clients.

    pip install fastapi 'streamify[asgi,dev]'
    streamify dev anthropic_compatible.handler
    Anthropic(base_url=url, api_key="any").messages.stream(model="echo", max_tokens=99, messages=...)

Call your own model in `answer`. An error in mid-stream is sent as the API does, so that the client raises it.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

from streamify_server.asgi import streaming_asgi

app = FastAPI()
handler = streaming_asgi(app)


class Message(BaseModel):
    role: str
    content: str


class MessagesRequest(BaseModel):
    model: str
    max_tokens: int
    messages: list[Message]
    stream: bool = False


async def answer(messages: list[Message]) -> AsyncIterator[str]:
    """Stand in for a model: repeat the last message, word by word."""
    for word in messages[-1].content.split():
        if word == "fail":
            raise RuntimeError("the model gave up")
        yield f"{word} "


@app.post("/v1/messages")
async def messages(request: MessagesRequest, http: Request) -> Response:
    if request.model != "echo":
        return JSONResponse(error("not_found_error", f"model: {request.model}"), 404)
    message: dict[str, Any] = {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    if request.stream:
        return StreamingResponse(events(request, message, seconds_left(http)), media_type="text/event-stream")
    text = "".join([word async for word in answer(request.messages)])
    content = [{"type": "text", "text": text}]
    return JSONResponse({**message, "content": content, "stop_reason": "end_turn"})


async def events(
    request: MessagesRequest, message: dict[str, Any], seconds: float | None
) -> AsyncIterator[str]:
    yield event("message_start", message=message)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    words = 0
    try:
        async with asyncio.timeout(seconds):
            async for word in answer(request.messages):
                words += 1
                yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    except Exception as failure:
        told = error("api_error", str(failure) or "The model took too long.")
        yield f"event: error\ndata: {json.dumps(told)}\n\n"
        raise  # for readers of verified streams, and for the log
    yield event("content_block_stop", index=0)
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": words})
    yield event("message_stop")


def seconds_left(http: Request) -> float | None:
    """Return how long the model may take: up to two seconds before the function's timeout."""
    context = http.scope.get("aws.context")
    return None if context is None else context.get_remaining_time_in_millis() / 1000 - 2


def event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}
