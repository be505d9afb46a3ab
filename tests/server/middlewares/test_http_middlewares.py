"""Negotiation, security headers, normalizers: what reaches the handler, and what is added to its response."""

from collections.abc import Callable
from typing import Any

import pytest

from streamify_server import HttpError, streaming_handler
from streamify_server.middlewares import (
    http_content_negotiation,
    http_event_normalizer,
    http_header_normalizer,
    http_security_headers,
)
from support.answers import BODIES, TEXT, answer_with, context, get, http, through


def negotiated(options: dict[str, Any], event: Any) -> Any:
    seen = context()
    streaming_handler(middlewares=http_content_negotiation(**options))(lambda event, context: None)(
        event, seen
    )
    return seen


def test_the_handler_finds_what_the_caller_prefers_on_the_context() -> None:
    event = get(
        accept="text/csv, */*;q=0.1",
        accept_encoding="br",
        accept_language="fr-CH, en;q=0.5",
        accept_charset="utf-8",
    )
    seen = negotiated({"available_languages": ["en", "fr"]}, event)
    assert (seen.preferred_media_types, seen.preferred_media_type) == (["text/csv", "*/*"], "text/csv")
    assert (seen.preferred_encodings, seen.preferred_encoding) == (["br", "identity"], "br")
    assert (seen.preferred_languages, seen.preferred_language) == (["fr", "en"], "fr")
    assert (seen.preferred_charsets, seen.preferred_charset) == (["utf-8"], "utf-8")


ASPECTS = {
    "charset": ("accept_charset", "utf-8", "latin1"),
    "encoding": ("accept_encoding", "gzip", "*;q=0"),
    "language": ("accept_language", "en", "fr"),
    "media_type": ("accept", "a/b", "c/d"),
}


@pytest.mark.parametrize(("aspect", "field", "available", "accepted"), [(k, *v) for k, v in ASPECTS.items()])
def test_what_cannot_be_served_is_refused_or_replaced(
    aspect: str, field: str, available: str, accepted: str
) -> None:
    options = {f"available_{aspect}s": [available]}
    event = get(**{field: accepted})
    with pytest.raises(HttpError, match=available) as refused:
        negotiated(options, event)
    assert refused.value.status_code == 406
    assert getattr(negotiated({**options, "fail_on_mismatch": False}, event), f"preferred_{aspect}") is None
    first = negotiated({**options, f"default_to_first_{aspect}": True}, event)
    assert getattr(first, f"preferred_{aspect}") == available


@pytest.mark.parametrize("aspect", ASPECTS)
def test_an_aspect_can_be_switched_off(aspect: str) -> None:
    assert not hasattr(negotiated({f"parse_{aspect}s": False}, get(accept="a/b")), f"preferred_{aspect}")


@pytest.mark.parametrize("event", [{}, {"headers": None}, "text", {"job": 1}])
def test_an_event_without_headers_is_not_negotiated_about(event: Any) -> None:
    assert not hasattr(negotiated({"available_media_types": ["a/b"]}, event), "preferred_media_type")


def test_a_context_that_takes_no_attributes_is_left_alone() -> None:
    handler = streaming_handler(middlewares=http_content_negotiation())(lambda event, context: "x")
    assert handler(get(accept="a/b"), None) is not None


