"""FastAPI with a middleware of each kind."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.middleware.gzip import GZipMiddleware

from streamify_server.asgi import streaming_asgi

app = FastAPI()
app.add_middleware(GZipMiddleware, minimum_size=500)


@app.middleware("http")
async def add_header(request: Request, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers["x-seen"] = request.url.path
    return response


@app.get("/items/{item:path}")
async def item(item: str, request: Request) -> dict[str, Any]:
    return {"item": item, "path": request.scope["path"], "query": request.query_params.multi_items()}


@app.api_route("/echo", methods=["POST", "PUT", "PATCH", "DELETE"])
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers.get("content-type"))


@app.get("/cookies")
async def cookies(request: Request) -> Response:
    response = Response(str(sorted(request.cookies.items())))
    response.set_cookie("a", "1")
    response.set_cookie("b", "two words", httponly=True)
    return response


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        for number in range(50):
            yield f"größe {number}\n"

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/empty", status_code=204)
async def empty() -> None: ...


@app.get("/unchanged")
async def unchanged() -> Response:
    return Response(status_code=304, headers={"etag": '"1"'})


@app.get("/old")
async def old() -> RedirectResponse:
    return RedirectResponse("/items/new")


@app.get("/fails")
async def fails() -> None:
    raise ZeroDivisionError("before the head")


handler = streaming_asgi(app)
