"""Options are checked when a middleware is made: types, functions, names."""

import logging
from typing import Any

import pytest

from streamify_server import middlewares
from streamify_server.middlewares import (
    error_logger,
    event_normalizer,
    http_content_encoding,
    http_content_negotiation,
    http_cors,
    http_error_handler,
    http_header_normalizer,
    http_json_body_parser,
    http_multipart_body_parser,
    http_partial_response,
    http_response_serializer,
    http_router,
    http_security_headers,
    http_urlencode_body_parser,
    http_urlencode_path_parser,
    input_output_logger,
    warmup,
)


async def async_function(*args: Any) -> Any:
    """Would never be awaited."""


class AsyncCallable:
    async def __call__(self, *args: Any) -> Any:
        """Would never be awaited."""


WRONG: list[tuple[Any, str, list[Any]]] = [
    (error_logger, "logger", ["print", True, 3, async_function]),
    (event_normalizer, "max_decompressed_bytes", ["1", -1, 1.5, True]),
    (http_content_encoding, "gzip", [3, "yes"]),
    (http_content_encoding, "br", ["11"]),
    (http_content_encoding, "override_preferred_encoding", ["gzip", [1], {"gzip": 1}]),
    (http_content_negotiation, "parse_charsets", ["yes"]),
    (http_content_negotiation, "available_media_types", ["text/plain", [1]]),
    (http_content_negotiation, "available_encodings", [["compress"]]),
    (http_content_negotiation, "default_to_first_language", [1]),
    (http_content_negotiation, "fail_on_mismatch", ["no"]),
    (http_cors, "credentials", ["true", 1]),
    (http_cors, "disable_before_preflight_response", ["no"]),
    (http_cors, "origin", [["https://a"], 3, "https://a\r\nx: y"]),
    (http_cors, "origins", ["https://a", [3], iter(["https://a"])]),
    (http_cors, "get_origin", ["https://a", async_function, AsyncCallable()]),
    (http_cors, "headers", [["a"], "a\r\nb: c"]),
    (http_cors, "methods", [["GET"]]),
    (http_cors, "max_age", [-1, 1.5, True]),
    (http_cors, "vary", [123, "a\nb"]),
    (http_cors, "cache_control", [0, "a\nb"]),
    (http_cors, "request_headers", ["x-a"]),
    (http_cors, "request_methods", ["GET", [1]]),
    (http_error_handler, "logger", ["print", True, async_function]),
    (http_error_handler, "fallback_message", [42]),
    (http_header_normalizer, "canonical", ["yes"]),
    (http_header_normalizer, "default_headers", [["a"], "a"]),
    (http_header_normalizer, "normalize_header_key", ["lower", async_function]),
    (http_json_body_parser, "reviver", ["f", async_function]),
    (http_json_body_parser, "disable_content_type_check", ["yes"]),
    (http_json_body_parser, "disable_content_type_error", [1]),
    (http_json_body_parser, "max_bytes", ["1", -1]),
    (http_json_body_parser, "max_depth", [None, 1.5]),
    (http_multipart_body_parser, "charset", [42, "binary", "punycode"]),
    (http_multipart_body_parser, "limits", [[1], {"files": -1}, {"files": "x"}, {"filez": 1}]),
    (http_partial_response, "filtering_key_name", [42, None]),
    (http_response_serializer, "serializers", ["x", [("x", async_function)], [("x", 3)], [3]]),
    (http_response_serializer, "default_content_type", [3]),
    (http_security_headers, "powered_by", [1]),
    (http_security_headers, "content_security_policy_report_only", [1]),
    (http_security_headers, "content_security_policy", [1, ["a"], {"default-src": 1}]),
    (http_security_headers, "frame_options", ["allow", 1, {"action": "x"}, {"policy": "deny"}]),
    (http_security_headers, "referrer_policy", ["bogus", {"policy": "bogus"}, {"policy": 1}]),
    (http_security_headers, "permitted_cross_domain_policies", ["bogus"]),
    (http_security_headers, "cross_origin_opener_policy", ["same", {"policy": "same-origin", "x": 1}]),
    (http_security_headers, "dns_prefetch_control", [1, {"allow": 1}, {"allow": True, "x": 1}]),
    (http_security_headers, "origin_agent_cluster", [1, {"x": 1}]),
    (http_security_headers, "permissions_policy", [1, {"camera": 1}]),
    (
        http_security_headers,
        "report_to",
        [1, {"default": "https://r", "maxAge": 60}, {"includeSubdomains": False}],
    ),
    (http_security_headers, "reporting_endpoints", [1, {"csp": 3}]),
    (http_security_headers, "strict_transport_security", [{"max_age": -1}, {"max_age": "1"}, {"maxAge": 1}]),
    (http_security_headers, "strict_transport_security", [{"preload": 1}, {"include_sub_domains": "x"}]),
    (http_security_headers, "xss_protection", [1, {"x": 1}]),
    (http_security_headers, "headers", [["a"], {"a b": "c"}, {"a": "b\r\nc: d"}]),
    (http_urlencode_body_parser, "max_fields", [-1, "x"]),
    (input_output_logger, "logger", ["print", True, async_function]),
    (input_output_logger, "execution_context", ["yes"]),
    (input_output_logger, "lambda_context", [1]),
    (input_output_logger, "omit_paths", ["event.a", [1], [["event", 1]]]),
    (input_output_logger, "mask", [3]),
    (input_output_logger, "max_bytes", [-1]),
    (warmup, "is_warming_up", ["yes", async_function, AsyncCallable()]),
]