def test_the_security_headers_of_a_response() -> None:
    answer = answer_with(http_security_headers(), lambda: http("x", server="nginx", x_powered_by="me"))
    policy = answer.headers.pop("content-security-policy")
    permissions = answer.headers.pop("permissions-policy")
    assert answer.headers == {
        "content-type": "text/plain; charset=utf-8",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "origin-agent-cluster": "?1",
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=15552000; includeSubDomains",
        "x-content-type-options": "nosniff",
        "x-dns-prefetch-control": "off",
        "x-download-options": "noopen",
        "x-frame-options": "DENY",
        "x-permitted-cross-domain-policies": "none",
    }
    assert "frame-ancestors 'none'" in policy
    assert policy.endswith("upgrade-insecure-requests")
    assert "; sandbox; " in policy
    assert "camera=()" in permissions


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        (
            {"content_security_policy": {"default-src": "'self'"}},
            "content-security-policy",
            "default-src 'self'; ",
        ),
        (
            {"content_security_policy": {"sandbox": "allow-forms"}},
            "content-security-policy",
            "sandbox allow-forms; ",
        ),
        (
            {"content_security_policy_report_only": True},
            "content-security-policy-report-only",
            "base-uri 'none'",
        ),
        ({"content_type_options": {"action": "x"}}, "x-content-type-options", "x"),
        (
            {"cross_origin_embedder_policy": {"policy": "unsafe-none"}},
            "cross-origin-embedder-policy",
            "unsafe-none",
        ),
        (
            {"cross_origin_opener_policy": {"policy": "unsafe-none"}},
            "cross-origin-opener-policy",
            "unsafe-none",
        ),
        (
            {"cross_origin_resource_policy": {"policy": "same-site"}},
            "cross-origin-resource-policy",
            "same-site",
        ),
        ({"dns_prefetch_control": {"allow": True}}, "x-dns-prefetch-control", "on"),
        ({"download_options": {"action": "x"}}, "x-download-options", "x"),
        ({"frame_options": {"action": "sameorigin"}}, "x-frame-options", "SAMEORIGIN"),
        ({"permissions_policy": {"camera": "self", "usb": "*"}}, "permissions-policy", "camera=(self)"),
        ({"permissions_policy": {"usb": "*"}}, "permissions-policy", "usb=*,"),
        ({"permitted_cross_domain_policies": {"policy": "all"}}, "x-permitted-cross-domain-policies", "all"),
        ({"referrer_policy": {"policy": "origin"}}, "referrer-policy", "origin"),
        (
            {"report_to": {"csp": "https://r.net", "max_age": 60}},
            "report-to",
            '"group": "csp", "max_age": 60',
        ),
        ({"reporting_endpoints": {"csp": "https://r.net"}}, "reporting-endpoints", 'csp="https://r.net"'),
        (
            {"strict_transport_security": {"max_age": 31536000}},
            "strict-transport-security",
            "Domains; preload",
        ),
        (
            {
                "strict_transport_security": {
                    "max_age": 31536000,
                    "include_sub_domains": False,
                    "preload": False,
                }
            },
            "strict-transport-security",
            "max-age=31536000",
        ),
        ({"xss_protection": True}, "x-xss-protection", "0"),
    ],
)
def test_every_security_option_is_laid_over_its_default(
    options: dict[str, Any], header: str, value: str
) -> None:
    assert value in answer_with(http_security_headers(**options), lambda: http("x")).headers[header]


OPTIONS = {
    "content_security_policy": "content-security-policy",
    "content_type_options": "x-content-type-options",
    "cross_origin_embedder_policy": "cross-origin-embedder-policy",
    "cross_origin_opener_policy": "cross-origin-opener-policy",
    "cross_origin_resource_policy": "cross-origin-resource-policy",
    "dns_prefetch_control": "x-dns-prefetch-control",
    "download_options": "x-download-options",
    "frame_options": "x-frame-options",
    "origin_agent_cluster": "origin-agent-cluster",
    "permissions_policy": "permissions-policy",
    "permitted_cross_domain_policies": "x-permitted-cross-domain-policies",
    "referrer_policy": "referrer-policy",
    "strict_transport_security": "strict-transport-security",
}


@pytest.mark.parametrize(("option", "header"), OPTIONS.items())
def test_every_security_header_can_be_left_out(option: str, header: str) -> None:
    options: dict[str, Any] = {option: False}
    assert header not in answer_with(http_security_headers(**options), lambda: http("x")).headers


def test_headers_are_laid_over_the_defaults_by_name() -> None:
    headers = http_security_headers(
        {"x-frame-options": "SAMEORIGIN", "Cross-Origin-Embedder-Policy": None, "X-Own": "1"}
    )
    sent = answer_with(headers, lambda: http("x")).headers
    assert (sent["x-frame-options"], sent["x-own"]) == ("SAMEORIGIN", "1")
    assert "cross-origin-embedder-policy" not in sent
    assert sent["x-content-type-options"] == "nosniff"
    text = answer_with(
        http_security_headers(frame_options="sameorigin", permissions_policy="usb=()"), http("x")
    )
    assert (text.headers["x-frame-options"], text.headers["permissions-policy"]) == ("SAMEORIGIN", "usb=()")


