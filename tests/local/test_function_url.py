"""Function URLs and REST APIs, by real HTTP requests."""

import base64
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from streamify_server.local import Cors, Fault, LocalLambda
from support.local import Gate, add_steps

PRELUDE = '{"statusCode": 201, "headers": {"X-A": "b"}, "cookies": ["c=1", "d=2"]}' + "\0" * 8


@pytest.fixture(scope="module")
def url(aws: LocalLambda) -> str:
    return aws.function_url("steps", invoke_mode="RESPONSE_STREAM")


@pytest.fixture(scope="module")
def rest(aws: LocalLambda) -> str:
    return aws.rest_api("steps", response_transfer_mode="STREAM")


@contextmanager
def request(
    url: str, *steps: Any, method: str = "GET", body: bytes | None = None, answers: str = "", **headers: str
) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url)
    told: dict[str, Any] = {"steps": steps} if steps else {}
    if answers:
        told["content_type"] = answers
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, body, {"X-Steps": json.dumps(told), **sent})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def test_a_request_becomes_an_event_of_format_2_0(url: str) -> None:
    with request(
        f"{url}a%20path/to?x=1&x=2&y=%C3%A9",
        ["event"],
        method="POST",
        body=b'{"in": "put"}',
        Content_Type="application/json",
        Cookie="a=1; b=2",
        User_Agent="test",
    ) as answer:
        event = json.loads(answer.read())
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/a%20path/to"
    assert event["rawQueryString"] == "x=1&x=2&y=%C3%A9"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "é"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["content-type"] == "application/json"
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert event["headers"]["host"] == urlsplit(url).netloc
    assert "cookie" not in event["headers"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"in": "put"}', False)
    context = event["requestContext"]
    assert context["accountId"] == "anonymous"
    assert context["domainName"] == f"{context['apiId']}.lambda-url.us-east-1.on.aws"
    assert context["http"] == {
        "method": "POST",
        "path": "/a%20path/to",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test",
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/octet-stream", b"\x00\xff"), ("image/png", b"text"), ("text/plain", b"\xff")],
)
def test_a_binary_body_is_in_base64(url: str, content_type: str, body: bytes) -> None:
    with request(url, ["event"], method="POST", body=body, Content_Type=content_type) as answer:
        event = json.loads(answer.read())
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == body


def test_a_prelude_becomes_status_headers_and_cookies(url: str) -> None:
    with request(url, ["write", PRELUDE + "bo"], ["write", "dy"], ["end"]) as answer:
        assert answer.status == 201
        assert answer.headers["x-a"] == "b"
        assert answer.headers.get_all("set-cookie") == ["c=1", "d=2"]
        assert answer.headers["x-amzn-requestid"]
        assert answer.read() == b"body"


def test_the_head_and_each_chunk_arrive_as_they_are_produced(url: str, gate: Gate, tmp_path: Any) -> None:
    second = Gate(tmp_path, "second")
    does = [
        ["write", PRELUDE],
        ["await", gate.path],
        ["write", "1"],
        ["await", second.path],
        ["write", "2"],
        ["end"],
    ]
    with request(url, *does) as answer:
        assert answer.status == 201
        gate.open()
        assert answer.read(1) == b"1"
        second.open()
        assert answer.read() == b"2"


def test_a_stream_without_a_prelude_is_a_200_of_its_own_type(url: str) -> None:
    with request(url, ["write", "a,b"], ["end"], answers="text/csv") as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/csv")
        assert answer.read() == b"a,b"


def test_a_bodiless_status_does_not_hang(url: str) -> None:
    with request(url, ["write", '{"statusCode": 204}' + "\0" * 8], ["end"]) as answer:
        assert answer.status == 204
        assert answer.read() == b""


def test_an_empty_body_hangs_as_on_aws_and_the_log_says_why(url: str, aws: LocalLambda) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=0.5)
    told = {"steps": [["write", PRELUDE], ["end"]]}
    connection.request("GET", "/", headers={"X-Steps": json.dumps(told)})
    answer = connection.getresponse()
    assert answer.status == 201
    with pytest.raises(TimeoutError):
        answer.read()
    answer.close()
    connection.close()
    assert any("prelude and no body" in line for line in aws.logs("steps"))


