"""middy on AWS's Node runtime client as functions of LocalLambda, and ours, read by three clients.

In observed mode no failure is marked on the wire; in documented mode every failure is.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from interop.conftest import JavaScript
from streamify_client import FunctionError, StreamClient
from streamify_server.local import LocalLambda
from support.local import body_of, boto3_client, stream

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as made:
        yield made


@pytest.fixture(scope="module")
def boto(aws: LocalLambda) -> Iterator[Any]:
    made = boto3_client(aws)
    yield made
    made.close()


@pytest.fixture
def documented(request: pytest.FixtureRequest) -> bool:
    mode: str = request.node.callspec.params["aws"]
    return mode == "documented"


def read_everywhere(
    client: StreamClient, boto: Any, javascript: JavaScript, name: str, payload: Any
) -> list[bytes]:
    """What our client, boto3 and the JavaScript SDK get."""
    events = javascript("stream", name, payload)
    return [
        client.stream(name, payload).read(),
        body_of(stream(boto, name, json.dumps(payload).encode())),
        b"".join(base64.b64decode(event["chunk"]) for event in events if "chunk" in event),
    ]


def test_three_clients_read_a_string_of_middy(
    client: StreamClient, boto: Any, javascript: JavaScript
) -> None:
    payload = {"name": "Zoë", "more": 1024 * 1024}
    for got in read_everywhere(client, boto, javascript, "middy-string", payload):
        assert got == "Hello Zoë, ".encode() + b"x" * 1024 * 1024


def test_three_clients_read_a_stream_of_middy(
    client: StreamClient, boto: Any, javascript: JavaScript
) -> None:
    payload = {"chunks": ["one ", "word ", "at a time ", "日本"]}
    for got in read_everywhere(client, boto, javascript, "middy-stream", payload):
        assert got.decode() == "one word at a time 日本"


def test_three_clients_read_a_stream_of_ours(client: StreamClient, boto: Any, javascript: JavaScript) -> None:
    first, *others = read_everywhere(client, boto, javascript, "tokens", {"languages": ["עברית"]})
    assert first.decode().startswith("עברית: כל בני האדם")
    assert others == [first, first]


def test_our_client_takes_middys_prelude_off_and_the_others_see_it(
    client: StreamClient, boto: Any, javascript: JavaScript
) -> None:
    with client.stream("middy-http") as response:
        assert response.status_code == 201
        assert response.content_type == "text/csv"
        assert response.headers["x-rows"] == "2"
        assert list(response.iter_lines()) == ["a,b", "1,2", "3,4"]
    raw = body_of(stream(boto, "middy-http"))
    prelude, body = raw.split(bytes(8))
    assert json.loads(prelude)["statusCode"] == 201
    assert body == b"a,b\n1,2\n3,4\n"
    events = javascript("stream", "middy-http", {})
    assert b"".join(base64.b64decode(event["chunk"]) for event in events if "chunk" in event) == raw


@pytest.mark.parametrize(
    ("name", "before", "error_type"),
    [
        ("early", "", "TypeError"),
        ("late", "some rows\n", "Runtime.ExitError"),  # middy's process does not survive it
    ],
)
def test_a_failure_of_middy_is_marked_as_documented_and_hidden_as_observed(
    documented: bool,
    client: StreamClient,
    boto: Any,
    javascript: JavaScript,
    name: str,
    before: str,
    error_type: str,
) -> None:
    got: list[str] = []
    if documented:
        with pytest.raises(FunctionError) as caught:
            got.extend(client.stream(f"middy-{name}", {}))
        assert caught.value.error_type == error_type
    else:
        got.extend(client.stream(f"middy-{name}", {}))
    assert "".join(got) == before
    assert ("ErrorCode" in stream(boto, f"middy-{name}")[-1]["InvokeComplete"]) == documented
    *_, last = javascript("stream", f"middy-{name}", {})
    assert ("ErrorCode" in last["complete"]) == documented


def test_the_log_tells_of_a_failure_that_the_wire_hides(client: StreamClient) -> None:
    with pytest.raises(FunctionError):
        client.stream("middy-late", {}, log_tail=True).read()
