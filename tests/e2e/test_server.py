"""The server half over the whole wire: our client, LocalLambda, and real function processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import AsyncStreamClient, FunctionError, StreamClient
from streamify_server.local import LocalLambda
from support.local import boto3_client

FUNCTIONS = Path(__file__).parent / "functions"
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        aws.add_function("fn", handler="server_cases.handler", code=FUNCTIONS, timeout=60)
        aws.add_function("short", handler="server_cases.handler", code=FUNCTIONS, timeout=2)
        yield aws


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as client:
        yield client


@pytest.fixture
def unverified(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs, verified="off") as client:
        yield client


def test_a_stream_is_verified_and_its_chunks_keep_their_bounds(client: StreamClient) -> None:
    with client.stream("fn", {"do": "chunks", "chunks": ["a", "bb", "ccc"]}) as stream:
        assert list(stream.iter_bytes()) == [b"a", b"bb", b"ccc"]
        assert stream.content_type == "text/plain; charset=utf-8"
    assert stream.result is not None
    assert stream.result.verified


@pytest.mark.parametrize("do", ["fails_early", "fails_late"])
def test_an_error_reaches_the_caller_with_type_message_and_trace(client: StreamClient, do: str) -> None:
    with pytest.raises(FunctionError, match="nothing") as caught:
        client.stream("fn", {"do": do}).read()
    assert caught.value.error_type == "LookupError"
    assert "server_cases.py" in str(caught.value.stack_trace)


def test_the_deadline_reaches_the_caller_before_lambda_kills_the_function(client: StreamClient) -> None:
    received = client.stream("short", {"do": "sleeps"}).iter_text()
    assert next(received) == "first"
    with pytest.raises(FunctionError) as caught:
        next(received)
    assert caught.value.error_type == "DeadlineExceededError"


def test_http_and_writer_style_arrive_with_status_headers_and_cookies(client: StreamClient) -> None:
    with client.stream("fn", {"do": "http"}) as stream:
        assert (stream.status_code, stream.content_type, stream.cookies) == (201, "text/csv", ("a=1",))
        assert stream.text() == "a,b\n"
    with client.stream("fn", {"do": "writes"}) as stream:
        assert (stream.status_code, stream.text()) == (202, "012")


def test_raw_boto3_reads_the_same_stream(aws: LocalLambda) -> None:
    boto = boto3_client(aws)
    payload = b'{"do": "chunks", "chunks": ["a", "b"]}'
    events = list(boto.invoke_with_response_stream(FunctionName="fn", Payload=payload)["EventStream"])
    assert b"".join(event["PayloadChunk"]["Payload"] for event in events[:-1]) == b"ab"
    assert events[-1] == {"InvokeComplete": {}}
    boto.close()


@pytest.mark.parametrize("fixture", ["client", "unverified"])
def test_the_handler_never_sees_the_offer(fixture: str, request: pytest.FixtureRequest) -> None:
    client: StreamClient = request.getfixturevalue(fixture)
    mine: dict[str, Any] = {"custom": {"mine": 1}}
    assert client.stream("fn", {"do": "custom"}, client_context=mine).text() == "{'mine': 1}"
    assert client.stream("fn", {"do": "custom"}).text() == "None"


def test_a_caller_that_does_not_read_holds_the_handler_up(client: StreamClient, tmp_path: Path) -> None:
    """Backpressure end to end: what is made and not read fits into buffers on the way."""
    made = tmp_path / "made"
    chunks = 2000  # 125 MiB
    with client.stream("fn", {"do": "counts", "file": str(made), "chunks": chunks}) as stream:
        received = stream.iter_bytes()
        total = len(next(received))
        quarter = 0
        for chunk in received:
            total += len(chunk)
            if total >= chunks * 65536 // 4 and not quarter:
                quarter = made.stat().st_size
    assert total == chunks * 65536
    assert chunks // 4 <= quarter <= chunks // 4 + 300, "made when a quarter had been read"


def test_a_long_stream_keeps_the_memory_of_the_function_flat(client: StreamClient) -> None:
    client.stream("fn", {"do": "big", "megabytes": 4}).read()
    before = int(client.stream("fn", {"do": "memory"}).text())
    total = sum(len(chunk) for chunk in client.stream("fn", {"do": "big", "megabytes": 200}).iter_bytes())
    assert total == 200 * 1024 * 1024
    assert int(client.stream("fn", {"do": "memory"}).text()) - before < 32 * 1024 * 1024


def test_the_examples_of_the_docs_stream(aws: LocalLambda, client: StreamClient) -> None:
    for example in ("events", "writer"):
        aws.add_function(example, handler=f"{example}.handler", code=EXAMPLES, timeout=30)
    with client.stream("events") as stream:
        assert [event.json()["percent"] for event in stream.iter_sse()] == [0, 20, 40, 60, 80, 100]
    with client.stream("writer") as stream:
        assert stream.status_code == 200
        assert stream.text().splitlines()[0] == "# Sales"


@pytest.mark.parametrize("do", ["fails_early", "fails_late"])
def test_an_error_behind_a_function_url_reaches_the_caller_whole(aws: LocalLambda, do: str) -> None:
    """Also before the first byte, where others get a 502 that says nothing."""
    aws.add_function("url", handler="server_cases.by_path", code=FUNCTIONS, timeout=30)
    url = aws.function_url("url", invoke_mode="RESPONSE_STREAM")
    with StreamClient(**aws.client_kwargs) as client, pytest.raises(FunctionError, match="nothing") as caught:
        client.stream(url + do).read()
    assert caught.value.error_type == "LookupError"
    assert "server_cases.py" in str(caught.value.stack_trace)


async def test_an_error_behind_a_function_url_reaches_an_async_caller_whole(aws: LocalLambda) -> None:
    aws.add_function("async-url", handler="server_cases.by_path", code=FUNCTIONS, timeout=30)
    url = aws.function_url("async-url", invoke_mode="RESPONSE_STREAM")
    async with AsyncStreamClient(**aws.client_kwargs) as client:
        with pytest.raises(FunctionError, match="nothing there"):
            await client.stream(url + "fails_early").read()
