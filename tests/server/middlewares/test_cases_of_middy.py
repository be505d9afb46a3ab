"""What middy's own tests ask of its middlewares, as far as no other test here asks it already."""

import base64
import json
import logging
from typing import Any

import pytest

from streamify_server import HttpError, HttpResponse, Request, streaming_handler
from streamify_server.middlewares import (
    error_logger,
    http_content_encoding,
    http_content_negotiation,
    http_cors,
    http_error_handler,
    http_event_normalizer,
    http_header_normalizer,
    http_json_body_parser,
    http_multipart_body_parser,
    http_partial_response,
    http_response_serializer,
    http_router,
    http_urlencode_body_parser,
    http_urlencode_path_parser,
    input_output_logger,
    warmup,
)
from streamify_server.testing import invoke
from support.answers import answer_of, answer_with, context, get, http, outcome, through

A, B = "https://a.example", "https://b.example"
ANY = {"access-control-allow-origin": "*"}


def sent(response: Any, event: Any, middleware: Any) -> dict[str, str]:
    """The CORS headers of an answer, Vary and Cache-Control."""
    headers = answer_with(middleware, response, event).headers
    names = ("access-control-", "vary", "cache-control")
    return {name: value for name, value in headers.items() if name.startswith(names)}


def options(**headers: str) -> dict[str, Any]:
    return {"httpMethod": "OPTIONS", "headers": {name.replace("_", "-"): v for name, v in headers.items()}}


