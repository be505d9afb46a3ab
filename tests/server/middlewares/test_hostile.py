"""Hostile requests, to each middleware: a 4xx in bounded time and memory, never a 500, never through.

The handler behind each middleware answers 200 to a request that is what the middleware expects. What it must
never see is listed for each; what does not concern a middleware may pass.
"""

import base64
import gzip
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from streamify_server.middlewares import (
    error_logger,
    event_normalizer,
    http_content_encoding,
    http_content_negotiation,
    http_cors,
    http_error_handler,
    http_event_normalizer,
    http_header_normalizer,
    http_json_body_parser,
    http_jwt,
    http_multipart_body_parser,
    http_partial_response,
    http_response_serializer,
    http_router,
    http_security_headers,
    http_urlencode_body_parser,
    http_urlencode_path_parser,
    input_output_logger,
    validator,
    warmup,
)
from support.answers import answer_of, http

MIB = 1024 * 1024
HUGE = "a" * (5 * MIB)
NESTED = "[" * 500_000


def nested_list(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def request(method: str = "POST", **more: Any) -> dict[str, Any]:
    domain = "x.lambda-url.us-east-1.on.aws"
    context = {"http": {"method": method, "path": "/"}, "domainName": domain}
    return {"version": "2.0", "rawPath": "/", "headers": {}, "requestContext": context, **more}


def posted(content_type: str, body: Any, **more: Any) -> dict[str, Any]:
    headers = {"content-type": content_type, **more.pop("headers", {})}
    if isinstance(body, bytes):
        return request(headers=headers, body=base64.b64encode(body).decode(), isBase64Encoded=True, **more)
    return request(headers=headers, body=body, **more)


def part(disposition: str, content: bytes = b"x") -> bytes:
    return f"--cut\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


JSON, FORM, MULTIPART = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=cut",
)
BOMB = gzip.compress(bytes(200 * MIB))
IN_GZIP = {"content-encoding": "gzip"}

SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}, "rows": {"items": {"$ref": "#"}}},
    "additionalProperties": False,
}

