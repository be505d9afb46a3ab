"""What type checkers make of the public API; mypy and pyright read this file, nothing runs it."""

from typing import Any, assert_type

from streamify_client import (
    AsyncResponseStream,
    AsyncStreamClient,
    MapItem,
    ResponseStream,
    ServerSentEvent,
    StreamClient,
    StreamResult,
)
from streamify_server import (
    HttpResponse,
    Middleware,
    Request,
    StreamingHandler,
    StreamWriter,
    streaming_asgi,
    streaming_handler,
)
from streamify_server.testing import Result, invoke


def blocking(client: StreamClient) -> None:
    for chunk in client.stream("fn", {"prompt": "hi"}):
        assert_type(chunk, str)
    for item in client.map("fn", [{"n": 1}], concurrency=2):
        assert_type(item, MapItem)
    with client.stream("fn", idle_timeout=1.0) as stream:
        assert_type(stream, ResponseStream)
        assert_type(next(iter(stream.iter_bytes())), bytes)
        assert_type(next(iter(stream.iter_lines())), str)
        assert_type(next(iter(stream.iter_json())), Any)
        assert_type(next(iter(stream.iter_sse())), ServerSentEvent)
        assert_type(stream.read(), bytes)
        assert_type(stream.text(), str)
        assert_type(stream.result, StreamResult)


async def asynchronous(client: AsyncStreamClient) -> None:
    async for chunk in client.stream("fn", {"prompt": "hi"}):
        assert_type(chunk, str)
    async for item in client.map("fn", [{"n": 1}], concurrency=2):
        assert_type(item, MapItem)
    async with client.stream("fn", idle_timeout=1.0) as stream:
        assert_type(stream, AsyncResponseStream)
        assert_type(await anext(stream.iter_bytes()), bytes)
        assert_type(await anext(stream.iter_lines()), str)
        assert_type(await anext(stream.iter_json()), Any)
        assert_type(await anext(stream.iter_sse()), ServerSentEvent)
        assert_type(await stream.read(), bytes)
        assert_type(await stream.text(), str)
        assert_type(stream.result, StreamResult)


@streaming_handler
def bare(event: dict[str, Any], context: Any) -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/plain"}, body="hi")


@streaming_handler(content_type="text/plain", deadline_margin=1.0)
async def written(event: Any, context: Any, stream: StreamWriter) -> None:
    await stream.write("hi")


assert_type(bare, StreamingHandler[dict[str, Any], Any])
assert_type(written, StreamingHandler)
assert_type(invoke(bare, {}), Result)


class Stamp:
    async def after(self, request: Request) -> None:
        request.internal["stamped"] = True


stamp: Middleware = Stamp()
chained = bare.use(stamp).use([stamp, Stamp()]).on_error(lambda request: "sorry")
assert_type(chained, StreamingHandler[dict[str, Any], Any])
bare("not a dict", None)  # type: ignore[arg-type]
bare.use(object())  # type: ignore[arg-type]
bare.before("no function")  # type: ignore[arg-type]
bare(event={}, context=None)


async def app(scope: Any, receive: Any, send: Any) -> None: ...


assert_type(streaming_asgi(app, respond="buffered", middlewares=[stamp]), StreamingHandler)
streaming_handler(respond="stream")
streaming_handler(respond="now")  # type: ignore[call-overload]
streaming_asgi(app, respond="now")  # type: ignore[arg-type]
streaming_asgi(app, lifespan="always")  # type: ignore[arg-type]
streaming_asgi(app, nothing=1)  # type: ignore[call-arg]
