"""The HTTP prelude: found at any split, read tolerantly, refused clearly."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.errors import CorruptInputError, TooLargeError, TruncatedInputError
from streamify_client.wire.prelude import SEPARATOR, Prelude, PreludeDecoder, parse_prelude
from support.decoding import decode, every_split, splits

FIELDS = {"statusCode": 201, "headers": {"Content-Type": "text/plain"}, "cookies": ["a=1; Path=/", "b=2"]}
WIRE = json.dumps(FIELDS).encode() + SEPARATOR
PRELUDE = Prelude(201, (("Content-Type", "text/plain"),), ("a=1; Path=/", "b=2"))


def read(decoder: PreludeDecoder, chunks: list[bytes]) -> tuple[Any, bytes, type | None]:
    items, error = decode(decoder, chunks)
    return decoder.prelude, b"".join(items), type(error) if error else None


@pytest.mark.parametrize("body", [b"", b"body", b"\0" * 20 + b"body", b"{}" + SEPARATOR + b"again"])
def test_prelude_and_body_are_told_apart_at_every_split(body: bytes) -> None:
    for chunks in every_split(WIRE + body):
        assert read(PreludeDecoder(), chunks) == (PRELUDE, body, None)


def test_body_bytes_that_share_a_chunk_with_the_prelude_come_at_once() -> None:
    decoder = PreludeDecoder()
    assert decoder.receive(WIRE + b"first") == [b"first"]
    assert decoder.prelude == PRELUDE
    assert decoder.receive(b"") == []
    assert decoder.receive(memoryview(b"second")) == [b"second"]


def test_the_prelude_comes_before_any_body_byte_has() -> None:
    decoder = PreludeDecoder()
    assert decoder.receive(WIRE) == []
    assert decoder.prelude == PRELUDE


@pytest.mark.parametrize(
    ("fields", "prelude"),
    [
        ({}, Prelude(200, (), ())),
        (
            {"statusCode": None, "headers": None, "cookies": None, "multiValueHeaders": None},
            Prelude(200, (), ()),
        ),
        ({"statusCode": "404"}, Prelude(404, (), ())),
        ({"statusCode": 200.0}, Prelude(200, (), ())),
        (
            {"headers": {"a": ["1", "2"], "b": 3, "c": True, "d": None, "e": 1.5}},
            Prelude(200, (("a", "1"), ("a", "2"), ("b", "3"), ("c", "true"), ("e", "1.5")), ()),
        ),
        (
            {"headers": {"A": "1", "b": "0"}, "multiValueHeaders": {"a": ["1", "2"], "c": "3"}},
            Prelude(200, (("b", "0"), ("a", "1"), ("a", "2"), ("c", "3")), ()),
        ),
        ({"cookies": "a=1"}, Prelude(200, (), ("a=1",))),
        ({"unknown": {"x": 1}, "body": "ignored"}, Prelude(200, (), ())),
    ],
)
def test_a_prelude_is_read_tolerantly(fields: dict[str, object], prelude: Prelude) -> None:
    assert parse_prelude(json.dumps(fields).encode()) == prelude


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"statusCode": true}', "statusCode True"),
        (b'{"statusCode": "x"}', "statusCode 'x'"),
        (b'{"statusCode": 99}', "statusCode 99"),
        (b'{"statusCode": 1000}', "statusCode 1000"),
        (b'{"statusCode": 200.5}', "statusCode 200.5"),
        (b'{"statusCode": [200]}', "statusCode"),
        (b'{"headers": []}', "headers are not a JSON object"),
        (b'{"multiValueHeaders": "x"}', "multiValueHeaders are not a JSON object"),
        (b'{"headers": {"a": {}}}', "header 'a' that is not a string"),
        (b'{"cookies": [1, {}]}', "cookie that is not a string"),
    ],
)
def test_a_prelude_that_makes_no_sense_is_refused_by_name(text: bytes, message: str) -> None:
    with pytest.raises(CorruptInputError, match=message):
        parse_prelude(text)


def test_an_error_stays() -> None:
    decoder = PreludeDecoder()
    with pytest.raises(CorruptInputError):
        decoder.receive(b"{" + SEPARATOR)
    with pytest.raises(CorruptInputError):
        decoder.receive(WIRE)
    with pytest.raises(CorruptInputError):
        decoder.finish()


def test_a_response_that_cannot_be_a_prelude_is_refused_at_its_first_byte() -> None:
    with pytest.raises(CorruptInputError, match="begins with b'hello'"):
        PreludeDecoder().receive(b"hello")
    assert PreludeDecoder().receive(b" \r\n\t") == []


@pytest.mark.parametrize("cut", [0, 1, len(WIRE) - 8, len(WIRE) - 1])
def test_an_end_inside_the_prelude_is_truncated(cut: int) -> None:
    decoder = PreludeDecoder()
    assert decoder.receive(WIRE[:cut]) == []
    with pytest.raises(TruncatedInputError, match="inside its HTTP prelude"):
        decoder.finish()


def test_a_prelude_has_a_limit_that_is_exact_at_every_split() -> None:
    text = len(WIRE) - len(SEPARATOR)
    for chunks in every_split(WIRE + b"body"):
        assert read(PreludeDecoder(max_size=text), chunks) == (PRELUDE, b"body", None)
        assert read(PreludeDecoder(max_size=text - 1), chunks) == (None, b"", TooLargeError)


def test_an_endless_prelude_holds_no_more_than_its_limit() -> None:
    decoder = PreludeDecoder(max_size=64 * 1024)
    tracemalloc.start()
    try:
        assert read(decoder, [b"{" * 1024] * 1000) == (None, b"", TooLargeError)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 256 * 1024


starts = st.sampled_from([WIRE, b"{}\0\0\0", b"{", b"", b"{" + SEPARATOR])


@given(starts, st.binary(max_size=40) | st.just(SEPARATOR), st.data())
@settings(max_examples=100)
def test_any_bytes_in_any_split_give_the_same_prelude_and_body(
    start: bytes, rest: bytes, data: st.DataObject
) -> None:
    chunks = data.draw(splits(start + rest))
    assert read(PreludeDecoder(max_size=90), chunks) == read(PreludeDecoder(max_size=90), [start + rest])
