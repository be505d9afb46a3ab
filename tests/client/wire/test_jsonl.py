"""JSON Lines: a value a line, and an error that says where."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.errors import InvalidJsonError, TooLargeError, UndecodableTextError
from streamify_client.wire.jsonl import JsonLinesDecoder
from support.decoding import decode, every_split, outcome, splits


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        (b"", []),
        (b'{"a": 1}\n[2]\n', [{"a": 1}, [2]]),
        (b'1\n"two"\nnull\ntrue', [1, "two", None, True]),
        (b'{"a": 1}\r\n{"b": 2}\r\n', [{"a": 1}, {"b": 2}]),
        (b"\n  \n\t\r\n1\n\n\n2\n \n", [1, 2]),
        (b" 1 \n 2", [1, 2]),
        ("\ufeff1\n2\n".encode(), [1, 2]),
        ('"é\u2028日"\n'.encode(), ["é\u2028日"]),
        (b"NaN", None),
        (b"12345678901234567890", [12345678901234567890]),
    ],
)
def test_each_line_is_a_value_at_every_split(raw: bytes, values: list[Any] | None) -> None:
    for chunks in every_split(raw):
        read, error = decode(JsonLinesDecoder(), chunks)
        assert error is None
        assert read == values or repr(read) == "[nan]"


def test_a_value_comes_with_its_line_feed() -> None:
    decoder = JsonLinesDecoder()
    assert decoder.receive(b"1") == []
    assert decoder.receive(b"2\n3") == [12]
    assert decoder.unread() == [b"3"]
    assert decoder.finish() == [3]


@pytest.mark.parametrize(
    ("raw", "kind", "line", "offset"),
    [
        (b"1\n{nope}\n3\n", InvalidJsonError, 2, 3),
        (b'1\n\n\n {"a": 1 "b"}\n', InvalidJsonError, 4, 13),
        ('1\n["é", x]'.encode(), InvalidJsonError, 2, 9),
        (b"1\n{} {}\n", InvalidJsonError, 2, 5),
        (b"1\n[1,", InvalidJsonError, 2, 5),
        (b"1\n\xef\xbb\xbf2\n", InvalidJsonError, 2, 2),
        (b'1\n"\xff"\n', UndecodableTextError, None, 3),
        (b'1\n "a\xe6', UndecodableTextError, None, 5),
        (b"1\n" + b"[" * 100_000 + b"\n", InvalidJsonError, 2, 2),
        (b"1\n" + b"9" * 5000 + b"\n", InvalidJsonError, 2, 2),
    ],
)
def test_a_line_that_is_no_json_is_named_after_the_good_ones(
    raw: bytes, kind: type, line: int | None, offset: int
) -> None:
    for chunks in every_split(raw) if len(raw) < 100 else [[raw]]:
        values, error = decode(JsonLinesDecoder(), chunks)
        assert values == [1]
        assert error is not None
        assert (type(error), error.offset) == (kind, offset)
        assert getattr(error, "line", None) == line


def test_the_error_says_what_and_where_and_stays() -> None:
    decoder = JsonLinesDecoder()
    assert decoder.receive(b'{"a": 1}\n{"a": }\n') == [{"a": 1}]
    with pytest.raises(InvalidJsonError, match=r"line 2 is not JSON: .* at byte 15: '\{\"a\": \}'"):
        decoder.receive(b"")
    with pytest.raises(InvalidJsonError):
        decoder.receive(b"1\n")
    with pytest.raises(InvalidJsonError):
        decoder.finish()


def test_a_line_has_a_limit() -> None:
    for chunks in every_split(b"1\n12345\n"):
        assert outcome(JsonLinesDecoder(max_size=5), chunks) == ([1, 12345], None, None)
        assert outcome(JsonLinesDecoder(max_size=4), chunks) == ([1], TooLargeError, 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(json_values, max_size=5), st.booleans(), st.data())
@settings(max_examples=100)
def test_what_is_written_is_read_in_any_split(
    values: list[Any], ascii_only: bool, data: st.DataObject
) -> None:
    raw = "".join(json.dumps(value, ensure_ascii=ascii_only) + "\n" for value in values).encode()
    assert decode(JsonLinesDecoder(), data.draw(splits(raw))) == (values, None)


@given(st.lists(st.sampled_from([b"1", b"{", b"}", b'"', b"\n", b"\r", b"\xff", b" ", b"NaN"])), st.data())
@settings(max_examples=200)
def test_any_bytes_in_any_split_give_the_same_values_or_errors_of_the_wire(
    parts: list[bytes], data: st.DataObject
) -> None:
    def printable(items: list[Any]) -> str:  # NaN is not equal to itself
        return repr(items)

    raw = b"".join(parts)
    split = outcome(JsonLinesDecoder(max_size=8), data.draw(splits(raw)), printable)
    assert split == outcome(JsonLinesDecoder(max_size=8), [raw], printable)
