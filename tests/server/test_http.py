"""HTTP answers: Function URLs, both kinds of API Gateway, load balancers; streamed or in one piece."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamify_server import Headers, HttpResponse, streaming_handler
from streamify_server.posting import posting_through
from streamify_server.response import from_dict
from support.answers import outcome
from support.posters import Poster
from support.runtime_api import RuntimeApi, running

FUNCTION_URL: dict[str, Any] = {
    "version": "2.0",
    "rawPath": "/",
    "headers": {},
    "requestContext": {
        "domainName": "abc.lambda-url.us-east-1.on.aws",
        "http": {"method": "GET", "path": "/"},
    },
}
HTTP_API: dict[str, Any] = {
    "version": "2.0",
    "rawPath": "/",
    "headers": {},
    "requestContext": {
        "domainName": "abc.execute-api.us-east-1.amazonaws.com",
        "http": {"method": "GET", "path": "/"},
    },
}
REST_API: dict[str, Any] = {
    "httpMethod": "GET",
    "path": "/",
    "headers": {},
    "multiValueHeaders": {},
    "requestContext": {"httpMethod": "GET", "resourcePath": "/", "apiId": "abc"},
}
ALB: dict[str, Any] = {
    "httpMethod": "GET",
    "path": "/",
    "headers": {},
    "requestContext": {"elb": {"targetGroupArn": "arn"}},
}
ALB_MULTI: dict[str, Any] = {**ALB, "multiValueHeaders": {}}
PNG = b"\x89PNG\r\n\x1a\n\0"

# Under AWS's own runtime client handlers stream as well, unless they are told not to.
NOT_STREAMING = {"STREAMIFY_RUNTIME": "off"}


def full() -> HttpResponse:
    response = HttpResponse(
        201,
        {"Content-Type": "text/plain", "X-Many": ["a", "b"], "Set-Cookie": "two=2", "Content-Length": "99"},
        body=iter(["Grüße"]),
        cookies=["one=1; Path=/"],
    )
    response.headers["Connection"] = "keep-alive, X-Hop"
    response.headers["X-Hop"] = "1"
    response.headers["Transfer-Encoding"] = "chunked"
    return response


@streaming_handler
def handler(event: Any, context: Any) -> Any:
    return full()


def prelude_of(event: Any, respond: Any = handler) -> Any:
    poster = Poster()
    with posting_through(poster):
        value = respond(event, None)
    if not poster.prelude:
        return value
    return {**json.loads(poster.prelude[:-8]), "type": poster.content_type, "body": b"".join(poster.chunks)}


HTTP_TYPE = "application/vnd.awslambda.http-integration-response"


@pytest.mark.parametrize("event", [{}, FUNCTION_URL], ids=["SDK invoke", "Function URL"])
def test_a_streamed_answer_has_cookies_apart_and_no_connection_headers(event: Any) -> None:
    assert prelude_of(event) == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain", "X-Many": "a, b"},
        "cookies": ["one=1; Path=/", "two=2"],
        "type": HTTP_TYPE,
        "body": "Grüße".encode(),
    }


def test_a_rest_api_gets_repeated_headers_as_multi_value_headers() -> None:
    assert prelude_of(REST_API) == {
        "statusCode": 201,
        "headers": {"Content-Type": "text/plain"},
        "multiValueHeaders": {"X-Many": ["a", "b"], "set-cookie": ["one=1; Path=/", "two=2"]},
        "type": HTTP_TYPE,
        "body": "Grüße".encode(),
    }


def test_a_bare_stream_for_a_rest_api_gets_the_prelude_that_it_needs() -> None:
    answer = prelude_of(REST_API, streaming_handler(lambda event, context: iter(["a"])))
    assert (answer["statusCode"], answer["body"]) == (200, b"a")
    assert answer["headers"] == {"content-type": "text/plain; charset=utf-8"}


def test_a_bare_stream_stays_bare_behind_a_function_url() -> None:
    result = outcome(streaming_handler(lambda event, context: iter(["a"])), FUNCTION_URL)
    assert result.status_code is None
    assert result.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize("event", [HTTP_API, ALB, ALB_MULTI], ids=["HTTP API", "ALB", "ALB, multi-value"])
def test_an_event_source_that_cannot_stream_gets_a_proxy_response(event: Any) -> None:
    response = HttpResponse(201, {"content-type": "text/plain"}, body=iter(["a", "b"]), cookies=["c=1"])
    value = prelude_of(event, streaming_handler(lambda event, context: response))
    assert (value["statusCode"], value["body"], value["isBase64Encoded"]) == (201, "ab", False)


def test_an_http_api_gets_cookies_in_a_list() -> None:
    value = prelude_of(HTTP_API)
    assert value["cookies"] == ["one=1; Path=/", "two=2"]
    assert value["headers"] == {"Content-Type": "text/plain", "X-Many": "a, b"}


def test_a_load_balancer_gets_headers_in_the_form_of_its_events() -> None:
    value = prelude_of(ALB_MULTI)
    assert value["multiValueHeaders"] == {
        "Content-Type": ["text/plain"],
        "X-Many": ["a", "b"],
        "set-cookie": ["one=1; Path=/", "two=2"],
    }
    assert "headers" not in value
    one_cookie = streaming_handler(lambda event, context: HttpResponse(200, cookies=["a=1"]))
    assert prelude_of(ALB, one_cookie)["headers"] == {"set-cookie": "a=1"}


def test_a_load_balancer_without_multi_value_headers_gets_cookies_under_names_in_different_case() -> None:
    headers = handler(ALB, None)["headers"]
    assert {name: value for name, value in headers.items() if name.lower() == "set-cookie"} == {
        "set-cookie": "one=1; Path=/",
        "Set-cookie": "two=2",
    }


@pytest.mark.parametrize("event", [FUNCTION_URL, HTTP_API, REST_API, ALB])
def test_bytes_that_are_no_text_are_sent_as_base64(event: Any) -> None:
    image = streaming_handler(
        lambda event, context: HttpResponse(200, {"content-type": "image/png"}, body=[PNG[:4], PNG[4:]])
    )
    value = image(event, None)
    assert value["isBase64Encoded"] is True
    assert base64.b64decode(value["body"]) == PNG


@pytest.mark.parametrize(
    ("headers", "body", "encoded"),
    [
        ({"content-type": "application/json"}, b"{}", False),
        ({"content-type": "application/problem+json"}, b"{}", False),
        ({"content-type": "image/svg+xml"}, b"<svg/>", False),
        ({"content-type": "text/html; charset=utf-8"}, "é".encode(), False),
        ({"content-type": "text/html; charset=iso-8859-1"}, b"e", True),
        ({"content-type": "text/html"}, b"\xff", True),
        ({"content-type": "application/json", "content-encoding": "gzip"}, b"{}", True),
        ({"content-type": "application/octet-stream"}, b"abc", True),
        ({}, b"", False),
    ],
)
def test_what_is_text_travels_as_text(headers: dict[str, str], body: bytes, encoded: bool) -> None:
    response = HttpResponse(200, headers, body=body)
    assert (
        streaming_handler(lambda event, context: response)(FUNCTION_URL, None)["isBase64Encoded"] is encoded
    )


@pytest.mark.parametrize(
    ("event", "size", "limit"),
    [(HTTP_API, 6291457, "6291456"), (ALB, 1048577, "1048576"), ({}, 6291457, "6291456")],
)
def test_an_answer_that_is_too_large_for_one_piece_is_an_error_that_says_so(
    event: Any, size: int, limit: str
) -> None:
    closed: list[bool] = []

    def body() -> Any:
        try:
            for _ in range(0, size, 65536):
                yield "x" * 65536
            yield "x"
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match=f"more than {limit} bytes.*Stream it"):
        streaming_handler(lambda _, context: HttpResponse(200, body=body()))(event, None)
    assert closed == [True]


def test_base64_counts_for_the_size() -> None:
    response = HttpResponse(200, {"content-type": "image/png"}, body=b"\xff" * 5_000_000)
    with pytest.raises(ValueError, match="more than 6291456 bytes"):
        streaming_handler(lambda event, context: response)(HTTP_API, None)


def test_respond_buffered_answers_in_one_piece_under_a_streaming_runtime_too() -> None:
    buffered = streaming_handler(respond="buffered")(lambda event, context: iter(["a", "b"]))
    assert outcome(buffered, {}).value == b"ab"
    assert outcome(buffered, FUNCTION_URL).value["body"] == "ab"


def test_the_environment_decides_where_the_decorator_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMIFY_RESPOND", "buffered")
    auto = streaming_handler(lambda event, context: iter(["a"]))
    stream = streaming_handler(respond="stream")(lambda event, context: iter(["a"]))
    assert outcome(auto, {}).value == b"a"
    assert outcome(stream, {}).chunks == [b"a"]
    monkeypatch.setenv("STREAMIFY_RESPOND", "perhaps")
    assert "STREAMIFY_RESPOND is 'perhaps'" in str(outcome(auto, {}).error)


@pytest.mark.parametrize("event", [HTTP_API, ALB])
def test_respond_stream_cannot_make_such_an_event_source_stream(event: Any) -> None:
    stream = streaming_handler(respond="stream")(lambda event, context: iter(["a"]))
    assert outcome(stream, event).value["body"] == "a"


def test_a_proxy_response_as_other_frameworks_make_it_is_understood() -> None:
    answer = {
        "statusCode": 200,
        "headers": {"content-type": "image/png"},
        "multiValueHeaders": {"x-a": ["1", "2"]},
        "cookies": ["a=1"],
        "body": base64.b64encode(PNG).decode(),
        "isBase64Encoded": True,
    }
    result = outcome(streaming_handler(lambda event, context: answer), FUNCTION_URL)
    assert result.body == PNG
    assert result.headers == {"content-type": "image/png", "x-a": "1, 2"}
    assert result.cookies == ["a=1"]


def test_a_status_may_be_text_as_api_gateway_takes_it() -> None:
    answer = {"statusCode": "201", "body": "made"}
    result = outcome(streaming_handler(lambda event, context: answer), FUNCTION_URL)
    assert (result.status_code, result.body) == (201, b"made")


@pytest.mark.parametrize(
    ("event", "sent"), [({}, b""), (FUNCTION_URL, b"\n"), (REST_API, b"\n"), (HTTP_API, None), (ALB, None)]
)
def test_an_empty_body_becomes_a_line_feed_where_the_caller_would_hang(
    event: Any, sent: bytes | None
) -> None:
    result = outcome(streaming_handler(lambda event, context: HttpResponse(301)), event)
    assert result.body == (sent or b"")
    if sent is None:
        assert result.value["body"] == ""


class Nothing:
    """A transform that leaves nothing."""

    def after(self, request: Any) -> None:
        request.transform_body(self)

    def feed(self, chunk: bytes) -> bytes:
        return b""

    finish = bytes


def test_a_body_that_comes_to_nothing_is_an_empty_body() -> None:
    handler = streaming_handler(lambda event, context: HttpResponse(200, body=event.get("body", "x")))
    handler.use(Nothing())
    assert outcome(handler, FUNCTION_URL).body == b"\n"
    assert outcome(handler, {**FUNCTION_URL, "body": fails_later()}).body == b"\n"


@pytest.mark.parametrize(("option", "sent"), [(b"", b""), ("{}", b"{}"), (b" ", b" ")])
def test_what_stands_for_an_empty_body_can_be_chosen(option: bytes | str, sent: bytes) -> None:
    assert (
        outcome(streaming_handler(empty_body=option)(lambda *_: HttpResponse(301)), FUNCTION_URL).body == sent
    )


@pytest.mark.parametrize(("status", "number"), [("200", 200), ("404", 404), (201, 201)])
def test_a_status_may_be_text(status: Any, number: int) -> None:
    handler = streaming_handler(lambda event, context: {"statusCode": status, "body": "x"})
    assert outcome(handler).status_code == number


@pytest.mark.parametrize("status", ["", "abc", "2000", "99", " 200", "\u0662\u0660\u0660", 200.0, True])
def test_a_status_that_is_none_is_refused(status: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_dict({"statusCode": status})


def test_one_value_of_multi_value_headers_need_not_stand_in_a_list() -> None:
    response = from_dict({"statusCode": 200, "multiValueHeaders": {"x-a": "one", "x-b": ["two", "three"]}})
    assert (response.headers.get_all("x-a"), response.headers.get_all("x-b")) == (["one"], ["two", "three"])


def test_headers_are_one_whatever_their_case_and_may_stand_more_than_once() -> None:
    headers = Headers([("Vary", "a"), ("vary", "b")])
    assert headers["VARY"] == "a, b"
    assert headers.get_all("vary") == ["a", "b"]
    headers["vary"] = "c"
    assert dict(headers) == {"vary": "c"}
    assert "Vary" in headers
    del headers["VARY"]
    assert not headers


SAME_SOURCE = """
from streamify_server import HttpResponse, streaming_handler

