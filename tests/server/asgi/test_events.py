"""Every kind of HTTP event becomes the connection scope that an ASGI server would make of the request."""

import base64
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.asgi.events import http_request
from support.http_events import function_url, load_balancer, rest_api

EVENTS = {
    "function url": function_url("/items/1", query="q=a%20b&q=c"),
    "rest api": rest_api("/items/1", query={"q": ["a b", "c"]}),
    "load balancer": load_balancer("/items/1", query={"q": "a%20b"}),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_says_what_was_asked(kind: str) -> None:
    context = object()
    scope, body = http_request(EVENTS[kind], context)
    assert (scope["type"], scope["method"], scope["path"], body) == ("http", "GET", "/items/1", b"")
    assert scope["query_string"].startswith((b"q=a%20b", b"q=a+b"))
    assert scope["client"] == ("203.0.113.7", 0)
    assert scope["scheme"] == ("http" if kind == "load balancer" else "https")
    assert scope["aws.event"] == EVENTS[kind]
    assert scope["aws.context"] is context


@pytest.mark.parametrize("kind", EVENTS)
def test_a_scope_promises_an_oserror_from_send(kind: str) -> None:
    """The HTTP specification's version 2.4 introduced that (https://asgi.readthedocs.io/en/latest/specs/www.html)."""
    scope, _ = http_request(EVENTS[kind], None)
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}


@pytest.mark.parametrize("kind", EVENTS)
def test_headers_are_lower_case_bytes(kind: str) -> None:
    scope, _ = http_request(EVENTS[kind], None)
    headers = dict(scope["headers"])
    assert headers[b"host"]
    assert all(
        isinstance(part, bytes) and name == name.lower() for name in headers for part in (name, headers[name])
    )


@pytest.mark.parametrize("make", [function_url, rest_api])
def test_a_base64_body_arrives_as_the_bytes_it_was(make: Any) -> None:
    every_byte = bytes(range(256))
    event = make(method="POST", body=base64.b64encode(every_byte).decode(), base64=True)
    assert http_request(event, None)[1] == every_byte


@pytest.mark.parametrize("make", [function_url, rest_api])
def test_a_text_body_arrives_as_utf_8(make: Any) -> None:
    assert http_request(make(method="POST", body="grüße"), None)[1] == "grüße".encode()


def test_cookies_of_format_2_become_one_header() -> None:
    scope, _ = http_request(function_url(cookies=["a=1", "b=2"]), None)
    assert dict(scope["headers"])[b"cookie"] == b"a=1; b=2"


def test_cookies_of_format_1_become_one_header() -> None:
    scope, _ = http_request(rest_api(headers={"Cookie": ["a=1", "b=2"]}), None)
    assert dict(scope["headers"])[b"cookie"] == b"a=1; b=2"


SOURCES: dict[str, Callable[[str], dict[str, Any]]] = {
    "function url": function_url,
    "rest api": rest_api,
    "load balancer": load_balancer,
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    ("sent", "raw", "path"),
    [
        ("/a%2Fb", b"/a%2Fb", "/a/b"),
        ("/100%25", b"/100%25", "/100%"),
        ("/a%20b", b"/a%20b", "/a b"),
        ("/gr%C3%BCn", b"/gr%C3%BCn", "/grün"),
        ("/a+b;c=d,e@f:g!$&'()*~", b"/a+b;c=d,e@f:g!$&'()*~", "/a+b;c=d,e@f:g!$&'()*~"),
        # What callers should have encoded, and servers hand on as it is.
        ("/50%", b"/50%", "/50%"),
        ("/100%zz%2", b"/100%zz%2", "/100%zz%2"),
        ('/{a}|"b"\\[<c>]^`', b'/{a}|"b"\\[<c>]^`', '/{a}|"b"\\[<c>]^`'),
        # What no server would let through.
        ("/grün b", b"/gr%C3%BCn%20b", "/grün b"),
        ("/a?b#c", b"/a%3Fb%23c", "/a?b#c"),
    ],
)
def test_a_path_is_percent_encoded_bytes_and_text_as_under_a_server(
    make: Callable[[str], dict[str, Any]], sent: str, raw: bytes, path: str
) -> None:
    scope, _ = http_request(make(sent), None)
    assert (scope["raw_path"], scope["path"]) == (raw, path)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_path_that_an_http_api_has_decoded_is_encoded_once_and_never_decoded_again(version: str) -> None:
    decoded = "/100%25 grün"
    event = function_url(decoded) if version == "2.0" else {**rest_api(decoded), "version": "1.0"}
    event["requestContext"]["domainName"] = "abc.execute-api.us-east-1.amazonaws.com"
    scope, _ = http_request(event, None)
    assert (scope["path"], scope["raw_path"]) == (decoded, b"/100%2525%20gr%C3%BCn")


