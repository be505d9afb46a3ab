"""An application in a function's real process, under the runtime: what reaches the platform, and when."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.http_events import function_url
from support.local import Gate
from support.runtime_api import Post, RuntimeApi, Script, running

APP = """
import asyncio, os
from collections import Counter
from contextlib import asynccontextmanager
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.background import BackgroundTask
from starlette.routing import Route
from sse_starlette import EventSourceResponse
from streamify_server.asgi import streaming_asgi

happened = Counter()

@asynccontextmanager
async def lifespan(app):
    happened["started"] += 1
    if os.environ.get("DATABASE") == "away":
        raise ConnectionError("no database")
    yield

async def gated(request):
    async def chunks():
        yield "first "
        await asyncio.to_thread(wait_at, request.query_params["gate"])
        yield "second"
    return StreamingResponse(chunks())

def wait_at(gate):
    with open(gate) as pipe:
        pipe.read()

async def breaks(request):
    async def chunks():
        yield "begun"
        raise ZeroDivisionError("in the middle")
    return StreamingResponse(chunks())

async def forever(request):
    async def chunks():
        try:
            while True:
                yield "x" * 100_000
        finally:
            happened["closed"] += 1
    return StreamingResponse(chunks())

async def waits(request):
    async def chunks():
        try:
            yield "begun"
            await asyncio.Event().wait()
        finally:
            happened["closed"] += 1
    return StreamingResponse(chunks())

def blocks(request):
    def chunks():
        yield "begun"
        wait_at(request.query_params["gate"])
        yield "too late"
    return StreamingResponse(chunks())

async def blocks_the_loop(request):
    async def chunks():
        yield "begun"
        try:
            wait_at(request.query_params["gate"])
        finally:
            happened["closed"] += 1
    return StreamingResponse(chunks())

async def slow(request):
    try:
        await asyncio.Event().wait()
    finally:
        happened["closed"] += 1

async def events(request):
    async def ticks():
        for number in range(3):
            yield {"data": str(number)}
    return EventSourceResponse(ticks())

async def later(request):
    async def work():
        happened["worked"] += 1
    return PlainTextResponse("accepted", background=BackgroundTask(work))

async def report(request):
    return JSONResponse(happened)

async def fails(request):
    raise KeyError("no such thing")

