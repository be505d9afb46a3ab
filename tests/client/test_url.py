"""What a call of a URL becomes: target, method, headers, query, body. Nothing is sent here."""

import hashlib
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client import ConfigurationError
from streamify_client.request.options import Options
from streamify_client.request.url import HttpRequest, build_request, canonical_query, is_url, lambda_region

LAMBDA = "https://abc123.lambda-url.eu-west-1.on.aws"


def request_of(url: str, payload: Any = None, *, options: Options | None = None, **http: Any) -> HttpRequest:
    return build_request(url, payload, options or Options(), http)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("https://example.com/", True),
        ("http://127.0.0.1:8080", True),
        ("HTTPS://EXAMPLE.COM", True),
        ("fn", False),
        ("fn:live", False),
        ("123456789012:function:fn", False),
        ("arn:aws:lambda:us-east-1:123456789012:function:fn:live", False),
    ],
)
def test_a_url_is_told_from_a_function_name(function: str, expected: bool) -> None:
    assert is_url(function) is expected


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (LAMBDA, "eu-west-1"),
        (LAMBDA + ":443/path", "eu-west-1"),
        ("https://ABC123.Lambda-URL.us-gov-west-1.ON.aws/", "us-gov-west-1"),
        ("http://abc123.lambda-url.eu-west-1.on.aws", None),  # a signature does not go over plain HTTP
        (LAMBDA + ":8443", None),
        (LAMBDA + ".evil.example", None),
        ("https://evil.example/abc123.lambda-url.eu-west-1.on.aws", None),
        ("https://evil.example?abc123.lambda-url.eu-west-1.on.aws", None),
        ("https://evil.example#.lambda-url.eu-west-1.on.aws", None),
        ("https://a.b.lambda-url.eu-west-1.on.aws", None),
        ("https://lambda-url.eu-west-1.on.aws", None),
        ("https://d111111abcdef8.cloudfront.net", None),
    ],
)
def test_the_host_of_a_function_url_tells_its_region_and_no_other_does(url: str, region: str | None) -> None:
    assert lambda_region(request_of(url)) == region


@pytest.mark.parametrize(
    ("payload", "http", "method", "body"),
    [
        (None, {}, "GET", None),
        ({"a": 1}, {}, "POST", b'{"a":1}'),
        ("[1]", {}, "POST", b"[1]"),
        (None, {"method": "post"}, "POST", None),
        ({"a": 1}, {"method": "PUT"}, "PUT", b'{"a":1}'),
        ("no json", {"headers": {"Content-Type": "text/plain"}}, "POST", b"no json"),
        (b"\xff", {"headers": {"content-type": "application/octet-stream"}}, "POST", b"\xff"),
        ({"a": 1}, {"headers": {"content-type": "application/problem+json"}}, "POST", b'{"a":1}'),
    ],
)
def test_a_payload_is_posted_and_no_payload_is_gotten(
    payload: Any, http: Any, method: str, body: bytes | None
) -> None:
    request = request_of(LAMBDA, payload, **http)
    assert (request.method, request.body) == (method, body)
    expected = str(len(body or b"")) if method != "GET" else None
    assert request.header("content-length") == expected


def test_the_headers_of_a_request() -> None:
    request = request_of(LAMBDA, {"a": 1}, headers={"X-Mine": "yes"})
    assert dict(request.headers) == {
        "host": "abc123.lambda-url.eu-west-1.on.aws",
        "accept": "*/*",
        "user-agent": "streamify",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "x-amz-content-sha256": hashlib.sha256(b'{"a":1}').hexdigest(),
        "content-length": "7",
        "streamify-accept": "verified/1, continue/1",
        "X-Mine": "yes",
    }


def test_the_callers_headers_replace_ours() -> None:
    request = request_of(
        LAMBDA, headers=[("Accept", "text/csv"), ("accept-encoding", "gzip"), ("X", "1"), ("X", "2")]
    )
    values = [(name.lower(), value) for name, value in request.headers]
    assert [value for name, value in values if name == "accept"] == ["text/csv"]
    assert [value for name, value in values if name == "accept-encoding"] == ["gzip"]
    assert [value for name, value in values if name == "x"] == ["1", "2"]