# For each middleware the requests that must be answered with a 4xx.
REFUSED: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "http_json_body_parser": (
        http_json_body_parser,
        [
            posted(JSON, body)
            for body in (
                "",
                "{",
                NESTED,
                '{"a":' * 200_000,
                "1" * MIB,
                "NaN",
                '"\\ud800"',
                "\ud800",
                b"\xff\xfe\xff",
                b"\0" * 10,
                HUGE + HUGE,
                {"a": 1},
                3,
            )
        ]
        + [
            posted("text/" + HUGE, "{}"),
            posted("application/json" + ";a=b" * MIB + "x", "{"),
            posted(JSON, BOMB, headers=IN_GZIP),
            posted(JSON, b"no gzip", headers=IN_GZIP),
            posted(JSON, "{}", headers={"content-encoding": "br"}),
            {**posted(JSON, "%%%"), "isBase64Encoded": True},
            {**posted(JSON, "ü"), "isBase64Encoded": True},
        ],
    ),
    "http_urlencode_body_parser": (
        http_urlencode_body_parser,
        [
            posted(FORM, body)
            for body in ("&" * MIB, "a=%ff", b"\xff\xff", HUGE + HUGE, "a=%F0%9F", "\udfff=1", {"a": 1})
        ]
        + [posted(FORM, BOMB, headers=IN_GZIP), posted("x" * MIB, "a=b")],
    ),
    "http_multipart_body_parser": (
        http_multipart_body_parser,
        [
            posted(MULTIPART, body)
            for body in (
                b"",
                b"\xff" * MIB,
                b"--cut\r\n" * 200_000,
                b"--cut\r\n\r\n\r\n" * 200_000,
                b"\r" * MIB,
                b"\r\n--cu" * 100_000,
                part('form-data; name="a"') * 2000 + b"--cut--",
                part('form-data; name="a"', b"\xff") + b"--cut--",
                part('form-data; name="' + "n" * MIB) + b"--cut--",
                part('form-data; name="a"' + ';x="' * 100_000) + b"--cut--",
                part("form-data; name=a; filename*=utf-8''%ff") + b"--cut--",
                part("form-data; name=a; filename*=punycode''a") + b"--cut--",
                b"--cut\r\n" + b"a: b\r\n" * 10_000 + b"\r\n\r\n--cut--",
                part('form-data; name="a"')[:-10],
            )
        ]
        + [
            posted("multipart/form-data", b"--cut--"),
            posted("multipart/form-data; boundary=" + "x" * MIB, b"--x--"),
            posted('multipart/form-data; boundary="', b"--"),
            posted("multipart/form-data; boundary=\u20ac", b"--"),
            posted("multipart/form-data" + ';a="' * MIB, b"--"),
        ],
    ),
    "http_urlencode_path_parser": (
        http_urlencode_path_parser,
        [
            request(pathParameters={"id": value})
            for value in ("%", "%zz", "%ff", "%" * MIB, "%C3%28", "%E0%A4%A", "a%" + HUGE)
        ],
    ),
    "http_content_negotiation": (
        lambda: http_content_negotiation(
            available_media_types=["text/csv"],
            available_languages=["en"],
            available_encodings=["br"],
            available_charsets=["utf-8"],
        ),
        [
            request(headers={"accept": value})
            for value in (HUGE, "," * MIB, "a/b;" * MIB, "a/b", "text/csv;q=0", "\0", "ü/ü", "text/csv;q=nan")
        ]
        + [
            request(headers={"accept-language": "fr-" * MIB}),
            request(headers={"accept-encoding": "gzip, identity;q=0"}),
            request(headers={"accept-charset": "*;q=0"}),
            request(headers={"accept": ["a/b"] * 100_000}),
        ],
    ),
    "http_response_serializer": (
        lambda: http_response_serializer(serializers=[("^text/(a+)+$", lambda response: "x")]),
        [
            request(headers={"accept": value})
            for value in (HUGE, "image/png", "text/" + "a" * 200 + "b", "\0")
        ],
    ),
    "http_partial_response": (
        http_partial_response,
        [
            request(queryStringParameters={"fields": value})
            for value in (HUGE, "a(" * 1000, "a/" * 1000, "(", ")", "a//b", ",", "a(b", "\0(" * 900)
        ],
    ),
    "validator": (
        lambda: validator(event_schema=SCHEMA, coerce=True, defaults=True),
        [
            {},
            [],
            None,
            "text",
            {"name": "a" * 40 + "b"},
            {"name": HUGE + "b"},
            {"name": "a", **{str(number): 1 for number in range(50_000)}},
            {"name": "a", "rows": [{"name": 1}] * 50_000},
            {"name": "a", "rows": nested_list(900)},
            {"name": "\ud800"},
            {"name": ["a"] * 2},
        ],
    ),
    "http_jwt": (
        lambda: http_jwt(key="k" * 64, algorithm="HS256"),
        [
            request(headers={"authorization": value})
            for value in (
                HUGE,
                "Bearer " + HUGE,
                "Bearer " + "a." * MIB,
                "Bearer \0.\0.\0",
                "Bearer ü.ü.ü",
                "",
            )
        ],
    ),
    "event_normalizer": (
        event_normalizer,
        [
            {"awslogs": {"data": base64.b64encode(BOMB).decode()}},
            {"awslogs": {"data": HUGE + "%"}},
            {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "\ud800"}}]},
            {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {"a": {"L": {"b": 1}}}}}]},
            {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {"a": {"N": "1" * MIB}}}}]},
        ],
    ),
}
CASES = [(make, event) for make, events in REFUSED.values() for event in events]
IDS = [f"{name}-{number}" for name, (_, events) in REFUSED.items() for number in range(len(events))]


def status_of(middlewares: list[Any], event: Any, handler: Callable[[], Any]) -> tuple[int | None, bool]:
    """The status of the answer, and whether the handler ran."""
    from streamify_server import streaming_handler

    ran: list[bool] = []

    def respond(event: Any, context: Any) -> Any:
        ran.append(True)
        return handler()

    answer = answer_of(streaming_handler(middlewares=middlewares)(respond), event)
    assert answer.error is None
    return answer.status, bool(ran)


@pytest.mark.parametrize(("make", "event"), CASES, ids=IDS)
def test_a_hostile_request_is_refused_in_bounded_memory(make: Callable[[], Any], event: Any) -> None:
    """The limit of time is that of the suite for one test; a few of these would take hours without bounds."""
    middlewares = [make(), http_error_handler(logger=False)]
    changes_responses = hasattr(middlewares[0], "after") and not isinstance(middlewares[0], validator)
    tracemalloc.start()
    try:
        status, ran = status_of(middlewares, event, lambda: http({"name": "value"}))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status is not None
    assert 400 <= status <= 499
    assert ran is changes_responses
    assert peak < 160 * MIB


