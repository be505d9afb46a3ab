"""The example functions that go with the templates, run by LocalLambda and read by the client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import StreamClient
from streamify_server.local import LocalLambda
from support.http_events import function_url, rest_api
from support.layer import build_layer

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLambda]:
    """Every example, started from the layer as its template says."""
    layer = build_layer(tmp_path_factory.mktemp("layer") / "layer.zip")
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}
    with LocalLambda() as aws:
        for folder in (
            "deploy/sdk",
            "deploy/function_url",
            "deploy/api_gateway",
            "deploy/cloudfront",
            "asgi",
        ):
            aws.add_function(
                Path(folder).name,
                handler="app.handler",
                code=EXAMPLES / folder,
                layers=[layer],
                environment=wrapper,
                timeout=30,
            )
        yield aws


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as client:
        yield client


def test_the_sdk_example_streams_word_by_word(client: StreamClient) -> None:
    assert list(client.stream("sdk", {"prompt": "to be or not"})) == ["to ", "be ", "or ", "not "]


def test_the_function_url_example_streams_a_table(client: StreamClient) -> None:
    event = function_url() | {"queryStringParameters": {"rows": "2"}}
    with client.stream("function_url", event) as stream:
        assert (stream.status_code, stream.content_type) == (200, "text/csv")
        assert stream.text() == "row,square\r\n0,0\r\n1,1\r\n"


def test_the_function_url_example_refuses_what_is_no_number(client: StreamClient) -> None:
    event = function_url() | {"queryStringParameters": {"rows": "many"}}
    with client.stream("function_url", event, raise_for_status=False) as stream:
        assert (stream.status_code, stream.text()) == (400, "rows= takes a number\n")


def test_the_api_gateway_example_streams_events(client: StreamClient) -> None:
    with client.stream("api_gateway", rest_api("/events")) as stream:
        assert (stream.status_code, stream.content_type) == (200, "text/event-stream")
        assert stream.text().count("event: tick\n") == 3


def test_the_cloudfront_example_streams_a_page_and_escapes_what_it_was_given(client: StreamClient) -> None:
    event = function_url() | {"queryStringParameters": {"name": "<script>"}}
    with client.stream("cloudfront", event) as stream:
        assert stream.content_type == "text/html; charset=utf-8"
        assert "<h1>Hello, &lt;script&gt;</h1>" in stream.text()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (function_url("/"), "Streaming responses reach the reader while they are being written. "),
        (function_url("/events", query="count=1"), "event: tick\nid: 0\ndata: 0\n\n"),
    ],
)
def test_the_fastapi_example_streams(client: StreamClient, event: Any, expected: str) -> None:
    with client.stream("asgi", event) as stream:
        assert (stream.status_code, stream.text()) == (200, expected)