def test_no_verified_stream_is_offered_when_it_is_off() -> None:
    assert request_of(LAMBDA, options=Options(verified="off")).header("streamify-accept") is None


@pytest.mark.parametrize(
    ("url", "query", "target"),
    [
        (LAMBDA, None, "/"),
        (LAMBDA + "?a=1", None, "/?a=1"),
        (LAMBDA + "/a b/ü", None, "/a%20b/%C3%BC"),
        (LAMBDA + "/a%20b?x=1+2&flag#part", None, "/a%20b?x=1+2&flag"),
        (LAMBDA + "/p", {"q": "a b&c", "n": 1, "yes": True}, "/p?q=a%20b%26c&n=1&yes=true"),
        (LAMBDA + "/p?own=1", {"q": ["a", "b"]}, "/p?own=1&q=a&q=b"),
        (LAMBDA, [("q", "ä"), ("q", "/")], "/?q=%C3%A4&q=%2F"),
    ],
)
def test_the_target_is_encoded_once(url: str, query: Any, target: str) -> None:
    assert request_of(url, query=query).target == target


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://example.com:443", "example.com"),
        ("https://example.com:8443", "example.com:8443"),
        ("http://[::1]:8080/x", "[::1]:8080"),
        ("http://münchen.example", "xn--mnchen-3ya.example"),
    ],
)
def test_the_host_header_names_the_authority(url: str, authority: str) -> None:
    assert request_of(url).header("host") == authority


@pytest.mark.parametrize(
    ("url", "http", "says"),
    [
        ("ftp://example.com", {}, "must begin with https"),
        ("https://", {}, "must begin with https"),
        ("https://example.com:port", {}, "not a URL"),
        ("https://user:secret@example.com", {}, "user name or a password"),
        (LAMBDA, {"method": "GET /evil"}, "method"),
        (LAMBDA, {"method": "CONNECT"}, "method"),
        (LAMBDA, {"headers": {"x": "a\r\nb: c"}}, "one line"),
        (LAMBDA, {"headers": {"x:": "a"}}, "not a name"),
        (LAMBDA, {"headers": {"Host": "evil.example"}}, "Host follows"),
        (LAMBDA, {"headers": {"content-length": "3"}}, "content-length follows"),
        (LAMBDA, {"headers": {"x": "€"}}, "one line"),
        (LAMBDA, {"headers": 3}, "headers must be"),
        (LAMBDA, {"query": "a=1"}, "query must be"),
        (LAMBDA, {"query": {"q": "\ud800"}}, "not Unicode"),
        (LAMBDA + "/\ud800", {}, "not a URL"),
        (LAMBDA, {"auth": "basic"}, "auth must be"),
        (LAMBDA, {"auth": "iam", "headers": {"authorization": "mine"}}, "leave yours out"),
    ],
)
def test_what_makes_no_request_is_refused(url: str, http: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        request_of(url, **http)
    assert "secret" not in str(caught.value)


def test_a_payload_that_is_no_json_must_be_bytes_or_text() -> None:
    with pytest.raises(ConfigurationError, match="must be str or bytes, not dict"):
        request_of(LAMBDA, {"a": 1}, headers={"content-type": "text/plain"})


def test_a_request_shows_no_secrets() -> None:
    shown = repr(request_of(LAMBDA + "?token=secret1", {"k": "secret2"}, headers={"x": "secret3"}))
    assert "secret" not in shown


UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(UNICODE.filter(bool), UNICODE), max_size=4))
@settings(max_examples=60)
def test_a_canonical_query_means_the_same_and_stays_as_it_is(pairs: list[tuple[str, str]]) -> None:
    query = request_of(LAMBDA, query=pairs).query
    canonical = canonical_query(query)
    assert parse_qsl(canonical, keep_blank_values=True) == pairs
    assert canonical_query(canonical) == canonical
