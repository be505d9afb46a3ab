"""The producers to measure delays with: `count` chunks, `pause` seconds apart, each with a timestamp."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from streamify_server import streaming_handler
from streamify_server.asgi import streaming_asgi


def stamp() -> bytes:
    return b"%020d\n" % time.monotonic_ns()


@streaming_handler
def generator(event: dict[str, Any], context: Any) -> Iterator[bytes]:
    for _ in range(event["count"]):
        yield stamp()
        time.sleep(event["pause"])


@streaming_handler
async def async_generator(event: dict[str, Any], context: Any) -> AsyncIterator[bytes]:
    for _ in range(event["count"]):
        yield stamp()
        await asyncio.sleep(event["pause"])


@streaming_handler
def writer(event: dict[str, Any], context: Any, stream: Any) -> None:
    for _ in range(event["count"]):
        stream.write(stamp())
        time.sleep(event["pause"])


@streaming_handler
async def async_writer(event: dict[str, Any], context: Any, stream: Any) -> None:
    for _ in range(event["count"]):
        await stream.write(stamp())
        await asyncio.sleep(event["pause"])


async def stream(request: Request) -> StreamingResponse:
    count, pause = int(request.query_params["count"]), float(request.query_params["pause"])

    async def stamps() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield stamp()
            await asyncio.sleep(pause)

    return StreamingResponse(stamps(), media_type="text/plain")


starlette = streaming_asgi(Starlette(routes=[Route("/", stream)]))
