"""A function for the client's tests over the whole wire: it does what its event says."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamify_server import HttpResponse, streaming_handler


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Any:
    """Return what the case named in the event makes."""
    return CASES[event["case"]](event, context)


@streaming_handler
async def asynchronous(event: dict[str, Any], context: Any) -> AsyncIterator[str]:
    """Yield the event's chunks."""
    for chunk in event["chunks"]:
        yield chunk


def chunks(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Yield the event's chunks."""
    yield from event["chunks"]


def gated(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Yield one chunk, and the other when the test has opened a pipe."""
    yield "first"
    with open(event["gate"]):
        pass
    yield "second"


def fails(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Raise after the chunks."""
    yield from event["chunks"]
    raise LookupError("no such row")


def dies(event: dict[str, Any], context: Any) -> Iterator[str]:
    """End the process after the chunks."""
    yield from event["chunks"]
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Outlast the function's timeout after the chunks."""
    yield from event["chunks"]
    time.sleep(60)


def http(event: dict[str, Any], context: Any) -> HttpResponse:
    """Answer as HTTP."""
    return HttpResponse(
        event.get("status", 200),
        {"content-type": "text/csv", "x-rows": "2"},
        cookies=["a=1; Path=/", "b=2"],
        body=iter(event["chunks"]),
    )


def told(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Say what the function sees of the call."""
    seen = context.client_context
    yield repr((event["payload"], seen.custom if seen else None, context.function_version))


def zeros(event: dict[str, Any], context: Any) -> Iterator[bytes]:
    """Yield megabytes."""
    block = bytes(1024 * 1024)
    for _ in range(event["megabytes"]):
        yield block


CASES = {function.__name__: function for function in (chunks, gated, fails, dies, hangs, http, told, zeros)}
