"""Which part of a stream an invocation is: read from whatever a caller sends, and only ever shown."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local import LocalLambda
from streamify_server.local.stream_parts import StreamPart, part_of, part_of_context
from streamify_server.wire.token import Binding, Token, seal
from support.local import add_steps, boto3_client, invoke

STREAM = "00000001-5b0d-4c8e-9a59-0d6f3b1c7e42"


def token(stream: str = STREAM, part: int = 2, keys: list[bytes] | None = None) -> str:
    return seal(Token(stream, part, 40, 1_780_000_000.0, "7"), Binding("", None, b""), keys or [])


@pytest.mark.parametrize("keys", [None, [b"a key that LocalLambda does not know"]])
def test_a_token_says_which_part_it_begins_whoever_signed_it(keys: list[bytes] | None) -> None:
    assert part_of(token(part=7, keys=keys)) == StreamPart(7, STREAM)
    context = json.dumps({"custom": {"streamify-state": token(part=7, keys=keys)}})
    assert part_of_context(context) == StreamPart(7, STREAM)


@pytest.mark.parametrize("stream", ["", "\x1b[2J", "a b", "<b>", "x" * 65])
def test_a_stream_whose_name_is_no_request_id_is_not_shown(stream: str) -> None:
    assert part_of(token(stream)) is None


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()))
def test_what_is_no_token_is_no_part(text: str) -> None:
    assert part_of(text) is None


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["custom", "streamify-state"]), inner),
)


@given(JSON)
def test_any_client_context_is_read(value: object) -> None:
    assert part_of_context(json.dumps(value)) is None


def test_a_client_context_that_is_nested_too_deeply_is_refused() -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        client = boto3_client(aws)
        context = base64.b64encode(b"[" * 2600).decode()
        with pytest.raises(client.exceptions.InvalidRequestContentException, match="valid Base64"):
            invoke(client, ClientContext=context)
        client.close()
