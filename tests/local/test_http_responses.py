"""What functions answer to HTTP events, read as the fronts read it."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local.fronts.http_responses import (
    Head,
    MalformedResponseError,
    PreludeReader,
    buffered_1_0,
    buffered_2_0,
    head_of,
)

PRELUDE = b'{"statusCode": 201, "headers": {"X-A": "b"}, "cookies": ["c=1", "d=2"]}' + b"\0" * 8
HEAD = Head(
    201,
    [
        ("X-A", "b"),
        ("set-cookie", "c=1"),
        ("set-cookie", "d=2"),
        ("content-type", "application/octet-stream"),
    ],
)


@given(st.binary(max_size=40), st.lists(st.integers(min_value=0, max_value=130), max_size=6))
def test_a_prelude_is_taken_off_however_it_is_split(body: bytes, cuts: list[int]) -> None:
    wire = PRELUDE + body
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    reader = PreludeReader(1024)
    got = b"".join(reader.feed(wire[start:end]) for start, end in pairwise(edges) if start < end)
    assert reader.head == HEAD
    assert got == body


@pytest.mark.parametrize(
    "wire",
    [b"x" * 65, b"not json" + b"\0" * 8, b"[1]" + b"\0" * 8, b'{"statusCode": "abc"}' + b"\0" * 8],
)
def test_what_is_no_prelude_is_malformed(wire: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        PreludeReader(64).feed(wire)


@pytest.mark.parametrize(
    "fields",
    [
        {"statusCode": 99},
        {"statusCode": 103},
        {"statusCode": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        "text",
    ],
)
def test_a_head_that_cannot_be_sent_is_malformed(fields: Any) -> None:
    with pytest.raises(MalformedResponseError):
        head_of(fields)


def test_headers_of_the_connection_are_left_out_and_values_become_text() -> None:
    fields = {
        "headers": {
            "Content-Length": 5,
            "Transfer-Encoding": "chunked",
            "X-Number": 7,
            "X-None": None,
            "X-Yes": True,
        },
        "multiValueHeaders": {"x-number": ["8", "9"]},
    }
    assert head_of(fields).headers == [
        ("X-Yes", "true"),
        ("x-number", "8"),
        ("x-number", "9"),
        ("content-type", "application/json"),
    ]


TEXT = Head(200, [("content-type", "application/json")])
BUFFERED: dict[str, tuple[bytes, Head, bytes]] = {
    "an object with a status": (
        b'{"statusCode": 404, "headers": {"content-type": "text/plain"}, "body": "gone"}',
        Head(404, [("content-type", "text/plain")]),
        b"gone",
    ),
    "base64": (b'{"statusCode": 200, "body": "AAH/", "isBase64Encoded": true}', TEXT, b"\x00\x01\xff"),
    "other JSON is the body": (b'{"a": 1}', TEXT, b'{"a":1}'),
    "a string is the body, in quotes": (b'"hi"', TEXT, b'"hi"'),
    "a stream with a prelude loses its status": (PRELUDE + b"x", TEXT, PRELUDE + b"x"),
}


@pytest.mark.parametrize(("answer", "head", "body"), BUFFERED.values(), ids=BUFFERED.keys())
def test_a_buffered_function_url_answers_so(answer: bytes, head: Head, body: bytes) -> None:
    assert buffered_2_0(answer) == (head, body)


@pytest.mark.parametrize("answer", [b"plain", b'{"a": 1}', PRELUDE + b"x", b"[]"])
def test_a_buffered_rest_api_takes_nothing_but_an_object_with_a_status(answer: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        buffered_1_0(answer)
    assert buffered_1_0(json.dumps({"statusCode": 200, "body": "x"}).encode()) == (TEXT, b"x")


def test_a_body_that_is_not_the_base64_it_says_is_malformed() -> None:
    with pytest.raises(MalformedResponseError, match="base64"):
        buffered_2_0(b'{"statusCode": 200, "body": "!", "isBase64Encoded": true}')
