"""An ASGI application behind a Function URL, asked by a real HTTP client."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from streamify_server.local import LocalLambda
from support.local import Gate

APP = """
import asyncio
from pathlib import Path
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from sse_starlette import EventSourceResponse
from streamify_server.asgi import streaming_asgi

app = FastAPI()
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))

@app.get("/events")
async def events(gate: str):
    async def ticks():
        yield {"data": "first"}
        await asyncio.to_thread(wait_at, gate)
        yield {"data": "second"}
    return EventSourceResponse(ticks())

def wait_at(gate):
    with open(gate) as pipe:
        pipe.read()

@app.post("/mirror")
async def mirror(request: Request):
    body = await request.body()
    return Response(bytes(reversed(body)), media_type=request.headers["content-type"])

@app.get("/session")
async def session(request: Request, response: Response):
    response.set_cookie("visits", str(int(request.cookies.get("visits", "0")) + 1))
    response.set_cookie("theme", "dark")
    return {"visits": request.cookies.get("visits", "0"), "q": request.query_params["q"]}

handler = streaming_asgi(app)
"""
PICTURE = bytes(range(256)) * 2048


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    code = tmp_path_factory.mktemp("code")
    (code / "app.py").write_text(APP)
    (code / "static").mkdir()
    (code / "static" / "picture.png").write_bytes(PICTURE)
    with LocalLambda() as aws:
        aws.add_function("app", handler="app.handler", code=Path(code), timeout=30)
        yield aws.function_url("app", invoke_mode="RESPONSE_STREAM")


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as http:
        yield http


def test_an_event_arrives_before_the_next_is_made(http: httpx2.Client, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with http.stream("GET", "/events", params={"gate": gate.path}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert next(lines) == "data: first"
        gate.open()
        assert [line for line in lines if line] == ["data: second"]


def test_bytes_travel_in_both_directions(http: httpx2.Client) -> None:
    headers = {"content-type": "application/octet-stream"}
    response = http.post("/mirror", content=PICTURE, headers=headers)
    assert response.content == PICTURE[::-1]
    assert response.headers["content-type"] == "application/octet-stream"


def test_cookies_are_kept_from_one_request_to_the_next(http: httpx2.Client) -> None:
    params = {"q": "größe & mehr"}
    visits = [http.get("/session", params=params).json() for _ in range(3)]
    assert visits == [{"visits": str(n), "q": "größe & mehr"} for n in range(3)]
    assert dict(http.cookies) == {"visits": "3", "theme": "dark"}


def test_static_files_come_whole_in_part_and_not_at_all(http: httpx2.Client) -> None:
    whole = http.get("/static/picture.png")
    assert (whole.headers["content-type"], whole.content) == ("image/png", PICTURE)
    part = http.get("/static/picture.png", headers={"range": "bytes=1000-1009"})
    assert (part.status_code, part.content) == (206, PICTURE[1000:1010])
    same = http.get("/static/picture.png", headers={"if-none-match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert http.get("/static/nothing.png").status_code == 404


def test_a_head_request_is_answered_without_a_body(http: httpx2.Client) -> None:
    response = http.head("/static/picture.png")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.content == b""