@pytest.mark.parametrize(
    ("given", "headers", "expected"),
    [
        ({}, {}, {}),
        ({}, {"Origin": A}, {}),
        ({"origin": "*"}, {}, ANY),
        ({"origin": A}, {}, {"access-control-allow-origin": A}),
        ({"origin": A}, {"Origin": B}, {"access-control-allow-origin": A}),
        ({"origins": ["*"]}, {"Origin": A}, ANY),
        ({"origins": [A, B]}, {"Origin": B}, {"access-control-allow-origin": B, "vary": "Origin"}),
        ({"origins": [A]}, {"Origin": A}, {"access-control-allow-origin": A, "vary": "Origin"}),
        ({"origins": [A, B]}, {"Origin": "https://c.example"}, {"vary": "Origin"}),
        ({"origins": [A, B]}, {"Origin": A.upper()}, {"access-control-allow-origin": A, "vary": "Origin"}),
        (
            {"origins": ["https://*.example"]},
            {"Origin": A.upper()},
            {"access-control-allow-origin": A, "vary": "Origin"},
        ),
        (
            {"origins": ["https://*.*.example"]},
            {"Origin": "https://x.y.example"},
            {"access-control-allow-origin": "https://x.y.example", "vary": "Origin"},
        ),
        ({"origins": ["https://*.*.example"]}, {"Origin": "https://x.example"}, {"vary": "Origin"}),
        (
            {"origins": ["http://a.example:8080"]},
            {"Origin": "http://a.example:8080"},
            {"access-control-allow-origin": "http://a.example:8080", "vary": "Origin"},
        ),
        ({"origins": ["xhttps://a.example"]}, {"Origin": A}, {"vary": "Origin"}),
        ({"origins": [A + "\n"]}, {"Origin": A}, {"vary": "Origin"}),
        ({"headers": "x-a"}, {}, {"access-control-allow-headers": "x-a"}),
        ({"methods": "GET,PUT"}, {}, {"access-control-allow-methods": "GET,PUT"}),
        ({"expose_headers": "X-A"}, {}, {"access-control-expose-headers": "X-A"}),
        ({"max_age": "3600"}, {}, {"access-control-max-age": "3600"}),
        ({"cache_control": "max-age=1"}, {}, {"cache-control": "max-age=1"}),
        ({"vary": "Accept"}, {}, {"vary": "Accept"}),
        (
            {"get_origin": lambda incoming: incoming, "origin": "*"},
            {"Origin": A},
            {"access-control-allow-origin": A, "vary": "Origin"},
        ),
        (
            {"origin": A, "credentials": True, "methods": "GET"},
            {"Origin": A},
            {
                "access-control-allow-origin": A,
                "access-control-allow-credentials": "true",
                "access-control-allow-methods": "GET",
            },
        ),
    ],
)
def test_the_headers_of_cors(given: Any, headers: dict[str, str], expected: dict[str, str]) -> None:
    answers_itself = http_cors(disable_before_preflight_response=False, **given)
    assert sent(None, options(**headers), answers_itself) == expected
    assert sent(lambda: http("x"), options(**headers), http_cors(**given)) == expected


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        (ANY, {"origin": A}, ANY),
        ({"access-control-allow-headers": "x"}, {"headers": "y"}, {"access-control-allow-headers": "x"}),
        ({"access-control-allow-methods": "x"}, {"methods": "y"}, {"access-control-allow-methods": "x"}),
        (
            {"access-control-expose-headers": "x"},
            {"expose_headers": "y"},
            {"access-control-expose-headers": "x"},
        ),
        ({"access-control-max-age": "-1"}, {"max_age": 5}, {"access-control-max-age": "-1"}),
        ({"cache-control": "a"}, {"cache_control": "b"}, {"cache-control": "a"}),
        ({"vary": "Accept"}, {"vary": "Accept"}, {"vary": "Accept"}),
        ({"vary": ""}, {"vary": "Accept"}, {"vary": "Accept"}),
        (
            {"vary": "Accept"},
            {"vary": "Cookie", "origins": [A]},
            {"vary": "Accept, Cookie, Origin", "access-control-allow-origin": A},
        ),
        (
            {"access-control-allow-credentials": "true"},
            {"origins": ["*"]},
            {
                "access-control-allow-credentials": "true",
                "access-control-allow-origin": A,
                "vary": "Origin",
            },
        ),
        (
            {"access-control-allow-credentials": "false"},
            {"origins": ["*"], "credentials": True},
            {"access-control-allow-credentials": "false", **ANY},
        ),
        (
            {"access-control-allow-credentials": "maybe"},
            {"origin": "*", "credentials": True},
            {"access-control-allow-credentials": "maybe", **ANY},
        ),
    ],
)
def test_cors_leaves_what_a_response_has(own: dict[str, str], given: Any, expected: dict[str, str]) -> None:
    cors = http_cors(**given)
    for _ in range(2):  # nothing of a response is kept for the next one
        assert sent(HttpResponse(200, own), options(Origin=A), cors) == expected
    assert "access-control-allow-credentials" not in sent(
        lambda: http("x"), get(origin=A), http_cors(origin="*")
    )


@pytest.mark.parametrize(
    ("given", "asked", "passes"),
    [
        ({"request_methods": ["GET"]}, {}, True),
        ({"request_methods": ["GET"]}, {"Access-Control-Request-Method": "GET"}, True),
        ({"request_methods": ["GET"]}, {"access-control-request-method": "get"}, False),
        ({"request_methods": []}, {"Access-Control-Request-Method": "POST"}, True),
        ({"request_headers": ["x-a"]}, {}, True),
        ({"request_headers": ["x-a", "x-b"]}, {"Access-Control-Request-Headers": "X-A, x-B"}, True),
        ({"request_headers": ["x-a"]}, {"access-control-request-headers": "Accept,Range,x-a"}, True),
        ({"request_headers": ["x-a"]}, {"access-control-request-headers": "x-a, x-c"}, False),
        ({"request_headers": []}, {"access-control-request-headers": "x-c"}, True),
        (
            {"request_headers": ["x-a"], "request_methods": ["GET"]},
            {"access-control-request-headers": "x-c", "access-control-request-method": "GET"},
            False,
        ),
    ],
)
def test_what_a_preflight_may_ask_for(given: Any, asked: dict[str, str], passes: bool) -> None:
    cors = http_cors(origin="*", disable_before_preflight_response=False, **given)
    assert sent(None, options(**asked), cors) == (ANY if passes else {})