def test_an_empty_body_ends_if_so_configured(aws: LocalLambda) -> None:
    url = aws.function_url("steps", invoke_mode="RESPONSE_STREAM", empty_body="end")
    with request(url, ["write", PRELUDE], ["end"]) as answer:
        assert (answer.status, answer.read()) == (201, b"")


@pytest.mark.parametrize(
    "does", [[["error", "{}"]], [["kill"]], [["write", "no prelude" + "\0" * 8], ["end"]]]
)
def test_a_function_that_fails_before_its_head_is_a_502(url: str, does: list[Any]) -> None:
    with request(url, *does) as answer:
        assert answer.status == 502


def test_a_response_without_its_prelude_is_an_empty_200_and_the_log_says_why(
    url: str, rest: str, aws: LocalLambda
) -> None:
    """Node's `HttpResponseStream.from(...)` followed by `end()` writes none."""
    with request(url, ["end"]) as answer:
        assert (answer.status, answer.read()) == (200, b"")
        assert answer.headers["content-type"] == "application/octet-stream"
    assert any("status and headers are lost" in line for line in aws.logs("steps"))
    with request(rest, ["end"]) as answer:
        assert answer.status == 502


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("mode", ["RESPONSE_STREAM", "BUFFERED"])
def test_a_body_of_a_status_that_has_none_is_left_out(aws: LocalLambda, status: int, mode: Any) -> None:
    url = aws.function_url("steps", invoke_mode=mode)
    streamed = [["write", f'{{"statusCode": {status}}}' + "\0" * 8 + "body"], ["end"]]
    whole = [["answer", json.dumps({"statusCode": status, "body": "body"})]]
    with request(url, *(streamed if mode == "RESPONSE_STREAM" else whole)) as answer:
        assert (answer.status, answer.read()) == (status, b"")


@pytest.mark.parametrize("status", [100, 101, 103])
@pytest.mark.parametrize("mode", ["RESPONSE_STREAM", "BUFFERED"])
def test_an_informational_status_is_a_502_and_the_log_says_why(
    aws: LocalLambda, status: int, mode: Any
) -> None:
    url = aws.function_url("steps", invoke_mode=mode)
    streamed = [["write", f'{{"statusCode": {status}}}' + "\0" * 8 + "body"], ["end"]]
    whole = [["answer", json.dumps({"statusCode": status, "body": "body"})]]
    with request(url, *(streamed if mode == "RESPONSE_STREAM" else whole)) as answer:
        assert answer.status == 502
    assert any(f"statusCode is 200 to 599 and cannot be {status}" in line for line in aws.logs("steps"))


def test_a_head_request_has_no_body(url: str) -> None:
    with request(url, ["write", PRELUDE + "body"], ["end"], method="HEAD") as answer:
        assert (answer.status, answer.read()) == (201, b"")


def test_a_buffered_url_reads_one_json_object(aws: LocalLambda) -> None:
    url = aws.function_url("steps")
    reply = {"statusCode": 418, "headers": {"X-A": "b"}, "body": "tea", "cookies": ["a=1"]}
    with request(url, ["answer", json.dumps(reply)]) as answer:
        assert (answer.status, answer.headers["x-a"], answer.read()) == (418, "b", b"tea")
        assert answer.headers["set-cookie"] == "a=1"
        assert answer.headers["content-length"] == "3"


def test_a_stream_behind_a_buffered_url_loses_its_status(aws: LocalLambda) -> None:
    with request(aws.function_url("steps"), ["write", PRELUDE + "body"], ["end"]) as answer:
        assert answer.status == 200
        assert answer.read() == PRELUDE.encode() + b"body"


@pytest.mark.parametrize("door", ["url", "api"])
def test_a_malformed_chunked_body_is_refused_in_a_sentence_and_runs_nothing(
    url: str, aws: LocalLambda, door: str
) -> None:
    netloc = urlsplit(url if door == "url" else aws.endpoint_url).netloc
    before = len(aws.invocations("steps"))
    connection = http.client.HTTPConnection(netloc, timeout=30)
    connection.putrequest("POST", "/" if door == "url" else "/2015-03-31/functions/steps/invocations")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(b"5\r\nhello+++")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert "not chunked as its head says" in json.loads(answer.read())["message"]
    connection.close()
    assert len(aws.invocations("steps")) == before


