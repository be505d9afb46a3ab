"""A Litestar application, streamed.

    pip install litestar 'streamify[asgi,dev]'
    streamify dev litestar_app.handler

Each piece of a Stream and each event is sent immediately.
"""

from collections.abc import AsyncIterator

from litestar import Litestar, get
from litestar.response import ServerSentEvent, Stream

from streamify_server.asgi import streaming_asgi


@get("/squares")
async def squares(rows: int = 3) -> Stream:
    async def lines() -> AsyncIterator[str]:
        for row in range(rows):
            yield f"{row},{row * row}\n"

    return Stream(lines(), media_type="text/csv")


@get("/events")
async def events() -> ServerSentEvent:
    async def ticks() -> AsyncIterator[str]:
        for tick in range(3):
            yield str(tick)

    return ServerSentEvent(ticks(), event_type="tick")


handler = streaming_asgi(Litestar([squares, events]))