@pytest.mark.parametrize(
    "middleware", [http_cors(origin=A), http_content_encoding(), http_partial_response()]
)
@pytest.mark.parametrize("event", [{}, {"source": "s3"}, None])
def test_an_event_that_is_not_http_and_an_error_that_nobody_handles_pass(middleware: Any, event: Any) -> None:
    assert answer_with(middleware, "x", event).body == b"x"
    boom = RuntimeError("boom")

    def fail() -> None:
        raise boom

    assert answer_with(middleware, fail, event).error is boom


@pytest.mark.parametrize(
    ("response", "cache_control"),
    [
        (lambda: http("body " * 99, cache_control="max-age=1"), "max-age=1, no-transform"),
        (lambda: http("body " * 99), "no-transform"),
    ],
)
def test_no_transform_of_a_request_is_handed_on(response: Any, cache_control: str) -> None:
    event = get(accept_encoding="gzip", cache_control="no-transform")
    answer = answer_with(http_content_encoding(), response, event)
    assert answer.headers["cache-control"] == cache_control
    assert "content-encoding" not in answer.headers


def test_a_cache_control_that_allows_it_does_not_keep_a_body_from_being_compressed() -> None:
    event = get(accept_encoding="gzip", cache_control="max-age=1")
    answer = answer_with(
        http_content_encoding(), lambda: http("body " * 99, cache_control="max-age=2"), event
    )
    assert (answer.headers["content-encoding"], answer.headers["cache-control"]) == ("gzip", "max-age=2")


@pytest.mark.parametrize("body", ["", None, b""])
def test_an_empty_body_is_not_compressed(body: Any) -> None:
    answer = answer_with(http_content_encoding(), lambda: http(body), get(accept_encoding="gzip"))
    assert "content-encoding" not in answer.headers


def negotiated(given: dict[str, Any], **headers: str) -> dict[str, Any]:
    seen = context()
    streaming_handler(middlewares=http_content_negotiation(**given))(lambda event, context: None)(
        get(**headers), seen
    )
    return {name: value for name, value in vars(seen).items() if name.startswith("preferred_")}


def test_only_what_is_asked_for_is_negotiated() -> None:
    off: dict[str, Any] = {
        f"parse_{aspect}": False for aspect in ("charsets", "encodings", "languages", "media_types")
    }
    headers = {"accept": "a/b", "accept_language": "en", "accept_encoding": "br", "accept_charset": "utf-8"}
    assert negotiated(off, **headers) == {}
    assert negotiated({**off, "parse_languages": True}, **headers) == {
        "preferred_languages": ["en"],
        "preferred_language": "en",
    }


@pytest.mark.parametrize(
    ("available", "accepted", "found"),
    [
        (["en-ca", "en"], "en-US", ["en"]),
        (["en-ca", "en"], "en-CA", ["en-ca", "en"]),
        (["en"], "en-us", ["en"]),
        (["en-ca"], "en", ["en-ca"]),
        ([], "en", []),
        (None, "", []),
    ],
)
def test_a_language_is_found_by_its_region_and_without(available: Any, accepted: str, found: Any) -> None:
    seen = negotiated({"available_languages": available}, accept_language=accepted)
    assert seen["preferred_languages"] == found
    assert seen["preferred_language"] == (found[0] if found else None)


def test_a_refused_negotiation_keeps_what_was_asked_for_as_its_cause() -> None:
    with pytest.raises(HttpError, match="No acceptable media type; there is a/b") as refused:
        negotiated({"available_media_types": ["a/b"]}, accept="c/d")
    assert str(refused.value.__cause__) == "accept: c/d"