@streaming_handler
async def handler(event, context):
    return HttpResponse(201, {"content-type": "text/plain"}, body=body(event))

@streaming_handler
def bare(event, context):
    yield "hello "
    yield "world"

async def body(event):
    yield "hello "
    yield "world"
"""


@pytest.fixture
def same_source(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(SAME_SOURCE)
    return tmp_path


def test_the_same_source_answers_under_our_runtime(same_source: Path) -> None:
    with RuntimeApi() as api, running(api, same_source):
        post = api.invoke(FUNCTION_URL).result()
        assert post.prelude == {"statusCode": 201, "headers": {"content-type": "text/plain"}}
        assert post.chunks[1:] == [b"hello ", b"world"]


def test_the_same_source_answers_under_plain_awslambdaric(same_source: Path) -> None:
    with RuntimeApi() as api, running(api, same_source, module="awslambdaric", environment=NOT_STREAMING):
        post = api.invoke(FUNCTION_URL).result()
    assert post.header("lambda-runtime-function-response-mode") is None
    assert json.loads(post.body) == {
        "statusCode": 201,
        "headers": {"content-type": "text/plain"},
        "body": "hello world",
        "isBase64Encoded": False,
    }


def test_a_bare_stream_is_bytes_under_plain_awslambdaric(same_source: Path) -> None:
    with (
        RuntimeApi() as api,
        running(api, same_source, "app.bare", module="awslambdaric", environment=NOT_STREAMING),
    ):
        assert api.invoke({}).result().body == b"hello world"


def test_the_same_source_answers_as_a_function(same_source: Path) -> None:
    script = f"import app; print(app.handler({FUNCTION_URL!r}, None)['body'], app.bare({{}}, None))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=same_source, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "hello world b'hello world'\n", done.stderr


REST_API_EVENT: dict[str, Any] = {"httpMethod": "GET", "path": "/", "headers": {}, "requestContext": {}}


async def fails_at_once() -> Any:
    for nothing in list[str]():
        yield nothing
    raise PermissionError("the model says 401")


def fails_later() -> Any:
    yield "begun"
    raise PermissionError("the model says 401")


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize(("body", "empty"), [(fails_at_once, True), (fails_later, False)])
@pytest.mark.parametrize(("event", "filled"), [(FUNCTION_URL, True), (REST_API_EVENT, True), ({}, False)])
def test_a_body_that_fails_before_its_first_byte_lets_no_caller_wait_behind_the_prelude(
    event: Any, filled: bool, body: Any, empty: bool, verified: bool
) -> None:
    if verified:
        event = {**event, "headers": {"streamify-accept": "verified/1"}}
    poster = Poster()
    with posting_through(poster), pytest.raises(PermissionError):
        streaming_handler(lambda event, context: HttpResponse(200, body=body()))(event, None)
    assert poster.prelude
    assert isinstance(poster.error, PermissionError)
    if verified:
        assert b"the model says 401" in poster.chunks[-1]
    else:
        assert poster.chunks == ([b"\n"] if filled else []) if empty else [b"begun"]


@pytest.mark.parametrize("status", [101, 99, 600])
def test_a_status_that_no_response_can_have_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        HttpResponse(status)


def test_status_code_is_the_name_that_others_use_and_status_an_alias() -> None:
    response = HttpResponse(201)
    assert response.status_code == response.status == 201
    response.status_code = 202
    assert response.status == 202
    with pytest.raises(ValueError, match="700"):
        response.status_code = 700
