"""The example functions that go with the templates, run by LocalLambda, each behind its own front."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from streamify_client import StreamClient
from streamify_server.local import LocalLambda
from support.layer import build_layer

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLambda]:
    """Every example, started from the layer as its template says."""
    layer = build_layer(tmp_path_factory.mktemp("layer") / "layer.zip")
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}  # LocalLambda has no managed runtime
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


def fetched(url: str, **params: str) -> httpx2.Response:
    return httpx2.get(url, params=params, timeout=30)


def test_the_function_url_example_streams_a_table(aws: LocalLambda) -> None:
    answer = fetched(aws.function_url("function_url", invoke_mode="RESPONSE_STREAM"), rows="2")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv")
    assert answer.text == "row,square\r\n0,0\r\n1,1\r\n"


def test_the_function_url_example_refuses_what_is_no_number(aws: LocalLambda) -> None:
    answer = fetched(aws.function_url("function_url", invoke_mode="RESPONSE_STREAM"), rows="many")
    assert (answer.status_code, answer.text) == (400, "rows= takes a number\n")


def test_the_api_gateway_example_streams_events(aws: LocalLambda) -> None:
    answer = fetched(aws.rest_api("api_gateway", response_transfer_mode="STREAM"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.text.count("event: tick\n") == 3


def test_the_cloudfront_example_streams_a_page_and_escapes_what_it_was_given(aws: LocalLambda) -> None:
    answer = fetched(aws.function_url("cloudfront", invoke_mode="RESPONSE_STREAM"), name="<script>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Hello, &lt;script&gt;</h1>" in answer.text


def test_the_fastapi_example_streams(aws: LocalLambda) -> None:
    url = aws.function_url("asgi", invoke_mode="RESPONSE_STREAM")
    assert fetched(url).text == "Streaming responses reach the reader while they are being written. "
    assert fetched(url + "events", count="1").text == "event: tick\nid: 0\ndata: 0\n\n"