@pytest.mark.parametrize(
    ("parser", "event"),
    [
        (http_json_body_parser(), {"headers": {"content-type": "application/json"}, "body": "{no json"}),
        (http_json_body_parser(), {"headers": {"content-type": "text/plain"}, "body": "x"}),
        (
            http_json_body_parser(),
            {"headers": {"content-type": "application/json"}, "body": "%", "isBase64Encoded": True},
        ),
        (
            http_urlencode_body_parser(),
            {"headers": {"content-type": "application/x-www-form-urlencoded"}, "body": "%ff"},
        ),
        (
            http_multipart_body_parser(),
            {"headers": {"content-type": "multipart/form-data; boundary=a"}, "body": "--b"},
        ),
        (http_urlencode_path_parser(), {"pathParameters": {"a": "%ff"}}),
    ],
)
def test_a_refusal_of_a_parser_has_a_cause(parser: Any, event: Any) -> None:
    with pytest.raises(HttpError) as refused:
        through(parser, event)
    assert refused.value.__cause__ is not None


@pytest.mark.parametrize(
    "parser", [http_json_body_parser(), http_urlencode_body_parser(), http_multipart_body_parser()]
)
@pytest.mark.parametrize(
    "event", [{}, {"headers": {}}, {"headers": {}, "body": None}, get(), {**get(content_type="text/x")}]
)
def test_a_request_without_a_body_is_left_alone(parser: Any, event: Any) -> None:
    assert through(parser, event) == event


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/x-www-form-urlencoded-extra", 415),
        ("text/application/x-www-form-urlencoded", 415),
        ("APPLICATION/x-www-form-urlencoded ; charset=utf-8", None),
    ],
)
def test_a_content_type_is_matched_whole(content_type: str, status: int | None) -> None:
    event = {"headers": {"Content-Type": content_type}, "body": "a[b][c]=i&__proto__[x]=1&constructor=2"}
    if status is None:
        fields = through(http_urlencode_body_parser(), event)["body"]
        assert fields == {"a[b][c]": "i", "__proto__[x]": "1", "constructor": "2"}
        return
    with pytest.raises(HttpError) as refused:
        through(http_urlencode_body_parser(), event)
    assert refused.value.status_code == status


def test_a_message_of_a_websocket_is_parsed_without_a_content_type() -> None:
    event = {"requestContext": {"connectionId": "c", "routeKey": "$default"}, "body": '{"action": "send"}'}
    parser = http_json_body_parser(disable_content_type_check=True)
    assert through(parser, event)["body"] == {"action": "send"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("n" * 100, {"n" * 100: "v"}),
        ("x[[[[", {"x[[[[": "v"}),
        ("a[]", {"a": ["v"]}),
        ("a[b]", {"a[b]": "v"}),
        ("[]", {"[]": "v"}),
    ],
)
def test_the_name_of_a_field_of_a_form(name: str, fields: Any) -> None:
    body = f'--T\r\nContent-Disposition: form-data; name="{name}"\r\n\r\nv\r\n--T--'
    for content_type in ("multipart/form-data; boundary=T", 'multipart/form-data;charset=utf-8;boundary="T"'):
        event = {"headers": {"content-type": content_type}, "body": body}
        assert through(http_multipart_body_parser(), event)["body"] == fields


def test_line_feeds_alone_do_not_end_the_lines_of_a_form() -> None:
    body = base64.b64encode(b'--T\nContent-Disposition: form-data; name="a"\n\nv\n--T--').decode()
    event = {"headers": {"content-type": "multipart/form-data; boundary=T"}, "body": body}
    with pytest.raises(HttpError) as refused:
        through(http_multipart_body_parser(), {**event, "isBase64Encoded": True})
    assert refused.value.status_code == 422


@pytest.mark.parametrize(
    "event", [{"pathParameters": None}, {}, {"pathParameters": {"n": 100, "s": "a+b c"}}]
)
def test_path_parameters_without_encoding_stay(event: Any) -> None:
    assert through(http_urlencode_path_parser(), event) == event


