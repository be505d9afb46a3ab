"""The producers to compare: `count` chunks of `size` bytes each, as given in the event."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from streamify_server import streaming_handler
from streamify_server.asgi import streaming_asgi


@streaming_handler
def generator(event: dict[str, int], context: Any) -> Iterator[bytes]:
    chunk = bytes(event["size"])
    for _ in range(event["count"]):
        yield chunk


@streaming_handler
async def async_generator(event: dict[str, int], context: Any) -> AsyncIterator[bytes]:
    chunk = bytes(event["size"])
    for _ in range(event["count"]):
        yield chunk


@streaming_handler
def writer(event: dict[str, int], context: Any, stream: Any) -> None:
    chunk = bytes(event["size"])
    for _ in range(event["count"]):
        stream.write(chunk)


@streaming_handler
async def async_writer(event: dict[str, int], context: Any, stream: Any) -> None:
    chunk = bytes(event["size"])
    for _ in range(event["count"]):
        await stream.write(chunk)


async def stream(request: Request) -> StreamingResponse:
    query = parse_qs(request.url.query)
    chunk = bytes(int(query["size"][0]))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(int(query["count"][0])):
            yield chunk

    return StreamingResponse(chunks(), media_type="application/octet-stream")


starlette = streaming_asgi(Starlette(routes=[Route("/", stream)]))
