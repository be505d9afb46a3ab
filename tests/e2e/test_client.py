"""The client over the whole wire: boto3 and aiobotocore, LocalLambda, and function processes that stream."""

import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from streamify_client import (
    AsyncStreamClient,
    FunctionError,
    FunctionNotFoundError,
    HttpStatusError,
    StreamClient,
    StreamError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
)
from streamify_server.local import Fault, LocalLambda
from support.local import Gate

FUNCTIONS = Path(__file__).parent / "functions"


def add_functions(aws: LocalLambda) -> None:
    aws.add_function("fn", handler="client_cases.handler", code=FUNCTIONS, timeout=30)
    aws.add_function("short", handler="client_cases.handler", code=FUNCTIONS, timeout=1)
    aws.add_function("async", handler="client_cases.asynchronous", code=FUNCTIONS, timeout=30)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as running:
        add_functions(running)
        yield running


@pytest.fixture(scope="module")
def documented() -> Iterator[LocalLambda]:
    with LocalLambda(stream_errors="documented") as running:
        add_functions(running)
        yield running


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as made:
        yield made


@pytest.fixture
async def async_client(aws: LocalLambda) -> AsyncIterator[AsyncStreamClient]:
    async with AsyncStreamClient(**aws.client_kwargs) as made:
        yield made


def case(name: str, *chunks: str, **fields: Any) -> dict[str, Any]:
    return {"case": name, "chunks": list(chunks), **fields}


@pytest.mark.parametrize("verified", ["auto", "off", "require"])
def test_what_a_handler_yields_arrives(client: StreamClient, verified: Any) -> None:
    stream = client.stream("fn", case("chunks", "a", "☃", "b"), verified=verified)
    assert stream.text() == "a☃b"
    assert stream.content_type == "text/plain; charset=utf-8"
    assert stream.result.verified is (verified != "off")


def test_the_chunks_of_a_verified_stream_are_the_handlers_own(client: StreamClient) -> None:
    stream = client.stream("fn", case("chunks", "a", "bc", "", "d"), verified="require")
    assert list(stream.iter_bytes()) == [b"a", b"bc", b"d"]
    assert stream.result.chunks == 3


async def test_an_async_handler_and_an_async_client(async_client: AsyncStreamClient) -> None:
    stream = async_client.stream("async", {"chunks": ["a", "b"]}, verified="require")
    assert [text async for text in stream] == ["a", "b"]
    assert stream.result.verified