def test_path_parameters_are_decoded_one_by_one() -> None:
    event = {"pathParameters": {"a": "M%C3%AEddy", "b": "%2F", "c": "%2541"}}
    assert through(http_urlencode_path_parser(), event)["pathParameters"] == {
        "a": "Mîddy",
        "b": "/",
        "c": "%41",
    }
    assert event["pathParameters"]["a"] == "M%C3%AEddy"


@pytest.mark.parametrize(
    ("event", "parameters"),
    [
        ({"version": "3.0"}, None),
        ({"source": "s3"}, None),
        ({"method": "GET", "query_string_parameters": {"a": "b"}}, {"a": "b"}),
        ({"method": "GET", "is_base64_encoded": False}, {}),
        ({"httpMethod": "GET", "queryStringParameters": {"a": "b"}}, {"a": "b"}),
    ],
)
def test_the_query_of_a_normalized_event(event: Any, parameters: Any) -> None:
    assert through(http_event_normalizer(), event).get("queryStringParameters") == parameters


@pytest.mark.parametrize("name", ["X----", "constructor", "tostring", "__proto__", "", "-"])
@pytest.mark.parametrize("canonical", [True, False])
def test_any_header_name_is_normalized_and_its_value_kept(name: str, canonical: bool) -> None:
    headers = through(http_header_normalizer(canonical=canonical), {"headers": {name: "v"}})["headers"]
    assert [(key.lower(), value) for key, value in headers.items()] == [(name.lower(), "v")]


def test_a_header_name_is_made_once() -> None:
    made: list[str] = []

    def upper(name: str, canonical: bool) -> str:
        made.append(name)
        return name.upper()

    normalizer = http_header_normalizer(normalize_header_key=upper)
    for _ in range(2):
        assert through(normalizer, {"headers": {"a": "1"}})["headers"] == {"A": "1"}
    assert made == ["a"]


def test_an_error_answered_already_is_left_alone_and_later_middlewares_see_the_answer() -> None:
    def fail() -> None:
        raise HttpError(422, "<error/>", headers={"Content-Type": "application/xml"})

    class Stamp:
        def on_error(self, request: Request) -> None:
            request.response.headers["x-stamp"] = "1"

    answer = answer_with([Stamp(), http_error_handler(logger=False)], fail, get())
    assert (answer.status, answer.headers["content-type"]) == (422, "application/xml")
    assert answer.headers["x-stamp"] == "1"
    handler = streaming_handler(middlewares=http_error_handler(logger=False))(lambda event, context: fail())
    handler.on_error(lambda request: setattr(request, "response", "handled"))
    assert answer_of(handler, get()).body == b"handled"


def test_a_logger_of_errors_gets_the_request_whole() -> None:
    seen: list[Any] = []

    def fail() -> None:
        raise ValueError("boom")

    answer_with(error_logger(logger=seen.append), fail, {"a": 1})
    [request] = seen[:1]
    assert (request.event, str(request.error), request.internal is not None) == ({"a": 1}, "boom", True)


def logged(response: Any, event: Any, **given: Any) -> list[Any]:
    messages: list[Any] = []
    answer_with(input_output_logger(logger=messages.append, **given), response, event)
    return messages