@pytest.mark.parametrize(
    ("make", "option", "value"), [(make, option, value) for make, option, values in WRONG for value in values]
)
def test_a_wrong_value_is_refused_when_the_middleware_is_made(make: Any, option: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as refused:
        make(**{option: value})
    assert "\n" not in str(refused.value)
    assert "unexpected keyword" not in str(refused.value)


@pytest.mark.parametrize("name", sorted({*middlewares.__all__} - {"FilePart"}))
def test_a_misspelt_option_is_refused(name: str) -> None:
    with pytest.raises(TypeError):
        getattr(middlewares, name)(disableContentTypeError=True)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (error_logger, {"logger": logging.getLogger("x")}),
        (http_cors, {"max_age": 0, "origins": ("https://a",), "request_methods": {"GET"}}),
        (http_cors, {"max_age": "5", "get_origin": lambda origin: origin}),
        (http_security_headers, {"referrer_policy": None, "frame_options": "sameorigin"}),
        (http_security_headers, {"strict_transport_security": {}, "origin_agent_cluster": {}}),
        (http_content_encoding, {"br": None, "gzip": {"level": 1}, "override_preferred_encoding": ("gzip",)}),
        (http_urlencode_path_parser, {}),
        (input_output_logger, {"logger": logging.getLogger("x"), "omit_paths": [("event", "a.b")]}),
        (http_response_serializer, {"serializers": [("x", str)]}),
        (warmup, {"is_warming_up": None}),
    ],
)
def test_right_values_are_taken(make: Any, options: Any) -> None:
    make(**options)


def test_a_route_is_checked_too() -> None:
    def handler(event: Any, context: Any) -> None:
        """Any handler."""

    for routes in (
        [("ALL", "/", handler)],
        [("GET", "users", handler)],
        [("GET", "/users/{", handler)],
        [("GET", "/users/{}", handler)],
        [("GET", "/files/{proxy+}/x", handler)],
        [("GET", "/a/{x}/{x}", handler)],
        [("GET", "/", "handler")],
        [("GET", "/", handler), ("GET", "/", handler)],
        [{"method": "GET", "path": "/"}],
        [{"method": "GET", "path": "/", "handler": handler, "extra": 1}],
        [3],
    ):
        with pytest.raises((TypeError, ValueError)):
            http_router(routes)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not_found_response"):
        http_router([], not_found_response="no")  # type: ignore[arg-type]
