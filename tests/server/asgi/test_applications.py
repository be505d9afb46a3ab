"""Real applications, answered through the seam that the runtime uses: what leaves a function, and when."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from streamify_client.wire.verified import HandlerError, VerifiedDecoder
from streamify_server import streaming_handler
from streamify_server.asgi import LifespanError, streaming_asgi
from streamify_server.middlewares import http_router
from streamify_server.posting import posting_through
from streamify_server.testing import Context
from support.http_events import function_url, load_balancer, rest_api
from support.posters import Poster


class Wire(Poster):
    """Takes a response as the runtime does, and can lose the connection."""

    def __init__(self, lose_after: int | None = None) -> None:
        super().__init__()
        self.lose_after = lose_after
        self.on_end: Callable[[], None] = lambda: None

    @property
    def head(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.prelude.removesuffix(b"\0" * 8))
        return found

    def take(self, chunk: bytes) -> None:
        super().take(chunk)
        if len(self.chunks) == self.lose_after:
            raise ConnectionResetError("the platform went away")

    def end(self) -> None:
        super().end()
        self.on_end()

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


def answer(handler: Any, event: Any, wire: Wire | None = None) -> Wire:
    wire = wire or Wire()
    with posting_through(wire):
        handler(event, None)
    return wire


fast = FastAPI()


@fast.get("/count")
async def count(to: int = 3) -> StreamingResponse:
    async def numbers() -> AsyncIterator[str]:
        for number in range(to):
            yield f"{number}\n"

    return StreamingResponse(numbers(), media_type="text/plain")


@fast.get("/threaded")
def threaded() -> StreamingResponse:
    return StreamingResponse(iter(["sync ", "generator"]), media_type="text/plain")


@fast.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers["content-type"])


@fast.get("/breaks")
async def breaks() -> StreamingResponse:
    async def numbers() -> AsyncIterator[str]:
        yield "begun"
        raise ZeroDivisionError("in the middle")

    return StreamingResponse(numbers())


@fast.get("/fails")
async def fails() -> None:
    raise KeyError("no such thing")


@fast.get("/events")
async def events() -> EventSourceResponse:
    async def ticks() -> AsyncIterator[dict[str, Any]]:
        for number in range(3):
            yield {"event": "tick", "id": str(number), "data": f"number {number}"}

    return EventSourceResponse(ticks())


@fast.get("/cookies")
async def cookies(request: Request) -> Response:
    response = PlainTextResponse(json.dumps(request.cookies))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


@pytest.mark.parametrize("path", ["/count", "/threaded"])
def test_a_streaming_response_leaves_chunk_by_chunk(path: str) -> None:
    wire = answer(streaming_asgi(fast), function_url(path))
    assert wire.content_type == "application/vnd.awslambda.http-integration-response"
    assert wire.head["statusCode"] == 200
    assert wire.head["headers"]["content-type"] == "text/plain; charset=utf-8"
    assert wire.chunks == ([b"0\n", b"1\n", b"2\n"] if path == "/count" else [b"sync ", b"generator"])


def test_a_query_and_validation_errors_work_as_on_any_server() -> None:
    handler = streaming_asgi(fast)
    assert answer(handler, function_url("/count", query="to=1")).chunks == [b"0\n"]
    refused = answer(handler, function_url("/count", query="to=many"))
    assert refused.head["statusCode"] == 422
    assert json.loads(refused.body)["detail"][0]["loc"] == ["query", "to"]


def test_server_sent_events_leave_one_by_one() -> None:
    wire = answer(streaming_asgi(fast), function_url("/events"))
    assert wire.head["headers"]["content-type"].startswith("text/event-stream")
    assert len(wire.chunks) == 3
    assert wire.chunks[1] == b"id: 1\r\nevent: tick\r\ndata: number 1\r\n\r\n"


def test_bytes_travel_unchanged_in_both_directions() -> None:
    every_byte = bytes(range(256)) * 16
    event = function_url(
        "/echo",
        method="POST",
        headers={"content-type": "application/octet-stream"},
        body=base64.b64encode(every_byte).decode(),
        base64=True,
    )
    wire = answer(streaming_asgi(fast), event)
    assert wire.body == every_byte
    assert "content-length" not in wire.head["headers"]


def test_headers_of_one_connection_only_do_not_travel() -> None:
    async def endpoint(request: Any) -> Response:
        ours = {"connection": "keep-alive, x-hop", "keep-alive": "timeout=5", "x-hop": "1", "x-end": "2"}
        return StreamingResponse(iter(["body"]), headers=ours | {"transfer-encoding": "chunked"})

    wire = answer(streaming_asgi(Starlette(routes=[Route("/", endpoint)])), function_url())
    assert wire.head["headers"] == {"x-end": "2"}


def test_cookies_come_and_go() -> None:
    wire = answer(streaming_asgi(fast), function_url("/cookies", cookies=["seen=yes", "lang=de"]))
    assert json.loads(wire.body) == {"seen": "yes", "lang": "de"}
    assert wire.head["cookies"] == ["a=1; Path=/; SameSite=lax", "b=2; HttpOnly; Path=/; SameSite=lax"]
    assert "set-cookie" not in wire.head["headers"]


def test_a_rest_api_reads_cookies_from_multi_value_headers() -> None:
    wire = answer(streaming_asgi(fast), rest_api("/cookies"))
    assert len(wire.head["multiValueHeaders"]["set-cookie"]) == 2


def test_an_error_in_mid_stream_is_the_streams_error() -> None:
    wire = Wire()
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        answer(streaming_asgi(fast), function_url("/breaks"), wire)
    assert (wire.chunks, wire.ended) == ([b"begun"], False)


def test_an_error_before_the_response_is_a_500_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    wire = answer(streaming_asgi(fast), function_url("/fails"))
    assert (wire.head["statusCode"], wire.body) == (500, b"Internal Server Error")
    assert "KeyError: 'no such thing'" in caplog.text


def test_a_load_balancer_gets_the_whole_response_at_once() -> None:
    assert streaming_asgi(fast)(load_balancer("/count"), None) == {
        "statusCode": 200,
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "body": "0\n1\n2\n",
        "isBase64Encoded": False,
    }


def test_an_event_that_is_no_request_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="answers HTTP requests"):
        streaming_asgi(fast)({"Records": []}, None)


def test_static_files_are_served_with_their_headers(tmp_path: Path) -> None:
    picture = bytes(range(256)) * 1024
    (tmp_path / "picture.png").write_bytes(picture)
    handler = streaming_asgi(Starlette(routes=[Mount("/static", StaticFiles(directory=tmp_path))]))
    whole = answer(handler, function_url("/static/picture.png"))
    assert (whole.head["headers"]["content-type"], whole.body) == ("image/png", picture)
    part = answer(handler, function_url("/static/picture.png", headers={"range": "bytes=10-19"}))
    assert (part.head["statusCode"], part.body) == (206, picture[10:20])
    known = {"if-none-match": whole.head["headers"]["etag"]}
    same = answer(handler, function_url("/static/picture.png", headers=known))
    assert same.head["statusCode"] == 304
    assert answer(handler, function_url("/static/nothing")).head["statusCode"] == 404
    head = answer(handler, function_url("/static/picture.png", method="HEAD"))
    assert (head.head["statusCode"], head.body.strip()) == (200, b"")


def test_the_application_starts_once_for_all_requests_and_shares_its_state() -> None:
    starts: list[int] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        starts.append(1)
        yield {"pool": f"pool {len(starts)}"}

    async def pool(request: Any) -> Response:
        return PlainTextResponse(request.state.pool)

    handler = streaming_asgi(Starlette(routes=[Route("/", pool)], lifespan=lifespan))
    assert [answer(handler, function_url("/")).body for _ in range(3)] == [b"pool 1"] * 3
    assert starts == [1]


def test_an_application_that_cannot_start_is_the_functions_error() -> None:
    async def connect() -> None:
        raise ConnectionError("no database")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await connect()
        yield

    with pytest.raises(LifespanError, match="ConnectionError: no database"):
        answer(streaming_asgi(Starlette(lifespan=lifespan)), function_url("/"))


def test_all_requests_run_on_one_event_loop_so_that_clients_survive() -> None:
    loops: list[Any] = []

    async def endpoint(request: Any) -> Response:
        loops.append(asyncio.get_running_loop())
        return PlainTextResponse("ok")

    handler = streaming_asgi(Starlette(routes=[Route("/", endpoint)]))
    for _ in range(3):
        answer(handler, function_url("/"))
    assert len(set(map(id, loops))) == 1


def test_a_background_task_runs_after_the_caller_has_everything_and_before_the_next_request() -> None:
    order: list[str] = []
    released = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def work() -> None:
        await released.wait()
        order.append("work done")

    async def endpoint(request: Any) -> Response:
        loops.append(asyncio.get_running_loop())
        return PlainTextResponse("answer", background=BackgroundTask(work))

    def end() -> None:
        order.append("response ended")
        loops[0].call_soon_threadsafe(released.set)

    wire = Wire()
    wire.on_end = end
    answer(streaming_asgi(Starlette(routes=[Route("/", endpoint)])), function_url("/"), wire)
    assert order == ["response ended", "work done"]


def test_fastapis_background_tasks_run_too() -> None:
    ran: list[str] = []
    app = FastAPI()

    @app.post("/")
    async def endpoint(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(ran.append, "in a thread")
        return {"state": "accepted"}

    assert json.loads(answer(streaming_asgi(app), function_url(method="POST")).body) == {"state": "accepted"}
    assert ran == ["in a thread"]


def test_a_lost_connection_ends_the_generator_before_the_next_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[bool] = []

    async def forever() -> AsyncIterator[str]:
        try:
            while True:
                yield "on and on"
        finally:
            closed.append(True)

    async def endpoint(request: Any) -> Response:
        return StreamingResponse(forever())

    handler = streaming_asgi(Starlette(routes=[Route("/", endpoint)]))
    with pytest.raises(ConnectionResetError):
        answer(handler, function_url(), Wire(lose_after=2))
    assert closed == [True]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response


@pytest.mark.parametrize("middlewares", [[], [Middleware(Passing)], [Middleware(Passing)] * 2])
def test_a_generator_that_takes_its_time_to_clean_up_is_waited_for(middlewares: list[Middleware]) -> None:
    closed: list[bool] = []

    async def forever() -> AsyncIterator[str]:
        try:
            while True:
                yield "on and on"
        finally:
            for _ in range(1000):
                await asyncio.sleep(0)
            closed.append(True)

    async def endpoint(request: Any) -> Response:
        return StreamingResponse(forever())

    handler = streaming_asgi(Starlette(routes=[Route("/", endpoint)], middleware=middlewares))
    with pytest.raises(ConnectionResetError):
        answer(handler, function_url(), Wire(lose_after=2))
    assert closed == [True]


def test_a_silent_event_source_ends_when_the_connection_is_lost() -> None:
    closed: list[bool] = []

    async def quiet() -> AsyncIterator[str]:
        try:
            yield "hello"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def endpoint(request: Any) -> Response:
        return EventSourceResponse(quiet())

    handler = streaming_asgi(Starlette(routes=[Route("/", endpoint)]))
    with pytest.raises(ConnectionResetError):
        answer(handler, function_url(), Wire(lose_after=1))
    assert closed == [True]


def test_middlewares_of_the_application_see_a_stream() -> None:
    class Named(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Response:
            response: Response = await call_next(request)
            response.headers["x-served-by"] = "starlette"
            return response

    async def endpoint(request: Any) -> Response:
        return StreamingResponse(iter(["a", "b"]))

    app = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(Named)])
    wire = answer(streaming_asgi(app), function_url())
    assert wire.head["headers"]["x-served-by"] == "starlette"
    assert wire.chunks == [b"a", b"b"]


def test_middlewares_of_the_handler_wrap_the_application() -> None:
    class Stamp:
        def after(self, request: Any) -> None:
            request.response.headers["x-stamp"] = "streamify"

    ended: list[Any] = []
    handler = streaming_asgi(fast, middlewares=[Stamp()]).on_stream_end(
        lambda request: ended.append(request.stream_end)
    )
    wire = answer(handler, function_url("/count"))
    assert wire.head["headers"]["x-stamp"] == "streamify"
    assert [end.bytes_sent for end in ended] == [6]


def test_a_middleware_that_throws_the_response_away_does_not_leave_the_application_waiting() -> None:
    closed: list[bool] = []

    async def forever() -> AsyncIterator[str]:
        try:
            while True:
                yield "on and on"
        finally:
            closed.append(True)

    async def endpoint(request: Any) -> Response:
        return StreamingResponse(forever())

    def refuse(request: Any) -> None:
        raise PermissionError("not today")

    handler = streaming_asgi(Starlette(routes=[Route("/", endpoint)])).after(refuse)
    with pytest.raises(PermissionError):
        answer(handler, function_url())
    assert closed == [True]


def test_the_lambda_event_and_context_are_in_the_scope() -> None:
    seen: list[Any] = []

    async def endpoint(request: Any) -> Response:
        seen.extend([request.scope["aws.event"]["requestContext"]["accountId"], request.scope["aws.context"]])
        return PlainTextResponse("ok")

    answer(streaming_asgi(Starlette(routes=[Route("/", endpoint)])), function_url())
    assert seen == ["anonymous", None]


def test_urls_of_a_mounted_application_have_its_root_path() -> None:
    async def endpoint(request: Any) -> Response:
        return PlainTextResponse(str(request.url_for("item", number=7)))

    app = Starlette(routes=[Route("/items/{number:int}", endpoint, name="item")])
    wire = answer(streaming_asgi(app, root_path="/v1"), rest_api("/items/3"))
    assert wire.body == b"https://api.execute-api.us-east-1.amazonaws.com/v1/items/7"


async def test_a_call_inside_a_running_event_loop_works() -> None:
    assert answer(streaming_asgi(fast), function_url("/count")).body == b"0\n1\n2\n"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"app": "app:app"}, TypeError, "takes an ASGI application, not 'app:app'"),
        ({"lifespan": "maybe"}, ValueError, "lifespan takes auto, on, off, not 'maybe'"),
        ({"root_path": "v1/"}, ValueError, "begins with a slash"),
        ({"unknown": 1}, TypeError, "unknown"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        streaming_asgi(**{"app": fast, **arguments})


def test_a_generator_that_fails_under_a_middleware_is_the_streams_error() -> None:
    """BaseHTTPMiddleware completes the body first, and raises then."""
    app = FastAPI()

    @app.middleware("http")
    async def nothing_special(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    @app.get("/")
    async def breaks() -> StreamingResponse:
        async def numbers() -> AsyncIterator[str]:
            yield "begun"
            raise ZeroDivisionError("in the middle")

        return StreamingResponse(numbers())

    wire = Wire()
    event = {**function_url("/"), "headers": {"streamify-accept": "verified/1"}}
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        answer(streaming_asgi(app), event, wire)
    assert not wire.ended
    decoder = VerifiedDecoder()
    decoder.receive(wire.body)
    assert isinstance(decoder.last, HandlerError)


class PanicException(BaseException):
    """What a panic in Rust is."""


@pytest.mark.parametrize("ending", [PanicException("at main.rs"), SystemExit("at main.rs")])
def test_what_is_no_exception_is_answered_with_500_or_ends_the_stream(ending: BaseException) -> None:

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise ending

    handler = streaming_asgi(app, lifespan="off")
    assert answer(handler, function_url("/")).head["statusCode"] == 500
    within = streaming_asgi(Passing(app), lifespan="off")  # in a task of its own
    assert answer(within, function_url("/")).head["statusCode"] == 500
    wire = Wire()
    with pytest.raises(RuntimeError, match=rf"{type(ending).__name__}: at main\.rs"):
        answer(handler, function_url("/late"), wire)
    assert (wire.chunks, wire.ended) == ([b"begun"], False)


def test_background_tasks_end_with_the_deadline(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    async def endpoint(request: Any) -> Response:
        return PlainTextResponse("answer", background=BackgroundTask(work))

    handler = streaming_asgi(Starlette(routes=[Route("/", endpoint)]))
    wire = Wire()
    with posting_through(wire):
        handler(function_url("/"), Context(timeout=2.5))
    assert (wire.body, wire.ended, ended) == (b"answer", True, ["work"])
    assert "time is up" in caplog.text


def test_an_application_inside_a_router_streams_and_its_background_tasks_run() -> None:
    order: list[str] = []

    async def work() -> None:
        order.append("work done")

    async def endpoint(request: Any) -> Response:
        return StreamingResponse(iter(["a", "b"]), background=BackgroundTask(work))

    inner = streaming_asgi(Starlette(routes=[Route("/", endpoint)]))
    wire = Wire()
    wire.on_end = lambda: order.append("response ended")
    answer(streaming_handler(http_router([("GET", "/", inner)])), function_url("/"), wire)
    assert wire.chunks == [b"a", b"b"]
    assert sorted(order) == ["response ended", "work done"]
