"""Bedrock behind a handler, with real boto3 on a loopback Bedrock."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from streamify_client import FunctionError, HttpStatusError, StreamClient
from streamify_server.local import LocalLambda
from support.bedrock_server import answers, ends_after, fails_after, refuses, stalls_after
from support.wire_server import Peer, WireServer

from .conftest import RECIPES

Behave = Callable[[Peer], None]


def environment(server: WireServer) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_MAX_ATTEMPTS": "1",
    }


def add(aws: LocalLambda, handler: str, server: WireServer, silence: float = 20) -> None:
    aws.add_function(
        "bedrock",
        handler=f"bedrock.{handler}",
        code=RECIPES,
        timeout=30,
        memory_size=512,
        environment={**environment(server), "SILENCE": str(silence)},
    )


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as client:
        yield client


def test_the_text_arrives_word_by_word(aws: LocalLambda, client: StreamClient) -> None:
    with WireServer(answers("größe ", "数据")) as server:
        add(aws, "text", server)
        assert list(client.stream("bedrock", {"prompt": "hi"})) == ["größe ", "数据"]


def test_an_error_of_bedrocks_is_the_streams_error(aws: LocalLambda, client: StreamClient) -> None:
    words: list[str] = []
    with WireServer(fails_after("begun")) as server:
        add(aws, "text", server)
        stream = client.stream("bedrock", {"prompt": "hi"})
        with pytest.raises(FunctionError, match="the model gave up"):
            words.extend(stream)
    assert words == ["begun"]


def test_events_end_with_the_reason(aws: LocalLambda, client: StreamClient) -> None:
    with WireServer(answers("one ", "two")) as server:
        add(aws, "events", server)
        url = aws.function_url("bedrock", invoke_mode="RESPONSE_STREAM")
        with client.stream(url, query={"prompt": "hi"}) as stream:
            told = [(event.event, json.loads(event.data)) for event in stream.iter_sse()]
    assert told == [
        ("delta", {"text": "one "}),
        ("delta", {"text": "two"}),
        ("done", {"reason": "end_turn"}),
    ]


def test_an_error_in_mid_stream_is_an_event_and_raises(aws: LocalLambda, client: StreamClient) -> None:
    told: list[str | None] = []
    with WireServer(fails_after("begun")) as server:
        add(aws, "events", server)
        url = aws.function_url("bedrock", invoke_mode="RESPONSE_STREAM")
        stream = client.stream(url, query={"prompt": "hi"})
        with stream, pytest.raises(FunctionError, match="the model gave up"):
            told.extend(event.event for event in stream.iter_sse())
    assert told == ["delta", "error"]


@pytest.mark.parametrize("upset", [ends_after("begun"), stalls_after("begun")], ids=["ends", "stalls"])
@pytest.mark.parametrize("verified", ["auto", "off"])
def test_an_answer_without_its_end_is_never_a_quiet_end(
    aws: LocalLambda, client: StreamClient, upset: Behave, verified: Literal["auto", "off"]
) -> None:
    told: list[str | None] = []
    with WireServer(upset) as server:
        add(aws, "events", server, silence=0.5)
        url = aws.function_url("bedrock", invoke_mode="RESPONSE_STREAM")
        raises = pytest.raises(FunctionError) if verified == "auto" else contextlib.nullcontext()
        stream = client.stream(url, query={"prompt": "hi"}, verified=verified)
        with stream, raises:
            told.extend(event.event for event in stream.iter_sse())
    assert told == ["delta", "error"]


@pytest.mark.parametrize(
    ("upset", "says"),
    [
        (ends_after("begun"), "ended without messageStop"),
        (stalls_after("begun"), "Read timed out"),
        (refuses("429 Too Many Requests", "ThrottlingException"), "ThrottlingException"),
        (refuses("403 Forbidden", "AccessDeniedException"), "AccessDeniedException"),
    ],
    ids=["ends", "stalls", "throttles", "refuses"],
)
def test_text_without_its_end_is_an_error(
    aws: LocalLambda, client: StreamClient, upset: Behave, says: str
) -> None:
    with WireServer(upset) as server:
        add(aws, "text", server, silence=0.5)
        with pytest.raises(FunctionError, match=says):
            client.stream("bedrock", {"prompt": "hi"}).read()


@pytest.mark.parametrize(
    ("status", "kind", "seen"),
    [
        ("429 Too Many Requests", "ThrottlingException", 429),
        ("403 Forbidden", "AccessDeniedException", 502),
    ],
)
def test_a_refusal_is_a_status(
    aws: LocalLambda, client: StreamClient, status: str, kind: str, seen: int
) -> None:
    with WireServer(refuses(status, kind)) as server:
        add(aws, "events", server)
        url = aws.function_url("bedrock", invoke_mode="RESPONSE_STREAM")
        with pytest.raises(HttpStatusError) as refused:
            client.stream(url, query={"prompt": "hi"}).open()
    assert refused.value.status_code == seen


def test_an_answer_is_given_up_before_the_functions_time_is(aws: LocalLambda, client: StreamClient) -> None:
    told: list[str | None] = []
    with WireServer(answers(*["word "] * 3)) as server:
        add(aws, "events", server, silence=30)  # one more silence would not fit
        url = aws.function_url("bedrock", invoke_mode="RESPONSE_STREAM")
        stream = client.stream(url, query={"prompt": "hi"})
        with stream, pytest.raises(FunctionError, match="time is up"):
            told.extend(event.event for event in stream.iter_sse())
    assert told[-1] == "error"