# Whatever of this comes, the request is answered as any other: these middlewares refuse nothing.
ANYTHING: list[Any] = [
    None,
    [],
    "text",
    3,
    {},
    {"headers": None, "requestContext": None, "queryStringParameters": None, "body": None},
    {
        "headers": 3,
        "requestContext": 4,
        "queryStringParameters": 5,
        "pathParameters": 6,
        "multiValueHeaders": 7,
    },
    {"headers": {"origin": None, "accept": {"a": 1}, "": ""}, "httpMethod": "OPTIONS"},
    request(headers={"origin": HUGE, "accept-encoding": "gzip," * 2000, "x" * MIB: "y"}),
    request(headers={"origin": "https://a\r\nx: y", "accept-encoding": "\0", "cache-control": "\ud800"}),
    request("OPTIONS", headers={"access-control-request-headers": "a," * MIB, "origin": "null"}),
    request("OPTIONS", headers={"access-control-request-method": HUGE, "origin": "https://a"}),
    request(headers={f"x-{number}": "y" for number in range(20_000)}),
    request(queryStringParameters={"fields": ["a"], "a": 1}),
    request(source="serverless-plugin-warmup" * 10, Records=[], body=nested_list(900)),
    {"Records": nested_list(900), "source": nested_list(900)},
    {"httpMethod": 3, "path": 4},
    {"httpMethod": "GET", "path": "/", "headers": {"accept-encoding": ["gzip"] * 1000}},
]
TOLERANT: dict[str, Callable[[], Any]] = {
    "error_logger": lambda: error_logger(logger=False),
    "http_content_encoding": http_content_encoding,
    "http_cors": lambda: http_cors(
        origins=["https://*.example.com"],
        request_headers=["x-a"],
        request_methods=["GET"],
        credentials=True,
        vary="x",
    ),
    "http_event_normalizer": http_event_normalizer,
    "http_header_normalizer": lambda: http_header_normalizer(canonical=True, default_headers={"a": "b"}),
    "http_security_headers": http_security_headers,
    "input_output_logger": lambda: input_output_logger(
        logger=lambda message: json.dumps(message, default=str), omit_paths=["event.headers.origin"], mask="*"
    ),
    "warmup": warmup,
    "http_partial_response": http_partial_response,
    "http_urlencode_path_parser": http_urlencode_path_parser,
    "event_normalizer": event_normalizer,
}


@pytest.mark.parametrize("event", ANYTHING, ids=range(len(ANYTHING)))
@pytest.mark.parametrize("make", TOLERANT.values(), ids=TOLERANT)
def test_what_does_not_concern_a_middleware_never_makes_it_fail(make: Callable[[], Any], event: Any) -> None:
    status, _ = status_of([make()], event, lambda: http("body " * 100))
    assert status in (200, 204)


@pytest.mark.parametrize("event", ANYTHING, ids=range(len(ANYTHING)))
@pytest.mark.parametrize("name", REFUSED)
def test_a_strange_event_is_passed_on_or_refused_and_never_a_failure(name: str, event: Any) -> None:
    make, _ = REFUSED[name]
    status, _ = status_of([make(), http_error_handler(logger=False)], event, lambda: http("a"))
    assert status is not None
    assert 200 <= status <= 499


@pytest.mark.parametrize(
    "event",
    [
        *ANYTHING,
        request("A" * MIB),
        {"httpMethod": "GET", "path": "/users/" + HUGE},
        {"httpMethod": "GET", "path": "/" * MIB},
        {"httpMethod": "GET", "path": "/users/" + "%" * MIB, "pathParameters": 3},
        {"httpMethod": "\0", "path": "\0"},
        {"httpMethod": "GET", "path": "/users/\ud800", "pathParameters": {"id": None}},
        {"version": "__proto__", "httpMethod": "GET", "path": "__proto__"},
    ],
)
def test_the_router_answers_any_request(event: Any) -> None:
    from streamify_server import streaming_handler

    routes = [
        ("GET", "/users/{id}", lambda event, context: http(str(len(event["pathParameters"]["id"])))),
        ("POST", "/{a}/{b}/{c}/{rest+}", lambda event, context: http("x")),
    ]
    handler = streaming_handler(middlewares=http_error_handler(logger=False))(http_router(routes))
    answer = answer_of(handler, event)
    assert answer.error is None
    assert answer.status is not None
    assert 200 <= answer.status <= 499
