"""Streaming handlers for the tests of the server half over the whole wire."""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamify_server import HttpResponse, streaming_handler


def handler(event: dict[str, Any], context: Any) -> Any:
    """Hand the event to the handler that it names."""
    return globals()[event["do"]](event, context)


def by_path(event: dict[str, Any], context: Any) -> Any:
    """Hand the event to the handler that its path names."""
    return globals()[event["rawPath"].strip("/")](event, context)


@streaming_handler
def chunks(event: Any, context: Any) -> Iterator[str]:
    yield from event["chunks"]


@streaming_handler
def fails_early(event: Any, context: Any) -> Iterator[str]:
    yield from ()
    raise LookupError("nothing there")


@streaming_handler
async def fails_late(event: Any, context: Any) -> AsyncIterator[str]:
    yield "first"
    await asyncio.sleep(0)
    raise LookupError("nothing more")


@streaming_handler(deadline_margin=1.5)
def sleeps(event: Any, context: Any) -> Iterator[str]:
    yield "first"
    time.sleep(600)


@streaming_handler
def counts(event: Any, context: Any) -> Iterator[bytes]:
    """Say in a file how many chunks have been made."""
    with open(event["file"], "wb", buffering=0) as file:
        for _ in range(event["chunks"]):
            file.write(b".")
            yield b"x" * 65536


@streaming_handler
def big(event: Any, context: Any) -> Iterator[bytes]:
    for _ in range(event["megabytes"]):
        yield b"x" * 1024 * 1024


@streaming_handler
def memory(event: Any, context: Any) -> str:
    scale = 1 if sys.platform == "darwin" else 1024
    return str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale)


@streaming_handler
def http(event: Any, context: Any) -> HttpResponse:
    return HttpResponse(201, {"content-type": "text/csv"}, body=iter(["a,b\n"]), cookies=["a=1"])


@streaming_handler
async def writes(event: Any, context: Any, stream: Any) -> None:
    stream.start_http(202, {"content-type": "text/plain"})
    for number in range(3):
        await stream.write(str(number))


@streaming_handler
def custom(event: Any, context: Any) -> str:
    client_context = context.client_context
    return repr(client_context and client_context.custom)