endpoints = (gated, breaks, forever, waits, blocks, blocks_the_loop, slow, events, later, report, fails)
app = Starlette(routes=[Route("/" + one.__name__, one) for one in endpoints], lifespan=lifespan)
handler = streaming_asgi(app, deadline_margin=3)
"""


# With the margin of 3 s: 2 s to begin in and 1.5 s to stop in, which suffice on a machine that is busy too.
TIME_LIMIT = 5.0


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def api(code: Path) -> Iterator[RuntimeApi]:
    """A process that has served a request, so that no deadline counts its start."""
    with RuntimeApi() as api, running(api, code):
        report(api)
        yield api


# Under AWS's own runtime client handlers stream as well, unless they are told not to.
NOT_STREAMING = {"STREAMIFY_RUNTIME": "off"}


def report(api: RuntimeApi) -> Any:
    """What the application has counted; also shows that the process still serves."""
    return json.loads(api.invoke(function_url("/report")).result().http_body)


def test_the_first_chunk_leaves_before_the_second_is_made(api: RuntimeApi, code: Path) -> None:
    gate = Gate(code)
    invocation = api.invoke(function_url("/gated", query=f"gate={gate.path}"))
    post = invocation.wait_for(b"first ")
    assert b"second" not in post.body
    gate.open()
    assert invocation.result().http_body == b"first second"


def test_server_sent_events_are_a_chunk_each(api: RuntimeApi) -> None:
    post = api.invoke(function_url("/events")).result()
    assert post.prelude["headers"]["content-type"].startswith("text/event-stream")
    assert post.chunks[1:] == [b"data: 0\r\n\r\n", b"data: 1\r\n\r\n", b"data: 2\r\n\r\n"]


def test_an_error_in_mid_stream_is_in_the_trailers_and_the_process_serves_on(api: RuntimeApi) -> None:
    post = api.invoke(function_url("/breaks")).result()
    assert post.http_body == b"begun"
    assert post.trailers["lambda-runtime-function-error-type"] == "Function.ZeroDivisionError"
    assert post.error["errorMessage"] == "in the middle"
    assert report(api) == {"started": 1}


def test_a_lost_connection_closes_the_generator_before_the_next_request(api: RuntimeApi) -> None:
    api.invoke(function_url("/forever"), script=Script(drop_after=300_000)).result()
    assert report(api) == {"started": 1, "closed": 1}


def test_a_response_that_is_refused_as_too_large_closes_the_generator(api: RuntimeApi) -> None:
    script = Script(status=413, reject_after=300_000)
    api.invoke(function_url("/forever"), script=script)
    assert report(api) == {"started": 1, "closed": 1}
    script.resume.set()


def test_the_deadline_stops_a_stream_that_waits_and_tells_the_caller(api: RuntimeApi) -> None:
    post = api.invoke(function_url("/waits"), seconds=TIME_LIMIT).result()
    assert post.http_body == b"begun"
    assert post.error["errorType"] == "DeadlineExceededError"
    assert report(api) == {"started": 1, "closed": 1}


def test_the_deadline_stops_an_application_that_has_not_answered_yet(api: RuntimeApi) -> None:
    post = api.invoke(function_url("/slow"), seconds=TIME_LIMIT).result()
    assert post.path.endswith("/error")
    assert post.error["errorType"] == "DeadlineExceededError"
    assert report(api) == {"started": 1, "closed": 1}


def test_the_deadline_tells_the_caller_even_while_a_thread_is_blocked(api: RuntimeApi, code: Path) -> None:
    gate = Gate(code)
    post = api.invoke(function_url("/blocks", query=f"gate={gate.path}"), seconds=TIME_LIMIT).result()
    assert post.http_body == b"begun"
    assert post.error["errorType"] == "DeadlineExceededError"
    assert report(api) == {"started": 1}
    gate.open()


def test_the_deadline_interrupts_what_keeps_the_loop_from_turning(api: RuntimeApi, code: Path) -> None:
    event = function_url("/blocks_the_loop", query=f"gate={Gate(code).path}")
    post = api.invoke(event, seconds=TIME_LIMIT).result()
    assert post.http_body == b"begun"
    assert post.error["errorType"] == "DeadlineExceededError"
    assert report(api) == {"started": 1, "closed": 1}


def test_background_work_is_done_before_the_next_request(api: RuntimeApi) -> None:
    assert api.invoke(function_url("/later")).result().http_body == b"accepted"
    assert report(api) == {"started": 1, "worked": 1}


def test_an_error_before_the_response_is_a_500(api: RuntimeApi) -> None:
    post: Post = api.invoke(function_url("/fails")).result()
    assert (post.prelude["statusCode"], post.http_body) == (500, b"Internal Server Error")
    assert post.trailers == {}


def test_an_application_that_cannot_start_is_an_error_of_the_invocation(code: Path) -> None:
    with RuntimeApi() as api, running(api, code, environment={"DATABASE": "away"}):
        for _ in range(2):
            post = api.invoke(function_url("/report")).result()
            assert post.path.endswith("/error")
            assert post.error["errorType"] == "LifespanError"
            assert "no database" in post.error["errorMessage"]


def test_under_plain_awslambdaric_the_response_goes_out_whole(code: Path) -> None:
    with RuntimeApi() as api, running(api, code, module="awslambdaric", environment=NOT_STREAMING):
        answer = json.loads(api.invoke(function_url("/events")).result().body)
        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
        assert answer["body"].count("data: ") == 3
        assert json.loads(api.invoke(function_url("/report")).result().body)["body"] == '{"started":1}'
