"""Read an event's kind, method, path, header fields and query.

Function URLs and HTTP APIs send payload format 2.0; REST APIs and load balancers send 1.0 (HTTP APIs too, if
configured so); VPC Lattice has its own formats
(https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html,
https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html).
"""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FUNCTION_URL = "function_url"
REST_API = "rest_api"
HTTP_API = "http_api"
HTTP_API_1 = "http_api_1"  # an HTTP API with payload format 1.0
WEBSOCKET_API = "websocket_api"
ALB = "alb"
LATTICE = "lattice"
OTHER = "other"  # another event with a requestContext

# Always buffered by the platform: only Function URLs and REST APIs can stream
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html).
ALWAYS_BUFFERED = frozenset({HTTP_API, HTTP_API_1, WEBSOCKET_API, ALB, LATTICE, OTHER})

_LATTICE_KEYS = frozenset({"raw_path", "query_string_parameters", "is_base64_encoded"})


def kind_of(event: Any) -> str | None:
    """Return the event source; None for an event without a `requestContext`, which no gateway sent."""
    if not isinstance(event, Mapping):
        return None
    context = event.get("requestContext")
    if not isinstance(context, Mapping):
        return LATTICE if _is_lattice_1(event) else None
    if "elb" in context:
        return ALB
    if "serviceNetworkArn" in context:
        return LATTICE
    if "connectionId" in context:
        return WEBSOCKET_API
    if isinstance(context.get("http"), Mapping):
        return FUNCTION_URL if ".lambda-url." in str(context.get("domainName", "")) else HTTP_API
    if isinstance(event.get("httpMethod"), str):
        return HTTP_API_1 if "version" in event else REST_API
    return OTHER


def method_of(event: Any) -> str:
    """Return the HTTP method in capitals; empty if this is not an HTTP event."""
    if not isinstance(event, Mapping):
        return ""
    # VPC Lattice uses the key "method", which events unrelated to HTTP may have too.
    is_lattice = isinstance(event.get("headers"), Mapping) or not _LATTICE_KEYS.isdisjoint(event)
    lattice = event.get("method") if is_lattice else None
    return _first_text(_http(event).get("method"), event.get("httpMethod"), lattice).upper()


def path_of(event: Any) -> str:
    """Return the path exactly as in the event, without the query; empty if there is none."""
    if not isinstance(event, Mapping):
        return ""
    found = _first_text(
        _http(event).get("path"), event.get("path"), event.get("rawPath"), event.get("raw_path")
    )
    return found.partition("?")[0]


def is_http(event: Any) -> bool:
    """Return whether this event is an HTTP request."""
    return method_of(event) != ""


def header_of(event: Any, name: str) -> str | None:
    """Return a header field of the request, ignoring case; several values are joined with commas."""
    if not isinstance(event, Mapping):
        return None
    for key in ("headers", "multiValueHeaders"):
        fields = event.get(key)
        if isinstance(fields, Mapping):
            for field, value in fields.items():
                if isinstance(field, str) and field.lower() == name and value is not None:
                    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return None


def query_of(event: Any, name: str) -> str | None:
    """Return a query parameter; if it is repeated, the last one."""
    if not isinstance(event, Mapping):
        return None
    for key in ("queryStringParameters", "query_string_parameters", "multiValueQueryStringParameters"):
        parameters = event.get(key)
        if isinstance(parameters, Mapping) and parameters.get(name):
            value = parameters[name]
            return str(value[-1]) if isinstance(value, list | tuple) else str(value)
    return None


def _is_lattice_1(event: Mapping[str, Any]) -> bool:
    return isinstance(event.get("raw_path"), str) and isinstance(event.get("method"), str)


def _first_text(*candidates: Any) -> str:
    return next((candidate for candidate in candidates if isinstance(candidate, str)), "")


def _http(event: Mapping[str, Any]) -> Mapping[str, Any]:
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, Mapping) else None
    return http if isinstance(http, Mapping) else {}