@pytest.mark.parametrize("door", ["url", "api"])
def test_a_body_that_breaks_off_is_refused_in_a_sentence(url: str, aws: LocalLambda, door: str) -> None:
    where = urlsplit(url if door == "url" else aws.endpoint_url)
    path = "/" if door == "url" else "/2015-03-31/functions/steps/invocations"
    with socket.create_connection((where.hostname, where.port), timeout=30) as caller:
        head = f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 9\r\n\r\n"
        caller.sendall(head.encode() + b"{")
        caller.shutdown(socket.SHUT_WR)
        answer = caller.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"The connection ended before the body did." in answer


def test_too_large_a_request_is_a_413(url: str) -> None:
    with request(url, method="POST", body=b"x" * ((6 << 20) + 1)) as answer:
        assert answer.status == 413


def test_a_fault_befalls_a_url_too(url: str, aws: LocalLambda) -> None:
    aws.inject("steps", Fault(cut_after=2), times=1)
    with (
        request(url, ["write", PRELUDE + "body"], ["end"]) as answer,
        pytest.raises(http.client.IncompleteRead) as raised,
    ):
        answer.read()
    assert raised.value.partial == b"bo"
    aws.inject("steps", Fault(error="TooManyRequestsException"), times=1)
    with request(url, ["end"]) as answer:
        assert answer.status == 429


def test_a_foreign_origin_is_refused_and_its_own_is_not(url: str) -> None:
    with request(url, ["event"], Origin="https://evil.example") as answer:
        assert answer.status == 403
    with request(url, ["event"], Origin=url.rstrip("/")) as answer:
        assert answer.status == 200


CORS = Cors(
    allow_origins=["https://app.example"],
    allow_methods=["GET", "POST"],
    allow_headers=["x-steps"],
    expose_headers=["x-a"],
    allow_credentials=True,
    max_age=300,
)


def test_cors_answers_a_preflight_without_the_function(aws: LocalLambda) -> None:
    url = aws.function_url("steps", cors=CORS)
    before = len(aws.invocations("steps"))
    origin = "https://app.example"
    with request(url, method="OPTIONS", Origin=origin, Access_Control_Request_Method="POST") as answer:
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-methods"] == "GET,POST"
        assert answer.headers["access-control-allow-headers"] == "x-steps"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["access-control-max-age"] == "300"
    assert len(aws.invocations("steps")) == before


def test_cors_lets_in_whom_it_names_and_nobody_else(aws: LocalLambda) -> None:
    url = aws.function_url("steps", cors=CORS)
    with request(url, ["event"], Origin="https://app.example") as answer:
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-expose-headers"] == "x-a"
        assert json.loads(answer.read())["headers"]["origin"] == "https://app.example"
    with request(url, ["event"], Origin="https://other.example") as answer:
        assert answer.status == 403
    anyone = aws.function_url("steps", cors=Cors(allow_origins=["*"]))
    with request(anyone, ["event"], Origin="https://other.example") as answer:
        assert answer.headers["access-control-allow-origin"] == "*"


ELSEWHERE: dict[str, Any] = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}


