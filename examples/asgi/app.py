"""A FastAPI application as a streaming Lambda function: no web server, no adapter process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from streamify_server.asgi import streaming_asgi

WORDS = ["Streaming", "responses", "reach", "the", "reader", "while", "they", "are", "being", "written."]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, list[str]]]:
    """Run once per process, for example to create connection pools or load models."""
    yield {"words": WORDS}


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def text(request: Request, pause: float = 0.0) -> StreamingResponse:
    async def words() -> AsyncIterator[str]:
        for word in request.state.words:
            yield f"{word} "
            await asyncio.sleep(pause)

    return StreamingResponse(words(), media_type="text/plain")


@app.get("/events")
async def events(count: int = 3) -> StreamingResponse:
    async def ticks() -> AsyncIterator[str]:
        for number in range(count):
            yield f"event: tick\nid: {number}\ndata: {number}\n\n"

    return StreamingResponse(ticks(), media_type="text/event-stream")


handler = streaming_asgi(app)
