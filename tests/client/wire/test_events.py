"""Lambda's events: what each frame means, and how a stream may end."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.errors import CorruptInputError, TruncatedInputError
from streamify_client.wire.events import (
    ErrorEvent,
    EventDecoder,
    ExceptionEvent,
    InvokeComplete,
    LastEvent,
)
from support.decoding import decode, event_frame, every_split, outcome, raw_frame, splits

CHUNK = event_frame("PayloadChunk", b"some bytes", content_type="application/octet-stream")
COMPLETE = event_frame("InvokeComplete", b"{}", content_type="application/json")
EXCEPTION = event_frame("", b'{"message": "no"}', "exception", exception_type="ServiceException")
ERROR = event_frame("", b"", "error", error_code="Internal", error_message="sorry")


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (COMPLETE, InvokeComplete()),
        (event_frame("InvokeComplete"), InvokeComplete()),
        (event_frame("InvokeComplete", b'{"ErrorCode": null, "Other": [1]}'), InvokeComplete()),
        (
            event_frame(
                "InvokeComplete", b'{"ErrorCode": "Function.E", "ErrorDetails": "why", "LogResult": "bG9n"}'
            ),
            InvokeComplete("Function.E", "why", "bG9n"),
        ),
        (EXCEPTION, ExceptionEvent("ServiceException", "no")),
        (
            event_frame("", b'{"Message": "No"}', "exception", exception_type="E"),
            ExceptionEvent("E", "No"),
        ),
        (event_frame("", b"not json", "exception"), ExceptionEvent("", "not json")),
        (event_frame("", b"[]", "exception", exception_type="E"), ExceptionEvent("E", "[]")),
        (ERROR, ErrorEvent("Internal", "sorry")),
    ],
)
def test_a_last_frame_means_its_event(frame: bytes, event: LastEvent) -> None:
    decoder = EventDecoder()
    assert decoder.receive(frame) == []
    assert decoder.last == event


def test_payload_comes_chunk_by_chunk() -> None:
    assert EventDecoder().receive(CHUNK + event_frame("PayloadChunk") + CHUNK) == [
        b"some bytes",
        b"",
        b"some bytes",
    ]


@pytest.mark.parametrize(
    "frame",
    [
        raw_frame(),
        event_frame("initial-response"),
        event_frame("Later", b"x"),
        event_frame("Later", b"x", "odd"),
    ],
)
def test_an_event_of_an_unknown_type_is_skipped_before_and_after_the_end(frame: bytes) -> None:
    for parts in ([frame, CHUNK, frame, COMPLETE, frame], [frame + CHUNK + frame + COMPLETE + frame]):
        decoder = EventDecoder()
        assert decode(decoder, parts) == ([b"some bytes"], None)
        assert decoder.last == InvokeComplete()


@pytest.mark.parametrize("payload", [b"[]", b"null", b"{", b'"x"', b"\xff", b"[" * 100_000])
def test_an_invoke_complete_that_is_no_json_object_is_corrupt(payload: bytes) -> None:
    items, error = decode(EventDecoder(), [CHUNK + event_frame("InvokeComplete", payload)])
    assert items == [b"some bytes"]
    assert isinstance(error, CorruptInputError)


def test_the_log_tail_is_decoded() -> None:
    log = "END\nREPORT … Status: timeout"
    complete = InvokeComplete(log_result=base64.b64encode(log.encode()).decode())
    assert complete.log_tail == log
    assert InvokeComplete().log_tail is None
    assert InvokeComplete(log_result="not base64!").log_tail == "not base64!"


def test_a_clean_end_without_a_last_event_is_truncated() -> None:
    for data in (b"", CHUNK, CHUNK * 2):
        decoder = EventDecoder()
        decoder.receive(data)
        with pytest.raises(TruncatedInputError, match="without an InvokeComplete") as caught:
            decoder.finish()
        assert caught.value.offset == len(data)


def test_a_clean_end_inside_a_frame_is_truncated() -> None:
    for data in (CHUNK[:-1], CHUNK + COMPLETE[:-1], CHUNK + COMPLETE + CHUNK[:5]):
        decoder = EventDecoder()
        decoder.receive(data)
        with pytest.raises(TruncatedInputError, match="inside a frame"):
            decoder.finish()


@pytest.mark.parametrize(
    ("last", "complete"),
    [(COMPLETE, True), (EXCEPTION, False), (ERROR, False)],
)
def test_the_last_event_ends_the_stream_whatever_it_is(last: bytes, complete: bool) -> None:
    decoder = EventDecoder()
    decoder.receive(CHUNK)
    assert (decoder.last, decoder.complete) == (None, False)
    decoder.receive(last)
    assert (decoder.last is not None, decoder.complete) == (True, complete)
    assert decoder.finish() == []


@pytest.mark.parametrize("last", [COMPLETE, EXCEPTION, ERROR])
@pytest.mark.parametrize("more", [CHUNK, COMPLETE, EXCEPTION, ERROR])
def test_nothing_known_may_follow_the_last_event(last: bytes, more: bytes) -> None:
    for parts in ([last + more], [last, more], [CHUNK + last + more + more]):
        decoder = EventDecoder()
        items, error = decode(decoder, parts)
        assert items == [b"some bytes"] * (len(parts[0]) > len(last + more))
        assert decoder.last is not None
        assert isinstance(error, CorruptInputError)
        assert error.offset == len(b"".join(parts).partition(last)[0] + last)
        assert "after the stream's last event" in str(error)


def test_noise_after_the_last_event_is_corrupt() -> None:
    decoder = EventDecoder()
    _, error = decode(decoder, [COMPLETE + b"HTTP/1.1 200 OK\r\n"])
    assert decoder.last == InvokeComplete()
    assert isinstance(error, CorruptInputError)


def test_every_split_gives_the_same_events() -> None:
    data = CHUNK + event_frame("Unknown") + COMPLETE
    whole = outcome(EventDecoder(), [data])
    assert whole == ([b"some bytes"], None, None)
    for chunks in every_split(data):
        assert outcome(EventDecoder(), chunks) == whole


frames = st.lists(st.sampled_from([CHUNK, COMPLETE, EXCEPTION, ERROR, event_frame("?"), b"noise, no frame"]))


@given(
    frames, st.dictionaries(st.sampled_from(["ErrorCode", "LogResult"]), st.none() | st.integers()), st.data()
)
@settings(max_examples=100)
def test_any_frames_in_any_split_give_the_same_events_or_errors_of_the_wire(
    parts: list[bytes], fields: dict[str, int | None], data: st.DataObject
) -> None:
    stream = b"".join(parts) + event_frame("InvokeComplete", json.dumps(fields).encode())
    assert outcome(EventDecoder(), data.draw(splits(stream))) == outcome(EventDecoder(), [stream])
