"""Verified streams, the server's side: the offer, the frames, and who gets neither."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.verified import End, HandlerError, Head, VerifiedDecoder
from streamify_server import HttpResponse, streaming_handler
from streamify_server.errors import ResponseRefusedError
from streamify_server.posting import posting_through
from streamify_server.testing import Context, Result
from support.answers import outcome
from support.posters import Poster

FRAMES = "application/vnd.streamify.eventstream"
URL_CONTEXT = {"http": {"method": "GET"}, "domainName": "abc.lambda-url.us-east-1.on.aws"}


def offering(**custom: Any) -> Context:
    """A context whose caller offers verified streams."""
    client_context = SimpleNamespace(custom={"streamify": "verified/1", **custom}, env=None, client=None)
    return Context(client_context=client_context)


def url_event(offer: str = "verified/1", method: str = "GET") -> dict[str, Any]:
    context = {**URL_CONTEXT, "http": {"method": method}}
    return {
        "version": "2.0",
        "headers": {"accept": "*/*", "Streamify-Accept": offer},
        "requestContext": context,
    }


def decoded(result: Result) -> list[Head | bytes | End | HandlerError | None]:
    """The head, the chunks and the last event."""
    decoder = VerifiedDecoder()
    chunks = [data for chunk in result.chunks for data in decoder.receive(chunk)]
    decoder.finish()
    return [decoder.head, *chunks, decoder.last]


def test_an_offer_in_the_client_context_is_answered_in_frames() -> None:
    result = outcome(streaming_handler(lambda event, context: iter(["one", "two"])), {}, offering())
    assert result.content_type == FRAMES
    assert decoded(result) == [
        Head("text/plain; charset=utf-8", None),
        b"one",
        b"two",
        End(6, 2),
    ]


def test_an_offer_in_a_header_is_answered_in_frames_behind_the_prelude() -> None:
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip", "Cache-Control": "max-age=9"}
    response = HttpResponse(200, {**headers, "Vary": "accept"}, body=["x"], cookies=["a=1"])
    result = outcome(streaming_handler(lambda event, context: response), url_event())
    assert result.status_code == 200
    assert result.cookies == ["a=1"]
    assert result.headers == {
        "content-type": FRAMES,
        "cache-control": "no-store",
        "Vary": "accept, streamify-accept",
    }
    assert decoded(result) == [Head("text/csv", "gzip"), b"x", End(1, 1)]


def test_without_an_offer_nothing_is_framed() -> None:
    assert outcome(streaming_handler(lambda event, context: "x"), {}).chunks == [b"x"]


@pytest.mark.parametrize("offer", ["verified/2", "", "nonsense"])
def test_an_unknown_offer_is_none(offer: str) -> None:
    assert outcome(streaming_handler(lambda event, context: "x"), url_event(offer)).chunks == [b"x"]


@pytest.mark.parametrize("offer", ["verified/1", "verified/2, verified/1"])
def test_one_known_offer_among_several_is_taken(offer: str) -> None:
    assert outcome(streaming_handler(lambda event, context: "x"), url_event(offer)).content_type == FRAMES


def test_the_handler_does_not_see_the_offer_in_the_context() -> None:
    seen: list[Any] = []
    handler = streaming_handler(lambda event, context: seen.append(context.client_context))
    outcome(handler, {}, offering())
    outcome(handler, {}, offering(mine=1))
    assert seen[0] is None
    assert seen[1].custom == {"mine": 1}


@pytest.mark.parametrize("runtime", [True, False], ids=["streaming runtime", "none"])
def test_the_handler_does_not_see_the_offer_in_the_event(runtime: bool) -> None:
    seen: list[Any] = []
    handler = streaming_handler(lambda event, context: seen.append(event))
    event = url_event()
    event["multiValueHeaders"] = {"streamify-accept": ["verified/1"], "accept": ["*/*"]}
    if runtime:
        outcome(handler, event)
    else:
        handler(event, Context())
    assert seen[0]["headers"] == {"accept": "*/*"}
    assert seen[0]["multiValueHeaders"] == {"accept": ["*/*"]}
    assert "Streamify-Accept" in event["headers"], "the event that came in is left as it was"


def test_an_error_in_mid_stream_is_an_error_frame_and_an_error() -> None:
    @streaming_handler
    def handler(event: Any, context: Any) -> Any:
        yield "one"
        raise ValueError("late")

    result = outcome(handler, {}, offering())
    *_, last = decoded(result)
    assert isinstance(last, HandlerError)
    assert (last.error_type, last.message) == ("ValueError", "late")
    assert "in handler" in last.stack_trace[-1]
    assert isinstance(result.error, ValueError)


def test_an_error_before_the_first_byte_is_told_in_frames_to_who_understands_them() -> None:
    def handler(event: Any, context: Any) -> Any:
        raise ValueError("early")

    result = outcome(streaming_handler(handler), {}, offering())
    head, error = decoded(result)
    assert head == Head(None, None)
    assert isinstance(error, HandlerError)
    assert error.message == "early"
    assert isinstance(result.error, ValueError)


def test_an_early_error_is_a_bad_gateway_with_frames_behind_a_function_url() -> None:
    def handler(event: Any, context: Any) -> Any:
        raise ValueError("early")

    result = outcome(streaming_handler(handler), url_event())
    assert result.status_code == 502
    assert result.headers["content-type"] == FRAMES
    assert isinstance(decoded(result)[1], HandlerError)


def test_an_early_error_is_a_plain_function_error_for_everybody_else() -> None:
    def handler(event: Any, context: Any) -> Any:
        raise ValueError("early")

    result = outcome(streaming_handler(handler), {})
    assert result.chunks == []
    assert result.content_type is None
    assert isinstance(result.error, ValueError)


@pytest.mark.parametrize("status", [100, 103, 204, 304])
def test_a_response_that_has_no_body_is_not_framed(status: int) -> None:
    result = outcome(streaming_handler(lambda event, context: HttpResponse(status)), url_event())
    assert result.headers == {}
    assert result.chunks == [b"\n"], "so it needs its line feed"


def test_a_response_to_head_is_not_framed() -> None:
    result = outcome(
        streaming_handler(lambda event, context: HttpResponse(200, body="x")), url_event(method="HEAD")
    )
    assert result.headers["content-type"] != FRAMES


def test_an_empty_body_needs_no_line_feed_in_frames() -> None:
    result = outcome(streaming_handler(lambda event, context: None), url_event())
    assert decoded(result)[1:] == [End(0, 0)]


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=1, max_size=50)))
def test_chunk_boundaries_survive(chunks: list[bytes]) -> None:
    events = decoded(outcome(streaming_handler(lambda event, context: list(chunks)), {}, offering()))
    assert [event for event in events if isinstance(event, bytes)] == chunks
    assert events[-1] == End(sum(map(len, chunks)), len(chunks))


def test_a_frame_holds_at_most_a_mebibyte() -> None:
    events = decoded(outcome(streaming_handler(lambda event, context: [b"x" * (2**20 + 1)]), {}, offering()))
    assert [len(event) for event in events if isinstance(event, bytes)] == [2**20, 1]


def test_an_error_without_a_message_or_with_a_broken_one_is_told_all_the_same() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def handler(event: Any, context: Any) -> Any:
        yield "x"
        raise BrokenError

    *_, last = decoded(outcome(streaming_handler(handler), {}, offering()))
    assert isinstance(last, HandlerError)
    assert last.error_type == "BrokenError"


def test_the_head_is_json_that_anybody_can_read() -> None:
    result = outcome(streaming_handler(lambda event, context: "x"), {}, offering())
    start = result.chunks[0].index(b"{")
    assert json.loads(result.chunks[0][start:-4]) == {
        "contentType": "text/plain; charset=utf-8",
        "contentEncoding": None,
    }


def test_a_response_whose_head_cannot_be_sent_is_ended() -> None:
    """It has begun: without an end its caller would wait until the function's timeout."""
    full = OSError("the disk is full")

    class Refusing(Poster):
        def take(self, chunk: bytes) -> None:
            raise full

        def open(self, content_type: str, prelude: bytes) -> "Poster":
            if self.content_type:
                raise ResponseRefusedError("The invocation has been answered already.")
            return super().open(content_type, prelude)

    poster = Refusing()
    handler = streaming_handler(lambda event, context: iter(["one"]))
    with posting_through(poster), pytest.raises(OSError, match="the disk is full"):
        handler({}, offering())
    assert poster.error is full
