"""Local Function URLs and REST APIs, read by the client: signed, verified, and broken on demand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import (
    CorruptStreamError,
    InvocationError,
    StreamClient,
    StreamTimeoutError,
    TruncatedStreamError,
)
from streamify_server.local import Fault, LocalLambda

APP = """
from streamify_server import HttpResponse, streaming_handler

@streaming_handler
def handler(event, context):
    method = event.get("httpMethod") or event["requestContext"]["http"]["method"]
    return HttpResponse(201, {"content-type": "text/plain", "x-method": method}, body=words())

def words():
    for word in ("größe ", "数据 ", "🙂"):
        yield word
"""
TEXT = "größe 数据 🙂"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLambda]:
    code: Path = tmp_path_factory.mktemp("code")
    (code / "app.py").write_text(APP, encoding="utf-8")
    with LocalLambda() as running:
        running.add_function("words", handler="app.handler", code=code, timeout=30)
        yield running


@pytest.fixture(scope="module")
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as made:
        yield made


@pytest.fixture(scope="module")
def url(aws: LocalLambda) -> str:
    return aws.function_url("words", invoke_mode="RESPONSE_STREAM")


@pytest.mark.parametrize("verified", ["auto", "off"])
def test_a_function_url_streams_status_headers_and_text(
    client: StreamClient, url: str, verified: Any
) -> None:
    with client.stream(url, {"a": 1}, verified=verified) as stream:
        assert stream.status_code == 201
        assert stream.headers["x-method"] == "POST"
        assert stream.text() == TEXT
        assert stream.result.verified is (verified == "auto")


def test_a_signed_client_is_let_in_and_an_unsigned_one_is_not(client: StreamClient, aws: LocalLambda) -> None:
    url = aws.function_url("words", invoke_mode="RESPONSE_STREAM", auth_type="AWS_IAM")
    with client.stream(f"{url}a/path?b=c d&a=é", auth="iam") as stream:
        assert stream.text() == TEXT
    with pytest.raises(InvocationError, match=r"AccessDeniedException.*not signed"):
        client.stream(url, auth="none").open()


def test_a_rest_api_streams_too(client: StreamClient, aws: LocalLambda) -> None:
    url = aws.rest_api("words", response_transfer_mode="STREAM")
    with client.stream(f"{url}any/path") as stream:
        assert stream.status_code == 201
        assert stream.text() == TEXT


BROKEN: dict[str, tuple[Fault, type[Exception]]] = {
    "closed": (Fault(cut_after=5), TruncatedStreamError),
    "reset": (Fault(cut_after=5, cut="rst"), TruncatedStreamError),
    "ended early, in good order": (Fault(cut_after=5, cut="clean"), TruncatedStreamError),
    "a flipped bit": (Fault(flip_bit=200), CorruptStreamError),
    "silence": (Fault(stall_after=5), StreamTimeoutError),
}


@pytest.mark.parametrize(("fault", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_a_verified_stream_over_http_never_ends_quietly(
    client: StreamClient, aws: LocalLambda, url: str, fault: Fault, error: type[Exception]
) -> None:
    aws.inject("words", fault, times=1)
    with pytest.raises(error):
        client.stream(url, idle_timeout=1, verified="require").text()


def test_a_throttle_is_waited_out_without_running_the_function_twice(
    client: StreamClient, aws: LocalLambda, url: str
) -> None:
    before = len(aws.invocations("words"))
    aws.inject("words", Fault(error="TooManyRequestsException", retry_after=0), times=1)
    assert client.stream(url).text() == TEXT
    assert len(aws.invocations("words")) == before + 1
