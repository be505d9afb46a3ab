"""The client context: the caller's own stays; the offer and the trace context fit in or stay out."""

import base64
import json
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext

from streamify_client import ConfigurationError
from streamify_client.request.client_context import MAX_BYTES, encode_client_context, with_token, with_trace
from streamify_client.wire.verified import LARGEST_TOKEN

VERIFIED = ("verified/1",)
BOTH = ("verified/1", "continue/1")


def decode(text: str | None) -> Any:
    assert text is not None
    return json.loads(base64.b64decode(text))


def test_without_anything_to_say_there_is_no_context() -> None:
    assert encode_client_context(None, offer=()) is None


def test_the_offer_joins_the_callers_own_context() -> None:
    own = {"custom": {"tenant": "t"}, "env": {"a": "b"}}
    assert decode(encode_client_context(own, offer=VERIFIED)) == {
        "custom": {"tenant": "t", "streamify": "verified/1"},
        "env": {"a": "b"},
    }
    assert own["custom"] == {"tenant": "t"}


def test_a_context_as_boto3_takes_it_is_understood() -> None:
    text = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
    assert decode(encode_client_context(text, offer=VERIFIED))["custom"] == {
        "a": "b",
        "streamify": "verified/1",
    }


@pytest.mark.parametrize("own", [{"custom": {"streamify": "mine"}}, {"custom": "text"}])
def test_the_offer_replaces_nothing(own: Any) -> None:
    assert decode(encode_client_context(own, offer=VERIFIED)) == own
    with pytest.raises(ConfigurationError, match="verified='require'"):
        encode_client_context(own, offer=VERIFIED, offer_required=True)


def test_an_offer_that_does_not_fit_is_left_out() -> None:
    padding = (MAX_BYTES // 4 * 3) - len('{"custom":{"x":""}}')
    own = {"custom": {"x": "a" * padding}}
    encoded = encode_client_context(own, offer=VERIFIED)
    assert encoded is not None
    assert len(encoded) <= MAX_BYTES
    assert decode(encoded) == own
    with pytest.raises(ConfigurationError, match="too long"):
        encode_client_context(own, offer=VERIFIED, offer_required=True)


def test_a_context_that_is_too_long_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="3,583"):
        encode_client_context({"custom": {"x": "a" * 4000}}, offer=())


@pytest.mark.parametrize("own", ["no base64!", base64.b64encode(b"[1]").decode(), 7, {"a": object()}])
def test_a_context_that_is_no_json_object_is_refused(own: Any) -> None:
    with pytest.raises(ConfigurationError, match="client_context"):
        encode_client_context(own, offer=VERIFIED)


def with_trace_of(own: Any, trace: dict[str, str], offer: tuple[str, ...] = ()) -> str | None:
    return with_trace(encode_client_context(own, offer=offer), trace)


def test_the_trace_context_is_passed_on_in_w3c_and_in_custom() -> None:
    trace = {"traceparent": "00-1-2-01"}
    assert decode(with_trace_of(None, trace, VERIFIED)) == {
        "custom": {"streamify": "verified/1", "traceparent": "00-1-2-01"},
        "w3c": trace,
    }
    assert decode(with_trace_of(None, trace)) == {"custom": trace, "w3c": trace}


@pytest.mark.parametrize("own", [{"w3c": {"traceparent": "mine"}}, {"w3c": ""}])
def test_the_callers_own_trace_context_stays(own: dict[str, Any]) -> None:
    found = decode(with_trace_of(own, {"traceparent": "00-1-2-01"}))
    assert found["w3c"] == own["w3c"]
    mine = {"custom": {"traceparent": "mine"}}
    assert decode(with_trace_of(mine, {"traceparent": "00-1-2-01"})) == {
        **mine,
        "w3c": {"traceparent": "00-1-2-01"},
    }


@pytest.mark.parametrize(
    ("room", "left"),
    [
        (300, {"streamify", "w3c", "traceparent"}),
        (150, {"streamify", "w3c"}),
        (50, {"streamify"}),
        (20, set()),
    ],
)
def test_the_trace_context_gives_way_to_the_offer_where_there_is_no_room(room: int, left: set[str]) -> None:
    own = {"custom": {"x": "a" * (MAX_BYTES // 4 * 3 - room)}}
    found = decode(with_trace_of(own, {"traceparent": "0" * 55}, VERIFIED))
    assert {*found, *found["custom"]} - {"custom", "x"} == left


def test_awslambdaric_finds_the_trace_context() -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}
    sent = decode(with_trace_of({"custom": {"a": 1}}, trace, VERIFIED))
    assert LambdaContext("id", sent, None, 0).w3c() == trace


def test_a_stream_that_goes_on_is_offered_where_its_token_will_fit() -> None:
    encoded = encode_client_context({"custom": {"x": "a"}}, offer=BOTH)
    assert decode(encoded)["custom"]["streamify"] == "verified/1, continue/1"
    later = with_token(encoded, "t" * LARGEST_TOKEN)
    assert len(later) <= MAX_BYTES
    assert decode(later)["custom"] == {**decode(encoded)["custom"], "streamify-state": "t" * LARGEST_TOKEN}


@pytest.mark.parametrize(
    ("size", "offer", "traced"),
    [
        (100, "verified/1, continue/1", True),
        (1020, "verified/1, continue/1", False),
        (1100, "verified/1", True),
    ],
)
def test_the_trace_context_gives_way_to_a_stream_that_goes_on(size: int, offer: str, traced: bool) -> None:
    trace = {"traceparent": "0" * 55}
    found = decode(with_trace_of({"custom": {"x": "a" * size}}, trace, BOTH))
    assert found["custom"]["streamify"] == offer
    assert ("w3c" in found) is traced
