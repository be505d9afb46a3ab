"""http_cors: who may read, decided by table, and what is added to a response of any kind."""

from collections.abc import Callable
from typing import Any

import pytest

from streamify_server import HttpResponse
from streamify_server.middlewares import http_cors, http_error_handler
from support.answers import BODIES, TEXT, answer_with, get, http

APP = "https://app.example.com"
ORIGIN, CREDENTIALS = "access-control-allow-origin", "access-control-allow-credentials"


@pytest.mark.parametrize(
    ("options", "incoming", "allowed"),
    [
        ({}, APP, None),
        ({}, None, None),
        ({"origin": "*"}, APP, "*"),
        ({"origin": "*"}, None, "*"),
        ({"origin": "*", "credentials": True}, APP, APP),
        ({"origin": "*", "credentials": True}, None, None),
        ({"origin": "*", "credentials": True}, "null", None),
        ({"origin": APP}, "https://other.net", APP),
        ({"origin": "https://APP.example.com"}, APP, APP),
        ({"origins": [APP]}, APP, APP),
        ({"origins": [APP]}, "HTTPS://App.Example.com", APP),
        ({"origins": [APP]}, "https://other.net", None),
        ({"origins": [APP]}, "http://app.example.com", None),
        ({"origins": [APP]}, APP + ":8443", None),
        ({"origins": [APP]}, None, None),
        ({"origins": ["*"]}, APP, "*"),
        ({"origins": ["*"], "credentials": True}, APP, APP),
        ({"origins": ["https://a.net"], "origin": APP}, APP, APP),
        ({"origins": ["https://*.example.com"]}, APP, APP),
        ({"origins": ["https://*.example.com"]}, "https://a.b.example.com", None),
        ({"origins": ["https://*.example.com"]}, "https://example.com", None),
        ({"origins": ["https://*.example.com"]}, "https://evil.net/.example.com", None),
        ({"origins": ["https://*.example.com"]}, "https://x-example.com", None),
        ({"origins": ["https://*.example.com"]}, "https://appXexample.com", None),
        ({"origins": ["https://*.example.com"]}, "https://app.example.com.evil.net", None),
        ({"origins": ["http://localhost:*"]}, "http://localhost:5173", "http://localhost:5173"),
        (
            {"origins": ["https://bücher.example"]},
            "https://xn--bcher-kva.example",
            "https://xn--bcher-kva.example",
        ),
        ({"origins": ["null"]}, "null", "null"),
        ({"origin": "*", "credentials": True}, "https://a\r\nset-cookie: b", None),
        ({"origin": "*", "credentials": True}, "https://" + "a" * 300, None),
        ({"get_origin": lambda incoming: incoming}, APP, APP),
        ({"get_origin": lambda incoming: incoming}, "https://a\r\nset-cookie: b", None),
        ({"get_origin": lambda incoming: "https://fixed.net"}, APP, "https://fixed.net"),
        ({"get_origin": lambda incoming: None, "origin": "*"}, APP, None),
    ],
)
def test_which_origin_is_allowed(options: dict[str, Any], incoming: str | None, allowed: str | None) -> None:
    assert http_cors(**options).allowed_origin(incoming) == allowed


@pytest.mark.parametrize(
    ("options", "event", "varies"),
    [
        ({"origin": "*"}, get(origin=APP), False),
        ({"origin": APP}, get(origin=APP), False),
        ({"origins": [APP]}, get(origin=APP), True),
        ({"origins": [APP]}, get(origin="https://other.net"), True),  # or a cache gives this answer to APP
        ({"origins": [APP]}, get(), True),
        ({"origin": "*", "credentials": True}, get(origin=APP), True),
        ({"get_origin": lambda incoming: None}, get(origin=APP), True),
    ],
)
def test_an_answer_that_depends_on_the_origin_says_so(
    options: dict[str, Any], event: Any, varies: bool
) -> None:
    answer = answer_with(http_cors(**options), http("x"), event)
    assert ("origin" in answer.headers.get("vary", "").lower()) is varies