@pytest.mark.parametrize(
    ("paths", "event", "shown"),
    [
        (["event.a.b", "event.a.c"], {"a": {"b": 1, "c": 2, "d": 3}}, {"a": {"d": 3}}),
        (["event.a.a", "event.b.[].b", "event.b"], {"a": {"a": 1}, "b": [{"b": 1}]}, {"a": {}}),
        (["event.l.[].s"], {"l": [{"s": 1, "k": 1}, {"k": 2}]}, {"l": [{"k": 1}, {"k": 2}]}),
        (["event.l.x"], {"l": [{"x": 1}]}, {"l": [{"x": 1}]}),
        (["event.absent"], {"a": 1}, {"a": 1}),
        (
            ["event.n.n", "event.t.t", "event.z.z"],
            {"n": None, "t": True, "z": 0},
            {"n": None, "t": True, "z": 0},
        ),
        ([["event", "a.b"]], {"a.b": 1, "a": {"b": 2}}, {"a": {"b": 2}}),
        ([["event", "a"], "event.b"], {"a": 1, "b": 2, "c": 3}, {"c": 3}),
        (["event"], {"a": 1}, "[withheld]"),
    ],
)
def test_what_is_left_out_of_a_log(paths: Any, event: Any, shown: Any) -> None:
    original = json.dumps(event)
    assert logged("x", event, omit_paths=paths)[0] == {"event": shown}
    assert json.dumps(event) == original


def test_a_mask_stands_only_where_something_was() -> None:
    shown = logged("x", {"a": 1, "b": 2}, omit_paths=["event.a", "event.b", "event.c"], mask="*")[0]["event"]
    assert shown == {"a": "*", "b": "*"}


def test_a_logger_of_the_standard_library_gets_the_messages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="io")
    answer = answer_with(input_output_logger(logger=logging.getLogger("io")), "x", {"a": 1})
    assert (answer.body, answer.error) == (b"x", None)
    assert [record.getMessage() for record in caplog.records] == [
        "{'event': {'a': 1}}",
        "{'response': 'x', 'bytes': 1}",
    ]


def test_the_response_of_a_handled_error_is_logged_once() -> None:
    messages: list[Any] = []

    def fail() -> None:
        raise RuntimeError

    handler = streaming_handler(middlewares=input_output_logger(logger=messages.append))(
        lambda event, context: fail()
    )
    invoke(handler.on_error(lambda request: setattr(request, "response", "recovered")), {"a": 1})
    assert [next(iter(message)) for message in messages] == ["event", "response"]


def test_a_body_that_names_no_type_is_serialized_by_what_comes_first() -> None:
    texts = [
        ("^application/json$", lambda response: json.dumps(response.body)),
        ("xml", lambda response: "<x/>"),
    ]
    serializer = http_response_serializer(serializers=texts, default_content_type="application/json")
    events: list[Any] = [{}, {"headers": {}}, {"headers": {"Content-Type": "application/xml"}}]
    for event in [*events, get(accept="image/*")]:
        answer = answer_with(serializer, lambda: http("a"), event)
        assert (answer.headers["content-type"], answer.body) == ("application/json", b'"a"')
    assert answer_with(http_response_serializer(), lambda: http("a"), get()).body == b"a"


