"""BlackSheep."""

from collections.abc import AsyncIterator
from typing import Any

from blacksheep import (
    Application,
    Content,
    Cookie,
    Request,
    Response,
    StreamedContent,
    get,
    json,
    post,
    redirect,
)

from streamify_server.asgi import streaming_asgi

app = Application()


@get("/items/{path:item}")
async def item(item: str, request: Request) -> Response:
    return json({"item": item, "path": request.url.path.decode(), "query": request.query})


@post("/echo")
async def echo(request: Request) -> Response:
    kind = request.headers.get_first(b"content-type") or b"application/octet-stream"
    return Response(200, content=Content(kind, await request.read() or b""))


@get("/cookies")
async def cookies(request: Request) -> Response:
    response = Response(200, content=Content(b"text/plain", str(sorted(request.cookies.items())).encode()))
    response.set_cookie(Cookie("a", "1"))
    response.set_cookie(Cookie("b", "two", http_only=True))
    return response


@get("/stream")
async def stream() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(50):
            yield f"größe {number}\n".encode()

    return Response(200, content=StreamedContent(b"text/plain; charset=utf-8", pieces))


@get("/empty")
async def empty() -> Response:
    return Response(204)


@get("/old")
async def old() -> Any:
    return redirect("/items/new")


@get("/fails")
async def fails() -> Any:
    raise ZeroDivisionError("before the head")


handler = streaming_asgi(app)