def test_every_option_has_its_header() -> None:
    cors = http_cors(
        origin=APP,
        credentials=True,
        headers="X-Api-Key",
        methods="GET,POST",
        expose_headers="X-Total",
        max_age=0,
        cache_control="max-age=60",
        vary="Accept-Language",
    )
    answer = answer_with(cors, http("x", vary="Accept"), get())
    assert answer.headers == {
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
        "access-control-allow-headers": "X-Api-Key",
        "access-control-allow-methods": "GET,POST",
        "access-control-expose-headers": "X-Total",
        "access-control-max-age": "0",
        "vary": "Accept, Accept-Language",
        "content-type": "text/plain; charset=utf-8",
    }


def test_what_the_handler_set_stays() -> None:
    own = http("x", access_control_allow_origin="https://own.net", access_control_allow_credentials="false")
    answer = answer_with(http_cors(origin="*", credentials=True), own, get(origin=APP))
    assert (answer.headers[ORIGIN], answer.headers[CREDENTIALS]) == ("https://own.net", "false")


def preflight(**headers: str) -> dict[str, Any]:
    event = get(origin=APP, **headers)
    event["requestContext"]["http"]["method"] = "OPTIONS"
    return event


@pytest.mark.parametrize(
    ("options", "headers", "allowed"),
    [
        ({}, {}, True),
        ({"request_methods": ["PUT"]}, {"access_control_request_method": "PUT"}, True),
        ({"request_methods": ["PUT"]}, {"access_control_request_method": "DELETE"}, False),
        ({"request_headers": ["X-Key"]}, {"access_control_request_headers": "x-key, Content-Type"}, True),
        ({"request_headers": ["X-Key"]}, {"access_control_request_headers": "x-other"}, False),
    ],
)
def test_a_preflight_is_answered_before_the_handler(
    options: dict[str, Any], headers: dict[str, str], allowed: bool
) -> None:
    cors = http_cors(
        origin=APP, disable_before_preflight_response=False, cache_control="max-age=60", **options
    )
    answer = answer_with(cors, lambda: pytest.fail("the handler ran"), preflight(**headers))
    assert (answer.status, (ORIGIN in answer.headers)) == (204, allowed)
    assert answer.headers.get("cache-control") == ("max-age=60" if allowed else None)


def test_a_preflight_reaches_the_handler_unless_told_otherwise() -> None:
    assert answer_with(http_cors(origin=APP), http(None, 200), preflight()).status == 200


@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "OPTIONS", "headers": {"Origin": APP}},
        {"httpMethod": "OPTIONS", "multiValueHeaders": {"origin": [APP]}},
        {"method": "OPTIONS", "headers": {"origin": APP}, "raw_path": "/"},
    ],
)
def test_every_format_of_event_is_understood(event: dict[str, Any]) -> None:
    cors = http_cors(origins=[APP], disable_before_preflight_response=False)
    assert answer_with(cors, "x", event).headers[ORIGIN] == APP


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_of_any_kind_goes_out_unchanged(body: Callable[[], Any]) -> None:
    answer = answer_with(http_cors(origin="*"), lambda: http(body()))
    assert (answer.headers[ORIGIN], answer.body) == ("*", TEXT.encode())


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bare_body_stays_bare(body: Callable[[], Any]) -> None:
    answer = answer_with(http_cors(origin="*"), body)
    assert answer.error is None
    assert (answer.bare, answer.body) == (True, TEXT.encode())


def test_an_error_that_is_answered_can_be_read_too() -> None:
    def failing() -> HttpResponse:
        raise RuntimeError

    middlewares = [http_cors(origin="*"), http_error_handler(logger=False)]
    answer = answer_with(middlewares, failing, get())
    assert (answer.status, answer.headers[ORIGIN]) == (500, "*")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"origns": []}, TypeError),
        ({"origins": APP}, TypeError),
        ({"request_methods": "GET"}, TypeError),
        ({"headers": "a\r\nb: c"}, ValueError),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        http_cors(**options)