@pytest.mark.parametrize("verified", ["auto", "off"])
def test_the_first_chunk_is_there_before_the_handler_yields_its_second(
    client: StreamClient, verified: Any, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    chunks = iter(client.stream("fn", case("gated", gate=gate.path), verified=verified))
    assert next(chunks) == "first"
    gate.open()
    assert list(chunks) == ["second"]


async def test_the_first_chunk_is_there_by_asyncio_too(
    async_client: AsyncStreamClient, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    chunks = async_client.stream("fn", case("gated", gate=gate.path)).iter_text()
    assert await anext(chunks) == "first"
    gate.open()
    assert [chunk async for chunk in chunks] == ["second"]


def test_an_http_response_arrives_with_status_headers_and_cookies(client: StreamClient) -> None:
    with client.stream("fn", case("http", "a,b\n", "1,2\n", status=201)) as stream:
        assert (stream.status_code, stream.content_type) == (201, "text/csv")
        assert (stream.headers["X-Rows"], stream.cookies) == ("2", ("a=1; Path=/", "b=2"))
        assert stream.text() == "a,b\n1,2\n"


def test_an_http_error_is_raised_with_its_body(client: StreamClient) -> None:
    with pytest.raises(HttpStatusError) as caught:
        client.stream("fn", case("http", "no such report", status=404)).open()
    assert (caught.value.status_code, caught.value.body) == (404, b"no such report")


def test_the_function_sees_the_call_as_its_caller_made_it(client: StreamClient) -> None:
    own = {"custom": {"tenant": "t"}}
    assert client.stream("fn", case("told", payload=1)).text() == repr((1, None, "$LATEST"))
    assert client.stream("fn", case("told", payload="☃"), client_context=own).text() == repr(
        ("☃", {"tenant": "t"}, "$LATEST")
    )


def failed(
    client: StreamClient, error: type[StreamifyError], *arguments: Any, **options: Any
) -> tuple[str, Any]:
    """Read until the error; return what was yielded before it, and the error."""
    texts: list[str] = []
    with pytest.raises(error) as caught:
        texts.extend(client.stream(*arguments, **options))
    return "".join(texts), caught.value


def test_a_handler_that_raises_in_mid_stream_is_a_function_error(client: StreamClient) -> None:
    text, error = failed(client, FunctionError, "fn", case("fails", "some"))
    assert (text, error.error_type, error.error_message) == ("some", "LookupError", "no such row")
    assert any("client_cases.py" in line for line in error.stack_trace)
    assert error.request_id


def test_a_handler_that_raises_before_its_first_chunk_is_a_function_error(client: StreamClient) -> None:
    text, error = failed(client, FunctionError, "fn", case("fails"))
    assert (text, error.error_type) == ("", "LookupError")


def test_without_verification_the_documented_error_is_told(documented: LocalLambda) -> None:
    with StreamClient(**documented.client_kwargs, verified="off") as client:
        text, error = failed(client, FunctionError, "fn", case("fails", "some"))
    assert (text, error.error_message) == ("some", "no such row")
    assert error.code == "Function.LookupError"


def test_without_verification_the_observed_end_tells_nothing(client: StreamClient) -> None:
    """What AWS was seen to do; the log tail or a verified stream is the way to know."""
    assert client.stream("fn", case("fails", "some"), verified="off").text() == "some"


def test_a_process_that_dies_is_a_truncated_stream(client: StreamClient) -> None:
    text, _ = failed(client, StreamError, "fn", case("dies", "some"))
    assert text == "some"


def test_a_function_that_times_out_is_an_error(client: StreamClient) -> None:
    text, _ = failed(client, StreamifyError, "short", case("hangs", "some"))
    assert text == "some"


def test_the_log_tail_tells_of_a_failure_that_lambda_called_complete(client: StreamClient) -> None:
    text, error = failed(client, FunctionError, "short", case("hangs", "some"), log_tail=True, verified="off")
    assert text == "some"
    assert "Status: error" in error.log_tail  # by the handler's own deadline, shortly before Lambda's


def test_the_log_tail_is_in_the_result(client: StreamClient) -> None:
    stream = client.stream("fn", case("chunks", "a"), log_tail=True)
    stream.read()
    assert stream.result.log_tail is not None
    assert "REPORT" in stream.result.log_tail


def test_an_unknown_function_is_named(client: StreamClient) -> None:
    with pytest.raises(FunctionNotFoundError, match="nope") as caught:
        client.stream("nope").open()
    assert "function:nope" in str(caught.value)


@pytest.mark.parametrize(
    ("handler", "says"), [("client_cases.nothing", "nothing"), ("no_module.handler", "no_module")]
)
def test_a_handler_that_does_not_resolve_says_which_and_why(
    documented: LocalLambda, handler: str, says: str
) -> None:
    documented.add_function("broken", handler=handler, code=FUNCTIONS)
    with StreamClient(**documented.client_kwargs) as client:
        _, error = failed(client, FunctionError, "broken", {})
    assert says in str(error)


def test_an_idle_gap_is_a_timeout_of_ours(client: StreamClient, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    text, error = failed(client, StreamTimeoutError, "fn", case("gated", gate=gate.path), idle_timeout=0.3)
    assert (text, error.phase, error.bytes_received) == ("first", "idle", 5)
    gate.open()


def test_throttles_are_waited_out(aws: LocalLambda, client: StreamClient) -> None:
    aws.inject("fn", Fault(error="TooManyRequestsException"), times=1)
    stream = client.stream("fn", case("chunks", "a"))
    assert stream.text() == "a"
    assert stream.result.attempts.count == 2
    aws.inject("fn", Fault(error="TooManyRequestsException"), times=3)
    with pytest.raises(ThrottledError):
        client.stream("fn", case("chunks", "a")).read()


def test_connections_are_reused(aws: LocalLambda, client: StreamClient) -> None:
    for n in range(5):
        assert client.stream("fn", case("chunks", str(n))).text() == str(n)


def test_many_streams_at_once(client: StreamClient) -> None:
    with ThreadPoolExecutor(4) as threads:
        texts = list(threads.map(lambda n: client.stream("fn", case("chunks", str(n))).text(), range(8)))
    assert texts == [str(n) for n in range(8)]


def test_cancel_wakes_a_reader(client: StreamClient, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    stream = client.stream("fn", case("gated", gate=gate.path)).open()
    chunks = iter(stream)
    assert next(chunks) == "first"
    canceller = threading.Thread(target=stream.cancel)
    canceller.start()
    with pytest.raises(StreamifyError, match="cancelled"):
        next(chunks)
    canceller.join()
    gate.open()


def test_a_file_is_whole_or_not_there(client: StreamClient, tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    with pytest.raises(FunctionError):
        client.stream_to_file("fn", case("fails", "a,b\n"), target)
    assert list(tmp_path.iterdir()) == []
    result = client.stream_to_file("fn", case("chunks", "a,b\n", "1,2\n"), target)
    assert (target.read_text(), result.verified) == ("a,b\n1,2\n", True)


MEASURED = """
import json, resource, sys
from streamify_client import StreamClient
options, path = json.loads(sys.argv[1]), sys.argv[2]
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with StreamClient(**options) as client:
    client.stream_to_file("fn", {"case": "zeros", "megabytes": 2}, path)
    before = peak()
    result = client.stream_to_file("fn", {"case": "zeros", "megabytes": 200}, path)
print(result.bytes_received, peak() - before)
"""


def test_200_megabytes_do_not_grow_the_client(aws: LocalLambda, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", MEASURED, json.dumps(aws.client_kwargs), str(tmp_path / "zeros")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    received, grown = map(int, done.stdout.split())
    assert received == 200 * 1024 * 1024
    assert grown < 32 * 1024, "KiB"
