"""Litestar."""

from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.response import Redirect, Stream

from streamify_server.asgi import streaming_asgi


@get("/items/{item:path}")
async def item(item: Any, request: Request[Any, Any, Any]) -> dict[str, Any]:
    query = sorted(request.query_params.multi_items())
    return {"item": str(item), "path": request.scope["path"], "query": query}


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(await request.body(), media_type=request.headers.get("content-type"))


@get("/cookies")
async def cookies(request: Request[Any, Any, Any]) -> Response[str]:
    response = Response(str(sorted(request.cookies.items())))
    response.set_cookie("a", "1")
    response.set_cookie("b", "two words", httponly=True)
    return response


@get("/stream")
async def stream() -> Stream:
    async def pieces() -> AsyncIterator[str]:
        for number in range(50):
            yield f"größe {number}\n"

    return Stream(pieces(), media_type="text/plain")


@get("/empty", status_code=204)
async def empty() -> None: ...


@get("/old")
async def old() -> Redirect:
    return Redirect("/items/new")


@get("/fails")
async def fails() -> None:
    raise ZeroDivisionError("before the head")


app = Litestar([item, echo, cookies, stream, empty, old, fails])
handler = streaming_asgi(app)