@pytest.mark.parametrize(
    ("routes", "event", "answer"),
    [
        ([("GET", "/", "root")], {"httpMethod": "GET", "path": "//"}, "root"),
        ([("GET", "/user", "u")], {"httpMethod": "GET", "path": "/user/"}, "u"),
        ([("ANY", "/", "any")], {"httpMethod": "POST", "path": "/"}, "any"),
        ([("GET", "/p", "p")], {"method": "GET", "raw_path": "/p?a=1&b=2"}, "p"),
        ([("GET", "/p", "p")], {"method": "GET", "raw_path": "/p?"}, "p"),
        ([("GET", "/p/{proxy+}", "p")], {"httpMethod": "GET", "path": "/pathology"}, 404),
        ([("GET", "/p/{proxy+}", "p")], {"httpMethod": "GET", "path": "/p"}, "p"),
        (
            [("GET", "/{proxy+}", "wild"), ("GET", "/about", "fixed")],
            {"httpMethod": "GET", "path": "/about"},
            "fixed",
        ),
        (
            [("GET", "/{proxy+}", "wild"), ("GET", "/u/{id}", "one")],
            {"httpMethod": "GET", "path": "/u/1"},
            "wild",
        ),
        (
            [("GET", "/u/{id}", "one"), ("GET", "/{proxy+}", "wild")],
            {"httpMethod": "GET", "path": "/u/1/x"},
            "wild",
        ),
        ([("GET", "/v1.0/{id}", "v")], {"httpMethod": "GET", "path": "/v1X0/1"}, 404),
        ([("GET", "/u/{id}", "u")], {"httpMethod": "GET", "path": "/u/1/x"}, 404),
        ([("GET", "/u/{a}/p/{b}", "u")], {"httpMethod": "GET", "path": "/u/1"}, 404),
        ([("GET", "/", "root")], {"httpMethod": "POST", "path": "/"}, 405),
        ([], {"httpMethod": "GET", "path": "/"}, 404),
        ([("GET", "/", "root")], {"path": "/"}, 400),
        ([("GET", "/", "root")], {"httpMethod": "GET"}, 400),
        ([("GET", "/", "root")], {"method": "GET", "raw_path": "?x=1"}, 400),
        ([("GET", "/", "root")], {"version": "2.0", "requestContext": {}}, 400),
        ([("GET", "/", "root")], {"httpMethod": "GET", "path": "__proto__"}, 404),
    ],
)
def test_where_a_request_is_routed(routes: Any, event: Any, answer: Any) -> None:
    def handler(name: str) -> Any:
        return lambda event, context: http(name)

    router = http_router([(method, path, handler(name)) for method, path, name in routes])
    found = answer_of(streaming_handler(middlewares=http_error_handler(logger=False))(router), event)
    if isinstance(answer, int):
        assert found.status == answer
    else:
        assert (found.status, found.body) == (200, answer.encode())


def test_parameters_of_a_route_join_those_of_the_event() -> None:
    seen: list[Any] = []
    router = streaming_handler(http_router([("GET", "/u/{id}", lambda event, context: seen.append(event))]))
    event = {"httpMethod": "GET", "path": "/u/123", "pathParameters": {"previous": "321"}}
    invoke(router, event)
    assert seen[0]["pathParameters"] == {"id": "123", "previous": "321"}
    assert event["pathParameters"] == {"previous": "321"}


def test_what_keeps_warm_gets_the_event_itself() -> None:
    seen: list[Any] = []

    def is_warming_up(event: Any) -> bool:
        seen.append(event)
        return bool(event.get("warm"))

    ping = {"warm": True}
    handler = streaming_handler(middlewares=warmup(is_warming_up=is_warming_up))(
        lambda event, context: "work"
    )
    assert (invoke(handler, ping).text, invoke(handler, {}).text) == ("warmup", "work")
    assert seen[0] is ping


def test_a_before_that_adds_a_before_adds_it_for_the_next_request() -> None:
    ran: list[str] = []
    handler = streaming_handler(lambda event, context: "x")

    def add(request: Request) -> None:
        ran.append("first")
        if len(ran) == 1:
            handler.before(lambda request: ran.append("added"))

    handler.before(add)
    invoke(handler)
    invoke(handler)
    assert ran == ["first", "first", "added"]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_an_early_response_of_a_hook_that_then_fails_does_not_count(phase: str) -> None:
    def fail(request: Request) -> None:
        request.early_response = "stale"
        raise ValueError("after all")

    handler = streaming_handler(lambda event, context: "x")
    getattr(handler, phase)(fail)
    assert str(outcome(handler).error) == "after all"
    handler.on_error(lambda request: setattr(request, "early_response", "fresh"))
    assert invoke(handler).text == "fresh"


def test_on_error_that_raises_the_same_error_makes_no_circle() -> None:
    def again(request: Request) -> None:
        assert request.error is not None
        raise request.error

    error: BaseException | None = outcome(
        streaming_handler(lambda event, context: 1 / 0).on_error(again)
    ).error
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    assert error is None
