"""Streams that are longer than their invocations."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamify_server import HttpResponse, checkpoint, csv_rows, last_checkpoint, sse, streaming_handler
from streamify_server.middlewares import http_content_encoding

PARTS: list[int] = []


def numbers(event: dict[str, Any], context: Any) -> Iterator[Any]:
    """Numbers, so many seconds apart, with a checkpoint behind each."""
    if "queryStringParameters" in event:
        event = {name: float(value) for name, value in event["queryStringParameters"].items()}
    for number in range(last_checkpoint(context) or 0, int(event["count"])):
        yield f"{number}\n"
        yield checkpoint(number + 1)
        time.sleep(event.get("pause", 0))


@streaming_handler
def sync(event: Any, context: Any) -> Iterator[Any]:
    yield from numbers(event, context)


@streaming_handler
def changes_its_event(event: Any, context: Any) -> Iterator[Any]:
    arguments = {"count": event.pop("count"), "pause": event.pop("pause")}
    event["at"] = time.time()
    yield from numbers(arguments, context)


@streaming_handler
async def asynchronous(event: Any, context: Any) -> AsyncIterator[Any]:
    for number in range(last_checkpoint(context) or 0, int(event["count"])):
        yield f"{number}\n"
        yield checkpoint(number + 1)
        await asyncio.sleep(event.get("pause", 0))


@streaming_handler
def http(event: Any, context: Any) -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/csv"}, numbers(event, context), cookies=["a=1"])


@streaming_handler(middlewares=[http_content_encoding()])
def compressed(event: Any, context: Any) -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/plain"}, numbers(event, context))


@streaming_handler
def written(event: Any, context: Any, stream: Any) -> None:
    for number in range(last_checkpoint(context) or 0, int(event["count"])):
        stream.write(f"{number}\n")
        stream.checkpoint(number + 1)
        time.sleep(event.get("pause", 0))


@streaming_handler
async def written_async(event: Any, context: Any, stream: Any) -> None:
    for number in range(last_checkpoint(context) or 0, int(event["count"])):
        await stream.write(f"{number}\n")
        await stream.checkpoint(number + 1)
        await asyncio.sleep(event.get("pause", 0))


@streaming_handler
def nested(event: Any, context: Any) -> Any:
    return sync(event, context)


@streaming_handler
def rows(event: Any, context: Any) -> Any:
    def made() -> Iterator[Any]:
        for number in range(last_checkpoint(context) or 0, int(event["count"])):
            yield [number]
            yield checkpoint(number + 1)
            time.sleep(event.get("pause", 0))

    return csv_rows(made())


@streaming_handler
def events(event: Any, context: Any) -> Any:
    def made() -> Iterator[Any]:
        for number in range(last_checkpoint(context) or 0, int(event["count"])):
            yield str(number)
            yield checkpoint(number + 1)
            time.sleep(event.get("pause", 0))

    return sse(made(), keepalive=0.1)


@streaming_handler
def forgetful(event: Any, context: Any) -> Iterator[Any]:
    """Begins again, whatever its token says."""
    for number in range(int(event["count"])):
        yield f"{number}\n"
        yield checkpoint(number + 1)
        time.sleep(event.get("pause", 0))


@streaming_handler
def fails_when_closed(event: Any, context: Any) -> Iterator[Any]:
    try:
        yield from numbers(event, context)
    finally:
        raise OSError("the cursor cannot be closed")


@streaming_handler
def fails_later(event: Any, context: Any) -> Iterator[Any]:
    yield from numbers(event, context)
    raise KeyError("late")


@streaming_handler
def large(event: Any, context: Any) -> Iterator[Any]:
    """Chunks of 1 MiB, each behind a checkpoint."""
    for number in range(last_checkpoint(context) or 0, int(event["count"])):
        yield bytes([number % 256]) * 1024 * 1024
        yield checkpoint(number + 1)


@streaming_handler
def random(event: Any, context: Any) -> Iterator[Any]:
    """Cannot be reproduced."""
    for number in range(last_checkpoint(context) or 0, int(event["count"])):
        yield f"{time.monotonic_ns()} {number}\n"
        if number % 3 == 0:
            yield checkpoint(number + 1)
