"""Falcon."""

from collections.abc import AsyncIterator
from typing import Any

import falcon.asgi
from falcon import HTTP_204, HTTPFound

from streamify_server.asgi import streaming_asgi


class Item:
    async def on_get(self, request: Any, response: Any, item: str) -> None:
        response.media = {"item": item, "path": request.path, "query": request.query_string}


class Echo:
    async def on_post(self, request: Any, response: Any) -> None:
        response.data = await request.stream.read()
        response.content_type = request.content_type


class Cookies:
    async def on_get(self, request: Any, response: Any) -> None:
        response.text = str(sorted(request.cookies.items()))
        response.set_cookie("a", "1", secure=False)
        response.set_cookie("b", "two", http_only=True)


class Stream:
    async def on_get(self, request: Any, response: Any) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(50):
                yield f"größe {number}\n".encode()

        response.content_type = "text/plain; charset=utf-8"
        response.stream = pieces()


class Empty:
    async def on_get(self, request: Any, response: Any) -> None:
        response.status = HTTP_204


class Old:
    async def on_get(self, request: Any, response: Any) -> None:
        raise HTTPFound("/items/new")


class Fails:
    async def on_get(self, request: Any, response: Any) -> None:
        raise ZeroDivisionError("before the head")


app = falcon.asgi.App()
app.add_route("/items/{item:path}", Item())
app.add_route("/echo", Echo())
app.add_route("/cookies", Cookies())
app.add_route("/stream", Stream())
app.add_route("/empty", Empty())
app.add_route("/old", Old())
app.add_route("/fails", Fails())
handler = streaming_asgi(app)
