"""An ASGI application under LocalLambda, read by the client: whole, verified, or an error that says why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import FunctionError, HttpStatusError, StreamClient, TruncatedStreamError
from streamify_server.local import LocalLambda
from support.http_events import function_url
from support.local import Gate

APP = """
import asyncio, os, signal
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from streamify_server.asgi import streaming_asgi

app = FastAPI()

@app.get("/words")
async def words():
    async def pieces():
        for word in ("größe ", "数据 ", "🙂"):
            yield word
    return StreamingResponse(pieces(), media_type="text/plain")

@app.get("/breaks")
async def breaks():
    async def pieces():
        yield "begun "
        raise ZeroDivisionError("in the middle")
    return StreamingResponse(pieces())

@app.get("/crashes")
async def crashes(gate: str):
    async def pieces():
        yield "begun "
        await asyncio.to_thread(die_at, gate)
    return StreamingResponse(pieces())

def die_at(gate):
    with open(gate) as pipe:
        pipe.read()
    os.kill(os.getpid(), signal.SIGKILL)

handler = streaming_asgi(app)
"""


@pytest.fixture(scope="module", params=["observed", "documented"])
def aws(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLambda]:
    code = tmp_path_factory.mktemp("code")
    (code / "app.py").write_text(APP, encoding="utf-8")
    with LocalLambda(stream_errors=request.param) as aws:
        aws.add_function("app", handler="app.handler", code=Path(code), timeout=30)
        yield aws


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as client:
        yield client


def test_a_response_is_verified_and_each_message_is_a_chunk(client: StreamClient) -> None:
    with client.stream("app", function_url("/words")) as stream:
        assert (stream.status_code, stream.content_type) == (200, "text/plain; charset=utf-8")
        assert list(stream.iter_text()) == ["größe ", "数据 ", "🙂"]
    assert stream.result.verified


def test_a_status_of_the_application_is_the_status_of_the_stream(client: StreamClient) -> None:
    with client.stream("app", function_url("/nowhere"), raise_for_status=False) as stream:
        assert (stream.status_code, stream.json()) == (404, {"detail": "Not Found"})
    with pytest.raises(HttpStatusError, match="404"):
        client.stream("app", function_url("/nowhere")).open()


def test_an_exception_in_mid_stream_reaches_the_caller_as_it_was_raised(client: StreamClient) -> None:
    received: list[str] = []
    with pytest.raises(FunctionError, match="in the middle") as caught:
        received.extend(client.stream("app", function_url("/breaks")))
    assert received == ["begun "]
    assert caught.value.error_type == "ZeroDivisionError"
    assert any("app.py" in line for line in caught.value.stack_trace or ())


def test_a_crash_in_mid_stream_is_never_taken_for_the_end(client: StreamClient, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    chunks = iter(client.stream("app", function_url("/crashes", query=f"gate={gate.path}")))
    assert next(chunks) == "begun "
    gate.open()
    with pytest.raises((TruncatedStreamError, FunctionError)):
        next(chunks)


def test_without_an_offer_the_response_is_plain(client: StreamClient) -> None:
    with client.stream("app", function_url("/words"), verified="off") as stream:
        assert stream.text() == "größe 数据 🙂"
    assert not stream.result.verified