def test_what_the_handler_set_stays() -> None:
    answer = answer_with(
        http_security_headers(powered_by=False), lambda: http("x", x_frame_options="ALLOW", server="a")
    )
    assert (answer.headers["x-frame-options"], answer.headers["server"]) == ("ALLOW", "a")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_security_headers_leave_every_body_as_it_is(body: Callable[[], Any]) -> None:
    assert answer_with(http_security_headers(), lambda: http(body())).body == TEXT.encode()
    bare = answer_with([http_security_headers(), http_content_negotiation()], body, get(accept="*/*"))
    assert (bare.bare, bare.body) == (True, TEXT.encode())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"frameOptions": True}, TypeError),
        ({"frame_options": {"policy": "deny"}}, TypeError),
        ({"strict_transport_security": {"maxAge": 1}}, TypeError),
        ({"referrer_policy": {"policy": "a\r\nb: c"}}, ValueError),
    ],
)
def test_wrong_security_options_are_refused(options: dict[str, Any], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        http_security_headers(**options)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["x-api-key", "etag", "content-md5"]),
        ({"canonical": True}, ["X-Api-Key", "ETag", "Content-MD5"]),
        (
            {"normalize_header_key": lambda name, canonical: f"{name}:{canonical}"},
            ["X-API-key:False", "eTAG:False", "content-md5:False"],
        ),
    ],
)
def test_header_names_are_written_in_one_way(options: dict[str, Any], names: list[str]) -> None:
    event: dict[str, Any] = {
        "headers": {"X-API-key": "1", "eTAG": "2", "content-md5": "3"},
        "multiValueHeaders": {"X-API-key": ["1"], "eTAG": ["2"], "content-md5": ["3"]},
    }
    seen = through(http_header_normalizer(**options), event)
    assert (list(seen["headers"]), list(seen["multiValueHeaders"])) == (names, names)
    assert list(event["headers"]) == ["X-API-key", "eTAG", "content-md5"]


def test_headers_that_lack_are_filled_in() -> None:
    normalizer = http_header_normalizer(default_headers={"Accept": ["a/b", "c/d"], "X": "1,2", "Y": "y"})
    seen = through(normalizer, {"headers": {"y": "own"}, "multiValueHeaders": {"y": ["own"]}})
    assert seen["headers"] == {"accept": "a/b,c/d", "x": "1,2", "y": "own"}
    assert seen["multiValueHeaders"] == {"accept": ["a/b", "c/d"], "x": ["1", "2"], "y": ["own"]}


@pytest.mark.parametrize("event", [{}, {"headers": None}, "text", None])
def test_an_event_without_headers_stays_as_it_is(event: Any) -> None:
    assert through([http_header_normalizer(), http_event_normalizer()], event) == event


@pytest.mark.parametrize(
    ("event", "added"),
    [
        (get(), {"pathParameters": {}, "queryStringParameters": {}}),
        (
            {"httpMethod": "GET", "pathParameters": None, "queryStringParameters": {"a": "1"}},
            {
                "pathParameters": {},
                "queryStringParameters": {"a": "1"},
                "multiValueQueryStringParameters": {},
            },
        ),
        (
            {
                "method": "GET",
                "raw_path": "/",
                "query_string_parameters": {"a": "1"},
                "is_base64_encoded": True,
            },
            {"queryStringParameters": {"a": "1"}, "isBase64Encoded": True, "pathParameters": {}},
        ),
    ],
)
def test_an_http_event_has_all_its_keys(event: dict[str, Any], added: dict[str, Any]) -> None:
    assert through(http_event_normalizer(), event) == {**event, **added}


@pytest.mark.parametrize("make", [http_content_negotiation, http_header_normalizer, http_event_normalizer])
def test_an_unknown_option_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        make(canonicall=True)


def test_available_values_are_a_list() -> None:
    with pytest.raises(TypeError, match="available_languages is a list"):
        http_content_negotiation(available_languages="en")
