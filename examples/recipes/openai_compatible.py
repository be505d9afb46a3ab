"""An endpoint on FastAPI that is compatible with OpenAI's chat completions API and its clients.

    pip install fastapi 'streamify[asgi,dev]'
    streamify dev openai_compatible.handler
    client = OpenAI(base_url=url + "v1", api_key="any")
    client.chat.completions.create(model="echo", messages=..., stream=True)

Call your own model in `answer`. An error in mid-stream is sent as the API does, so that the client raises it.
"""

import asyncio
import json
import time
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


class ChatRequest(BaseModel):
    model: str
    messages: list[Message]
    stream: bool = False


async def answer(messages: list[Message]) -> AsyncIterator[str]:
    """Stand in for a model: repeat the last message, word by word."""
    for word in messages[-1].content.split():
        if word == "fail":
            raise RuntimeError("the model gave up")
        yield f"{word} "


@app.post("/v1/chat/completions")
async def complete(request: ChatRequest, http: Request) -> Response:
    if request.model != "echo":
        return JSONResponse(error(f"The model {request.model!r} does not exist.", "model_not_found"), 404)
    reply = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": request.model}
    if request.stream:
        return StreamingResponse(events(request, reply, seconds_left(http)), media_type="text/event-stream")
    text = "".join([word async for word in answer(request.messages)])
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return JSONResponse({**reply, "object": "chat.completion", "choices": [choice]})


async def events(request: ChatRequest, reply: dict[str, Any], seconds: float | None) -> AsyncIterator[str]:
    def event(delta: dict[str, str], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return data({**reply, "object": "chat.completion.chunk", "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    try:
        async with asyncio.timeout(seconds):
            async for word in answer(request.messages):
                yield event({"content": word})
    except Exception as failure:
        yield data(error(str(failure) or "The model took too long.", "server_error"))
        raise  # for readers of verified streams, and for the log
    yield event({}, "stop")
    yield "data: [DONE]\n\n"


def seconds_left(http: Request) -> float | None:
    """Return how long the model may take: up to two seconds before the function's timeout."""
    context = http.scope.get("aws.context")
    return None if context is None else context.get_remaining_time_in_millis() / 1000 - 2


def data(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"


def error(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}