@pytest.mark.parametrize(
    ("page", "status"),
    [
        (ELSEWHERE, 403),
        ({**ELSEWHERE, "Referer": "https://other.example/page"}, 403),
        ({**ELSEWHERE, "Referer": "https://app.example/page"}, 200),
        ({**ELSEWHERE, "Referer": "https://[app.example/page"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
    ],
)
def test_another_sites_images_scripts_and_links_run_no_function(
    aws: LocalLambda, page: dict[str, Any], status: int
) -> None:
    url = aws.function_url("steps", cors=CORS)
    before = len(aws.invocations("steps"))
    with request(url, ["event"], **page) as answer:
        assert answer.status == status
    assert len(aws.invocations("steps")) - before == (status == 200)


def test_another_sites_images_run_no_function_of_the_lambda_api(aws: LocalLambda) -> None:
    with request(f"{aws.endpoint_url}/2015-03-31/functions", **ELSEWHERE) as answer:
        assert answer.status == 403


REPLY = {"statusCode": 207, "headers": {"access-control-allow-origin": "https://app.example"}, "body": "own"}


@pytest.mark.parametrize("api", ["url", "rest"])
@pytest.mark.parametrize("origins", [["*"], ["https://app.example"]])
def test_an_origin_that_is_passed_on_is_answered_by_the_application(
    aws: LocalLambda, api: str, origins: list[str]
) -> None:
    front: Any = aws.function_url if api == "url" else aws.rest_api
    url = front("steps", pass_origins=origins)
    does = ["answer", json.dumps(REPLY)]
    origin: dict[str, Any] = {"Origin": "https://app.example", "Access_Control_Request_Method": "POST"}
    with request(url, does, method="OPTIONS", **origin) as answer:
        assert (answer.status, answer.read()) == (207, b"own")
        assert answer.headers.get_all("access-control-allow-origin") == ["https://app.example"]
    with request(url, does, Origin="https://other.example") as answer:
        assert answer.status == (207 if origins == ["*"] else 403)


def test_the_refusal_of_an_origin_names_it_and_the_options_that_let_it_in(url: str) -> None:
    with request(url, ["event"], Origin="https://other.example") as answer:
        text = answer.read().decode()
    for word in ("https://other.example", "pass_origins=", "cors="):
        assert word in text


@pytest.mark.parametrize("origins", ["*", ["app.example"], ["https://app.example/"], ["https://a.example/x"]])
def test_an_origin_that_no_browser_sends_is_refused(aws: LocalLambda, origins: Any) -> None:
    with pytest.raises(ValueError, match="rigin"):
        aws.rest_api("steps", pass_origins=origins)


def test_an_origin_is_answered_by_the_url_or_by_the_application_not_by_both(aws: LocalLambda) -> None:
    with pytest.raises(ValueError, match="use one of them"):
        aws.function_url("steps", cors=CORS, pass_origins=["*"])


def test_a_rest_api_sends_an_event_of_format_1_0(aws: LocalLambda) -> None:
    url = aws.rest_api("steps")
    with request(f"{url}a/b%20c?x=1&x=2", method="PUT", body=b"text", Content_Type="text/plain") as answer:
        assert answer.status == 502  # the event itself has no status code
    payload = json.loads(aws.invocations("steps")[-1].payload)
    assert payload["httpMethod"] == "PUT"
    assert (payload["path"], payload["resource"]) == ("/a/b%20c", "/{proxy+}")
    assert payload["requestContext"]["path"] == "/local/a/b%20c"
    assert payload["pathParameters"] == {"proxy": "a/b c"}
    assert payload["queryStringParameters"] == {"x": "2"}
    assert payload["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert payload["multiValueHeaders"]["content-type"] == ["text/plain"]
    assert (payload["body"], payload["isBase64Encoded"]) == ("text", False)
    assert payload["requestContext"]["stage"] == "local"


def test_a_rest_api_streams_behind_a_prelude(rest: str) -> None:
    prelude = '{"statusCode": 202, "multiValueHeaders": {"x-a": ["1", "2"]}}' + "\0" * 8
    with request(rest, ["write", prelude], ["write", "body"], ["end"]) as answer:
        assert (answer.status, answer.headers.get_all("x-a")) == (202, ["1", "2"])
        assert answer.read() == b"body"


@pytest.mark.parametrize(
    ("does", "content_type"),
    [
        ([["write", "bare"], ["end"]], "text/plain"),
        ([["write", '{"headers": {"a": "' + "x" * 17_000 + '"}}' + "\0" * 8], ["end"]], ""),
    ],
)
def test_a_rest_api_needs_a_prelude_in_the_first_sixteen_kilobytes(
    rest: str, does: list[Any], content_type: str
) -> None:
    with request(rest, *does, answers=content_type) as answer:
        assert answer.status == 502


def test_arguments_that_cannot_be_are_refused(aws: LocalLambda) -> None:
    with pytest.raises(ValueError, match="RESPONSE_STREAM"):
        aws.function_url("steps", invoke_mode="STREAM")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cors is a Cors"):
        aws.function_url("steps", cors={"allow_origins": ["*"]})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="allow_origins is a list"):
        Cors(allow_origins="https://app.example")
    with pytest.raises(ValueError, match="granted is a list"):
        aws.function_url("steps", granted="lambda:InvokeFunction")
    with pytest.raises(ValueError, match="An origin must be text"):
        aws.function_url("steps", pass_origins=[1])  # type: ignore[list-item]
    with pytest.raises(KeyError):
        aws.function_url("nope")


def test_a_url_of_a_function_added_before_the_start_works() -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        with request(aws.function_url("steps"), ["answer", '"x"']) as answer:
            assert answer.read() == b'"x"'
