"""The body of a request: out of base64 and gzip, within bounds."""

import base64
import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server import HttpError
from streamify_server.middlewares._request_body import MediaType, body_bytes, text_of

GZIP = {"headers": {"Content-Encoding": "gzip"}, "isBase64Encoded": True}


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ({}, None),
        ("no event", None),
        ({"body": None}, None),
        ({"body": ""}, b""),
        ({"body": "grün"}, "grün".encode()),
        ({"body": packed(b"\0\xff"), "isBase64Encoded": True}, b"\0\xff"),
        ({"body": packed(b"\0\xff"), "is_base64_encoded": True}, b"\0\xff"),
        ({"body": packed(b"x"), "isBase64Encoded": False}, packed(b"x").encode()),
        ({"body": packed(gzip.compress(b"long" * 5)), **GZIP}, b"long" * 5),
    ],
)
def test_a_body_as_bytes(event: Any, body: bytes | None) -> None:
    assert body_bytes(event, 60) == body


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"body": "x" * 61}, 413),
        ({"body": "ü" * 31}, 413),
        ({"body": packed(b"x" * 61), "isBase64Encoded": True}, 413),
        ({"body": packed(b"x" * 1000), "isBase64Encoded": True}, 413),
        ({"body": packed(gzip.compress(b"x" * 1000)), **GZIP}, 413),
        ({"body": "%%%%", "isBase64Encoded": True}, 400),
        ({"body": "abc", "isBase64Encoded": True}, 400),
        ({"body": packed(b"no gzip"), **GZIP}, 400),
        ({"body": packed(gzip.compress(b"cut")[:-4]), **GZIP}, 400),
        ({"body": packed(zlib.compress(b"zlib")), **GZIP}, 400),
        ({"body": "x", "headers": {"content-encoding": "br"}}, 415),
        ({"body": {"parsed": "already"}}, 400),
    ],
)
def test_a_hostile_body_is_refused(event: Any, status: int) -> None:
    with pytest.raises(HttpError) as refused:
        body_bytes(event, 60)
    assert refused.value.status_code == status


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_any_bytes_come_out_of_base64_and_gzip_whole(data: bytes) -> None:
    assert body_bytes({"body": packed(gzip.compress(data)), **GZIP}, 300) == data


@pytest.mark.parametrize(
    ("value", "essence", "parameters"),
    [
        ("", "", {}),
        ("Text/Plain", "text/plain", {}),
        ("text/plain; Charset=utf-8", "text/plain", {"charset": "utf-8"}),
        (
            'multipart/form-data; boundary="a b;c"; x=y',
            "multipart/form-data",
            {"boundary": "a b;c", "x": "y"},
        ),
        (r'a/b; q="say \"hi\""', "a/b", {"q": 'say "hi"'}),
        ("a/b;;; =x; c", "a/b", {}),
    ],
)
def test_a_media_type(value: str, essence: str, parameters: dict[str, str]) -> None:
    assert (MediaType(value).essence, MediaType(value).parameters) == (essence, parameters)


@pytest.mark.parametrize(
    ("data", "charset", "status"),
    [(b"\xff", "utf-8", 422), (b"x", "punycode", 415), (b"x", "no\0such", 415), (b"\xe9", "us-ascii", 422)],
)
def test_text_that_is_none_is_refused(data: bytes, charset: str, status: int) -> None:
    with pytest.raises(HttpError) as refused:
        text_of(data, charset)
    assert refused.value.status_code == status