@given(st.text(max_size=30))
def test_any_path_becomes_ascii_that_decodes_to_the_path(text: str) -> None:
    path = "/" + text.encode(errors="ignore").decode()
    for event in (function_url(path), rest_api(path), load_balancer(path)):
        scope, _ = http_request(event, None)
        assert unquote(scope["raw_path"].decode("ascii")) == scope["path"]


@pytest.mark.parametrize(
    "event",
    [
        {"version": "2.0", "requestContext": {"http": {}}},
        {"httpMethod": "GET", "requestContext": {}},
        {"requestContext": {"elb": {}}},
        {**function_url(), "headers": {"host": "a:b:c"}},
        {**rest_api(), "body": "a", "isBase64Encoded": True},
    ],
)
def test_a_malformed_event_is_refused_in_a_sentence(event: Any) -> None:
    with pytest.raises(ValueError, match="This HTTP event is malformed"):
        http_request(event, None)


@pytest.mark.parametrize(
    ("path", "full"),
    [("/items", "/v1/items"), ("/v1/items", "/v1/items"), ("/v1", "/v1"), ("/v10", "/v1/v10")],
)
def test_a_path_includes_the_root_path(path: str, full: str) -> None:
    scope, _ = http_request(function_url(path), None, "/v1")
    assert (scope["path"], scope["root_path"], scope["raw_path"]) == (full, "/v1", full.encode())


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": []},
        [],
        None,
        "text",
        {"prompt": "hi"},
        {"version": "2.0", "requestContext": {}},
        {"version": "2.0", "method": "GET", "path": "/", "requestContext": {"serviceNetworkArn": "a"}},
        {"requestContext": {"connectionId": "a"}},
    ],
)
def test_an_event_that_is_no_http_request_is_refused(event: Any) -> None:
    with pytest.raises(ValueError, match=r"answers HTTP requests: events of a Function URL, of API Gateway"):
        http_request(event, None)


def test_a_missing_mangum_is_one_sentence() -> None:
    script = (
        "import sys; sys.modules['mangum'] = sys.modules['mangum.handlers'] = None\n"
        "from streamify_server.asgi import streaming_asgi\n"
        "try:\n    streaming_asgi(print)\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (
        done.stdout
        == "ASGI applications need mangum, which reads their events: pip install 'streamify[asgi]'.\n"
    )


@pytest.mark.parametrize("sent", ["é".encode(), "é".encode("latin-1"), "☃".encode(), b"plain"])
def test_the_bytes_of_a_header_reach_the_application_as_they_were_sent(sent: bytes) -> None:
    """Bytes beyond ASCII are Latin-1 text in an event."""
    scope, _ = http_request(function_url("/", headers={"x-bytes": sent.decode("latin-1")}), None)
    assert (b"x-bytes", sent) in scope["headers"]


def test_text_in_a_header_that_no_byte_stands_for_is_utf_8() -> None:
    scope, _ = http_request(function_url("/", headers={"x-text": "☃"}), None)
    assert (b"x-text", "☃".encode()) in scope["headers"]
