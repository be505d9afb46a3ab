"""Verified streams: nothing but exactly what was sent passes for whole."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.errors import CorruptInputError, TruncatedInputError
from streamify_client.wire.eventstream import encode_frame
from streamify_client.wire.verified import Checkpoint, End, HandlerError, Head, VerifiedDecoder
from support.decoding import decode, every_split, outcome, splits


def frame(kind: str, fields: object) -> bytes:
    payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return encode_frame({":event-type": kind}, payload)


HEAD = frame("head", {"contentType": "text/csv", "contentEncoding": "gzip"})
DATA = frame("data", b"some bytes")
EMPTY = frame("data", b"")
END = frame("end", {"bytes": 10, "chunks": 1})
ERROR = frame(
    "error", {"errorType": "KeyError", "errorMessage": "'x'", "stackTrace": ["  File 1\n", "  File 2\n"]}
)


def test_a_whole_stream_is_read_at_every_split() -> None:
    for chunks in every_split(HEAD + DATA + END):
        decoder = VerifiedDecoder()
        assert decode(decoder, chunks) == ([b"some bytes"], None)
        assert (decoder.head, decoder.last) == (Head("text/csv", "gzip"), End(10, 1))


def test_the_handlers_error_is_read_before_and_after_data() -> None:
    raised = HandlerError("KeyError", "'x'", ("  File 1\n", "  File 2\n"))
    for data, chunks in ((b"", []), (DATA, [b"some bytes"])):
        decoder = VerifiedDecoder()
        assert decode(decoder, [HEAD + data + ERROR]) == (chunks, None)
        assert (decoder.head, decoder.last) == (Head("text/csv", "gzip"), raised)


@pytest.mark.parametrize(
    "fields", [{}, {"errorType": None, "errorMessage": None, "stackTrace": None, "more": 1}]
)
def test_an_error_that_says_nothing_is_still_an_error(fields: dict[str, object]) -> None:
    decoder = VerifiedDecoder()
    assert decode(decoder, [HEAD + frame("error", fields)]) == ([], None)
    assert decoder.last == HandlerError("Error", "", ())


@pytest.mark.parametrize("fields", [{}, {"contentType": None, "contentEncoding": None, "more": 1}])
def test_a_head_may_know_nothing(fields: dict[str, object]) -> None:
    whole = frame("head", fields) + frame("end", {"bytes": 0, "chunks": 0})
    decoder = VerifiedDecoder()
    assert decode(decoder, [whole]) == ([], None)
    assert (decoder.head, decoder.last) == (Head(None, None), End(0, 0))


def test_a_stream_without_its_last_event_is_truncated_wherever_it_stops() -> None:
    whole = HEAD + DATA + END
    for cut in range(len(whole)):
        decoder = VerifiedDecoder()
        decoder.receive(whole[:cut])
        assert decoder.last is None
        with pytest.raises(TruncatedInputError):
            decoder.finish()


@pytest.mark.parametrize("last", [END, ERROR])
@pytest.mark.parametrize(
    "more", [HEAD, DATA, EMPTY, END, ERROR, b"\0", b"garbage that is no frame", DATA[:20]]
)
def test_any_byte_after_the_last_event_is_corrupt(last: bytes, more: bytes) -> None:
    whole = HEAD + DATA + last
    for chunks in ([whole + more], [whole, more], [whole, more[:1], more[1:]]):
        decoder = VerifiedDecoder()
        items, error = decode(decoder, chunks)
        assert items == [b"some bytes"]
        assert decoder.last is not None
        assert isinstance(error, CorruptInputError)
        assert error.offset == len(whole)


@pytest.mark.parametrize(
    "raw",
    [
        DATA + END,
        END,
        ERROR,
        HEAD + HEAD,
        HEAD + DATA + HEAD,
        HEAD + frame("other", {}),
        HEAD + encode_frame({}, b"{}"),
        frame("head", b""),
        frame("head", []),
        frame("head", {"contentType": 1}),
        frame("head", {"contentEncoding": ["gzip"]}),
        HEAD + frame("error", b"{"),
        HEAD + DATA + frame("end", b"[" * 100_000),
        HEAD + DATA + frame("end", {}),
        HEAD + DATA + frame("end", {"bytes": 9, "chunks": 1}),
        HEAD + DATA + frame("end", {"bytes": 10, "chunks": 2}),
        HEAD + DATA + frame("end", {"bytes": "10", "chunks": 1}),
        HEAD + END,
        HEAD + DATA + DATA + END,
        HEAD + DATA + EMPTY + END,
    ],
)
def test_another_order_other_totals_and_other_json_are_corrupt(raw: bytes) -> None:
    decoder = VerifiedDecoder()
    _, error = decode(decoder, [raw])
    assert decoder.last is None
    assert isinstance(error, CorruptInputError)
    with pytest.raises(CorruptInputError):
        decoder.receive(b"")
    with pytest.raises(CorruptInputError):
        decoder.finish()


def test_a_chunk_lost_doubled_or_swapped_for_another_is_never_whole() -> None:
    other = frame("data", b"other")
    whole = [HEAD, DATA, other, frame("end", {"bytes": 15, "chunks": 2})]
    assert decode(VerifiedDecoder(), whole)[1] is None
    for broken in ([whole[0], *whole[2:]], [*whole[:2], *whole[1:]], [HEAD, DATA, DATA, whole[3]]):
        assert isinstance(decode(VerifiedDecoder(), broken)[1], CorruptInputError)


def test_every_single_flipped_bit_is_found() -> None:
    good = HEAD + DATA + END
    for bit in range(len(good) * 8):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        decoder = VerifiedDecoder()
        _, error = decode(decoder, [bytes(damaged)])
        assert error is not None
        assert decoder.last is None


parts = st.lists(st.sampled_from([HEAD, DATA, EMPTY, END, ERROR, b"noise", HEAD[:9]]), max_size=5)


@given(parts, st.booleans(), st.data())
@settings(max_examples=200)
def test_any_bytes_in_any_split_give_the_same_events_or_errors_of_the_wire(
    stream: list[bytes], with_head: bool, data: st.DataObject
) -> None:
    raw = b"".join([HEAD] * with_head + stream)
    assert outcome(VerifiedDecoder(), data.draw(splits(raw))) == outcome(VerifiedDecoder(), [raw])


def checkpoint(token: object, count: object) -> bytes:
    return frame("checkpoint", {"token": token, "bytes": count})


KEEPALIVE = frame("keepalive", b"")
GOES_ON = frame("end", {"bytes": 10, "chunks": 1, "continues": True})


def test_a_checkpoint_comes_out_where_it_stands_at_every_split() -> None:
    body = HEAD + DATA + checkpoint("one", 10) + DATA + KEEPALIVE + checkpoint("two", 20)
    body += frame("end", {"bytes": 20, "chunks": 2, "continues": True})
    for chunks in every_split(body):
        decoder = VerifiedDecoder()
        found, error = decode(decoder, chunks)
        assert (found, error) == ([b"some bytes", b"", b"some bytes", b""], None)
        marks = [chunk for chunk in found if isinstance(chunk, Checkpoint)]
        assert [(mark.token, mark.position) for mark in marks] == [("one", 10), ("two", 20)]
        assert decoder.last == End(20, 2, continues=True)


def test_a_later_part_counts_on_and_says_which_token_it_had() -> None:
    head = frame("head", {"contentType": None, "state": "0af3"})
    decoder = VerifiedDecoder(base=7)
    assert decode(decoder, [head + DATA + checkpoint("next", 17) + GOES_ON])[1] is None
    assert decoder.head == Head(None, None, "0af3")


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (DATA + checkpoint("t", 9), "is after 10 bytes, and says 9"),
        (DATA + checkpoint("", 10), "no token"),
        (DATA + checkpoint(7, 10), "no token"),
        (DATA + checkpoint("t" * 1537, 10), "no token"),
        (DATA + checkpoint("größe", 10), "no token"),
        (DATA + frame("checkpoint", b"[]"), "not a JSON object"),
        (DATA + GOES_ON, "where a checkpoint stands before the end"),
        (checkpoint("t", 0) + DATA + GOES_ON, "where a checkpoint stands before the end"),
        (DATA + checkpoint("t", 10) + KEEPALIVE + GOES_ON, "where a checkpoint stands before the end"),
        (
            DATA + checkpoint("t", 10) + frame("end", {"bytes": 10, "chunks": 1, "continues": "yes"}),
            "another part",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_corrupt(frames: bytes, said: str) -> None:
    _, error = decode(VerifiedDecoder(), [HEAD + frames])
    assert isinstance(error, CorruptInputError)
    assert said in error.message


@pytest.mark.parametrize("first", [checkpoint("t", 0), KEEPALIVE])
def test_the_head_comes_before_everything(first: bytes) -> None:
    assert isinstance(decode(VerifiedDecoder(), [first + HEAD])[1], CorruptInputError)
