"""What events say about the request behind them, whichever event source sent them."""

from typing import Any

import pytest

from streamify_server import HttpResponse, streaming_handler
from streamify_server.events import header_of, is_http, kind_of, method_of, path_of, query_of
from support.answers import outcome

V2 = {
    "rawPath": "/a",
    "headers": {"accept": "x/y"},
    "queryStringParameters": {"q": "1"},
    "requestContext": {"http": {"method": "PUT", "path": "/stage/a"}},
}
V1 = {
    "httpMethod": "PUT",
    "path": "/stage/a",
    "multiValueHeaders": {"Accept": ["x/y", "z/z"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": {"q": ["0", "1"]},
    "requestContext": {},
}
LATTICE = {
    "method": "PUT",
    "raw_path": "/stage/a?q=1",
    "headers": {"ACCEPT": "x/y"},
    "query_string_parameters": {"q": "1"},
}


@pytest.mark.parametrize(("event", "accept"), [(V2, "x/y"), (V1, "x/y, z/z"), (LATTICE, "x/y")])
def test_an_event_of_each_format(event: Any, accept: str) -> None:
    assert (method_of(event), path_of(event)) == ("PUT", "/stage/a")
    assert (header_of(event, "accept"), query_of(event, "q")) == (accept, "1")


@pytest.mark.parametrize(
    "event", [None, [], "x", 7, {}, {"method": "charge"}, {"requestContext": None, "headers": 3}]
)
def test_what_is_no_http_event(event: Any) -> None:
    assert not is_http(event)
    assert (path_of(event), header_of(event, "accept"), query_of(event, "q")) == ("", None, None)


def context(**fields: Any) -> dict[str, Any]:
    return {"requestContext": fields}


KINDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "Function URL": (
        context(domainName="abc.lambda-url.us-east-1.on.aws", http={"method": "GET", "path": "/"}),
        "function_url",
    ),
    "REST API": ({"httpMethod": "GET", "path": "/", **context(stage="v1")}, "rest_api"),
    "HTTP API": (
        {"version": "2.0", **context(domainName="abc.execute-api.x", http={"method": "GET", "path": "/"})},
        "http_api",
    ),
    "HTTP API, format 1.0": (
        {"version": "1.0", "httpMethod": "GET", "path": "/", **context(stage="$default")},
        "http_api_1",
    ),
    "WebSocket API": (
        context(connectionId="L0SM9cOFvHcCIhw=", eventType="MESSAGE", routeKey="$default"),
        "websocket_api",
    ),
    "load balancer": ({"httpMethod": "GET", "path": "/", **context(elb={"targetGroupArn": "arn"})}, "alb"),
    "VPC Lattice, version 1": ({"method": "GET", "raw_path": "/?q=1", "headers": {"a": "b"}}, "lattice"),
    "VPC Lattice, version 2": (
        {"version": "2.0", "method": "GET", "path": "/", **context(serviceNetworkArn="arn")},
        "lattice",
    ),
    "a null method": ({"httpMethod": None, **context(stage="v1")}, "other"),
    "an empty context": ({"version": "2.0", **context()}, "other"),
    "a destination": ({"version": "1.0", **context(condition="Success"), "responsePayload": 1}, "other"),
    "an SDK call": ({"prompt": "hi", "method": "charge"}, None),
    "an SDK call with a null context": ({"requestContext": None}, None),
}
STREAMING = {"function_url", "rest_api", None}


@pytest.mark.parametrize(("event", "kind"), KINDS.values(), ids=KINDS)
def test_an_event_source_is_known_by_its_event(event: dict[str, Any], kind: str | None) -> None:
    assert kind_of(event) == kind


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize(("event", "kind"), KINDS.values(), ids=KINDS)
def test_only_what_can_read_a_stream_gets_one_and_the_rest_a_proxy_response(
    event: dict[str, Any], kind: str | None, bare: bool
) -> None:
    def respond(event: Any, context: Any) -> Any:
        body = iter(["a", "b"])
        return body if bare else HttpResponse(200, {"content-type": "text/plain"}, body)

    result = outcome(streaming_handler(respond), event)
    assert result.error is None
    if kind in STREAMING:
        assert (result.chunks, result.value) == ([b"a", b"b"], None)
    else:
        assert result.chunks == []
        assert (result.value["statusCode"], result.value["body"]) == (200, "ab")


@pytest.mark.parametrize(
    ("name", "cookies_in"),
    [
        ("HTTP API", "cookies"),
        ("HTTP API, format 1.0", "multiValueHeaders"),
        ("WebSocket API", "multiValueHeaders"),
        ("load balancer", "headers"),
        ("VPC Lattice, version 1", "headers"),
        ("VPC Lattice, version 2", "headers"),
    ],
)
def test_every_source_gets_all_cookies_where_it_reads_them(name: str, cookies_in: str) -> None:
    cookies = [f"c{number}={number}" for number in range(5)]
    handler = streaming_handler(lambda event, context: HttpResponse(200, {"x-a": "b"}, "x", cookies))
    answer = outcome(handler, KINDS[name][0]).value
    found = answer[cookies_in]
    if cookies_in == "headers":
        found = [value for key, value in found.items() if key.lower() == "set-cookie"]
    elif cookies_in == "multiValueHeaders":
        found = found["set-cookie"]
    assert found == cookies
    assert answer["headers"]["x-a"] == "b"


def test_more_cookies_than_a_load_balancer_can_be_sent_are_refused() -> None:
    event = KINDS["load balancer"][0]
    for count, fails in [(512, False), (513, True)]:
        response = HttpResponse(200, cookies=[f"c{number}=1" for number in range(count)])
        handler = streaming_handler(lambda event, context: event["sent"])
        error = outcome(handler, {**event, "sent": response}).error
        assert (error is not None) is fails
