"""Bedrock behind a handler, with real boto3 on a loopback Bedrock."""

import json
from collections.abc import Callable, Iterator

import pytest

from streamify_client import FunctionError, HttpStatusError, StreamClient
from streamify_server.local import LocalLambda
from support.bedrock_server import answers, fails_after, throttles
from support.wire_server import WireServer

from .conftest import RECIPES

Bedrock = Callable[[WireServer], StreamClient]


def environment(server: WireServer) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_MAX_ATTEMPTS": "1",
    }


def add(aws: LocalLambda, handler: str, server: WireServer) -> None:
    aws.add_function(
        "bedrock",
        handler=f"bedrock.{handler}",
        code=RECIPES,
        timeout=30,
        memory_size=512,
        environment=environment(server),
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


def test_a_throttle_is_a_status(aws: LocalLambda, client: StreamClient) -> None:
    with WireServer(throttles) as server:
        add(aws, "events", server)
        url = aws.function_url("bedrock", invoke_mode="RESPONSE_STREAM")
        with pytest.raises(HttpStatusError) as refused:
            client.stream(url, query={"prompt": "hi"}).open()
    assert refused.value.status_code == 429
