"""Both clients against a LocalLambda's Function URLs: streamed, buffered, signed, verified."""

from collections.abc import Iterator
from typing import Any

import pytest

from streamify_client import (
    AsyncStreamClient,
    CorruptStreamError,
    InvocationError,
    StreamClient,
)
from streamify_server.local import LocalLambda


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        aws.add_function("airports", handler="airports.handler", code="examples", timeout=30)
        yield aws


def test_a_stream_from_a_function_url_is_verified(aws: LocalLambda) -> None:
    url = aws.function_url("airports", invoke_mode="RESPONSE_STREAM")
    with StreamClient() as client:
        stream = client.stream(url, verified="require")
        with stream:
            assert stream.status_code == 200
            assert stream.content_type == "text/csv; charset=utf-8"
            lines = list(stream.iter_lines())
        plain = client.stream(url, verified="off")
        assert list(plain.iter_lines()) == lines
        frame = client.read_csv(url)
    assert (stream.result.verified, plain.result.verified) == (True, False)
    assert len(frame) == len(lines) - 1 > 0


async def test_a_stream_from_a_function_url_by_asyncio(aws: LocalLambda) -> None:
    url = aws.function_url("airports", invoke_mode="RESPONSE_STREAM")
    async with AsyncStreamClient() as client:
        stream = client.stream(url, verified="require")
        assert (await stream.text()).count("\n") > 1
        assert stream.result.verified


def test_a_url_in_buffered_mode_says_what_to_set(aws: LocalLambda) -> None:
    url = aws.function_url("airports", invoke_mode="BUFFERED")
    with StreamClient() as client, pytest.raises(CorruptStreamError, match="InvokeMode to RESPONSE_STREAM"):
        client.stream(url, verified="off").read()


def test_a_url_that_wants_a_signature_takes_ours(aws: LocalLambda) -> None:
    url = aws.function_url("airports", invoke_mode="RESPONSE_STREAM", auth_type="AWS_IAM")
    credentials: dict[str, Any] = {**aws.client_kwargs}
    credentials.pop("endpoint_url")
    with StreamClient(**credentials) as client:
        signed = client.stream(url, {"a": "ä"}, query={"q": ["a b", "ü"], "flag": ""}, auth="iam")
        assert signed.read()
        with pytest.raises(InvocationError, match=r"AccessDeniedException.*not signed"):
            client.stream(url).read()  # no Lambda host, so nothing is signed unasked
