"""Canned streams: the real decoder on real frames, for clients of both kinds and raw ones."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from streamify_client import (
    ConfigurationError,
    ConnectError,
    CorruptStreamError,
    FunctionError,
    FunctionNotFoundError,
    HttpStatusError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from streamify_client.testing import (
    Answer,
    Call,
    FakeLambda,
    FunctionFailure,
    Refusal,
    Silence,
    Stream,
    Unreachable,
)
from support.boto_models import tenant
from support.clients import aiobotocore_client, boto_client


def describe(answer: Any) -> str:
    """A short name for a test."""
    return f"{type(answer).__name__}-{getattr(answer, 'fault', '')}-{getattr(answer, 'verified', '')}"


class Reader:
    """Reads a stream with either kind of client."""

    def __init__(self, asynchronous: bool) -> None:
        self.fake = FakeLambda()
        self._asynchronous = asynchronous

    async def read(self, function: str, payload: Any = None, **options: Any) -> tuple[list[bytes], Any]:
        """Return the chunks and the stream."""
        chunks: list[bytes] = []
        if self._asynchronous:
            async with (
                self.fake.async_client() as client,
                client.stream(function, payload, **options) as stream,
            ):
                async for chunk in stream.iter_bytes():
                    chunks.append(chunk)  # noqa: PERF401
                return chunks, stream
        with self.fake.client() as blocking, blocking.stream(function, payload, **options) as open_stream:
            chunks.extend(open_stream.iter_bytes())
            return chunks, open_stream


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def reader(request: pytest.FixtureRequest) -> Reader:
    return Reader(request.param)


async def test_a_canned_stream_is_read_chunk_by_chunk(reader: Reader) -> None:
    reader.fake.on("fn", Stream(["a", b"b"], content_type="text/plain"))
    chunks, stream = await reader.read("fn")
    assert chunks == [b"a", b"b"]
    assert (stream.content_type, stream.status_code) == ("text/plain", 200)
    assert (stream.result.verified, stream.result.bytes_received) == (False, 2)


async def test_chunks_are_asked_for_one_by_one() -> None:
    asked = []

    def chunks() -> Iterator[str]:
        for text in ("a", "b"):
            asked.append(text)
            yield text

    fake = FakeLambda()
    fake.on("fn", Stream(chunks()))
    with fake.client() as client:
        texts = iter(client.stream("fn"))
        assert (next(texts), asked) == ("a", ["a"])
        assert (next(texts), asked) == ("b", ["a", "b"])
        assert next(texts, None) is None


async def test_an_http_response(reader: Reader) -> None:
    reader.fake.on("fn", Stream("made", status_code=201, headers={"X-A": "b"}, cookies=("c=1",)))
    chunks, stream = await reader.read("fn")
    assert (chunks, stream.status_code, stream.headers["x-a"], stream.cookies) == (
        [b"made"],
        201,
        "b",
        ("c=1",),
    )


@pytest.mark.parametrize("http", [False, True])
async def test_a_verified_stream(reader: Reader, http: bool) -> None:
    reader.fake.on(
        "fn", Stream(["a"], content_type="text/csv", verified=True, status_code=200 if http else None)
    )
    chunks, stream = await reader.read("fn", verified="require")
    assert (chunks, stream.content_type, stream.result.verified) == ([b"a"], "text/csv", True)
    _, stream = await reader.read("fn", verified="off")
    assert not stream.result.verified


async def test_the_log_tail_comes_when_it_is_asked_for(reader: Reader) -> None:
    reader.fake.on("fn", Stream("a", log_tail="REPORT"))
    assert (await reader.read("fn", log_tail=True))[1].result.log_tail == "REPORT"
    assert (await reader.read("fn"))[1].result.log_tail is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Stream("a", fault="truncated"), TruncatedStreamError),
        (Stream("a", fault="cut"), TruncatedStreamError),
        (Stream("a", fault="corrupt"), CorruptStreamError),
        (Stream("a", fault="stall"), StreamTimeoutError),
        (Stream("a", fault="truncated", verified=True), TruncatedStreamError),
        (Stream("a", error=FunctionFailure()), FunctionError),
        (Stream("a", error=FunctionFailure(), verified=True), FunctionError),
        (Stream("gone", status_code=404), HttpStatusError),
        (Refusal("TooManyRequestsException", 429, "later", retry_after=0), ThrottledError),
        (Refusal("ResourceNotFoundException", 404), FunctionNotFoundError),
        (Unreachable(), ConnectError),
        (Silence(), StreamTimeoutError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or describe(value),
)
async def test_each_fault_is_its_error(reader: Reader, answer: Answer, error: type[StreamifyError]) -> None:
    reader.fake.on("fn", answer)
    with pytest.raises(error) as caught:
        await reader.read("fn", idle_timeout=7, first_byte_timeout=8)
    if isinstance(caught.value, StreamTimeoutError):
        expected = ("first_byte", 8) if isinstance(answer, Silence) else ("idle", 7)
        assert (caught.value.phase, caught.value.limit) == expected


async def test_a_failure_says_what_the_function_raised(reader: Reader) -> None:
    reader.fake.on(
        "fn", Stream("a", error=FunctionFailure("KeyError", "'x'", ("line 1",), "Function.KeyError"))
    )
    with pytest.raises(FunctionError) as caught:
        await reader.read("fn")
    error = caught.value
    assert (error.error_type, error.error_message, error.code) == ("KeyError", "'x'", "Function.KeyError")
    assert (error.stack_trace, error.bytes_received) == (("line 1",), 1)


async def test_answers_come_one_after_the_other_and_the_last_again(reader: Reader) -> None:
    reader.fake.on("fn", Stream("1"), Stream("2"))
    assert [(await reader.read("fn"))[0] for _ in range(3)] == [[b"1"], [b"2"], [b"2"]]


async def test_an_answer_can_depend_on_the_call(reader: Reader) -> None:
    reader.fake.on("fn", lambda call: Stream(f"got {call.payload}"))
    assert (await reader.read("fn", {"a": 1}))[0] == [b"got {'a': 1}"]


async def test_the_calls_are_remembered(reader: Reader) -> None:
    reader.fake.on("my fn:1", Stream())
    await reader.read(
        "my fn:1", [1], qualifier="live", log_tail=True, client_context={"env": {"a": "b"}}, **tenant
    )
    context = {"env": {"a": "b"}, "custom": {"streamify": "verified/1, continue/1"}}
    assert reader.fake.calls == [Call("my fn:1", [1], "live", context, tenant.get("tenant_id"), True)]


async def test_an_unknown_function_is_not_found(reader: Reader) -> None:
    with pytest.raises(FunctionNotFoundError, match="nope"):
        await reader.read("nope")


def test_an_answer_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="needs an answer"):
        FakeLambda().on("fn")


def test_raw_boto3_is_answered_too_until_it_is_detached() -> None:
    fake = FakeLambda()
    fake.on("fn", Stream(["a", "b"]))
    boto = boto_client("http://127.0.0.1:9")
    detach = fake.attach(boto)
    events = list(boto.invoke_with_response_stream(FunctionName="fn")["EventStream"])
    assert [event["PayloadChunk"]["Payload"] for event in events[:-1]] == [b"a", b"b"]
    assert events[-1] == {"InvokeComplete": {}}
    detach()
    with pytest.raises(Exception, match="Could not connect"):
        boto.invoke_with_response_stream(FunctionName="fn")
    boto.close()


async def test_raw_aiobotocore_is_answered_too() -> None:
    fake = FakeLambda()
    fake.on("fn", Stream(["a"]))
    async with aiobotocore_client("http://127.0.0.1:9") as client:
        fake.attach(client)
        response = await client.invoke_with_response_stream(FunctionName="fn")
        events = [event async for event in response["EventStream"]]
    assert events == [{"PayloadChunk": {"Payload": b"a"}}, {"InvokeComplete": {}}]


def test_everything_public_has_a_docstring() -> None:
    for kind in (FakeLambda, Stream, FunctionFailure, Refusal, Unreachable, Silence, Call):
        assert inspect.getdoc(kind)
