"""Server-sent events for a browser: the progress of a job, as it happens.

    streamify dev events.handler

In a page: `new EventSource(url).addEventListener("progress", event => console.log(event.data))`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from streamify_server import HttpResponse, sse, streaming_handler


@streaming_handler
async def handler(event: Any, context: Any) -> HttpResponse:
    headers = {"cache-control": "no-cache"}
    return HttpResponse(200, headers, body=sse(progress(), keepalive=15))


async def progress() -> AsyncIterator[dict[str, Any]]:
    for percent in range(0, 101, 20):
        await asyncio.sleep(0.05)  # the work
        yield {"event": "progress", "id": percent, "data": {"percent": percent}}
