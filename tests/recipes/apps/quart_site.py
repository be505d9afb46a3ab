"""Quart."""

from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, Response, redirect, request

from streamify_server.asgi import streaming_asgi

app = Quart(__name__, static_folder=None)


@app.get("/items/<path:item>")
async def item(item: str) -> dict[str, Any]:
    return {"item": item, "path": request.path, "query": sorted(request.args.items(multi=True))}


@app.post("/echo")
async def echo() -> Response:
    return Response(await request.get_data(), mimetype=request.mimetype)


@app.get("/cookies")
async def cookies() -> Response:
    response = Response(str(sorted(request.cookies.items())))
    response.set_cookie("a", "1")
    response.set_cookie("b", "two words", httponly=True)
    return response


@app.get("/stream")
async def stream() -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(50):
            yield f"größe {number}\n".encode()

    return Response(pieces(), content_type="text/plain; charset=utf-8")


@app.get("/empty")
async def empty() -> Response:
    return Response(status=204)


@app.get("/old")
async def old() -> Any:
    return redirect("/items/new")


@app.get("/fails")
async def fails() -> Any:
    raise ZeroDivisionError("before the head")


handler = streaming_asgi(app)
