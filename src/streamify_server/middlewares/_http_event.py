"""What the HTTP events of Lambda have in common: method, path, header fields, query.

Function URLs and HTTP APIs send payload format 2.0, REST APIs and load balancers 1.0, VPC Lattice formats of
its own (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html,
https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def method_of(event: Any) -> str | None:
    """The HTTP method; None if this is no HTTP event."""
    if not isinstance(event, Mapping):
        return None
    # VPC Lattice says just "method", and so may an event that has nothing to do with HTTP.
    lattice = event.get("method") if isinstance(event.get("headers"), Mapping) else None
    for candidate in (_http(event).get("method"), event.get("httpMethod"), lattice):
        if isinstance(candidate, str):
            return candidate
    return None


def path_of(event: Any) -> str | None:
    """The path as it stands in the event, without the query; None if there is none."""
    if not isinstance(event, Mapping):
        return None
    candidates = (_http(event).get("path"), event.get("path"), event.get("rawPath"), event.get("raw_path"))
    for candidate in candidates:
        if isinstance(candidate, str):
            return candidate.partition("?")[0]
    return None


def is_http(event: Any) -> bool:
    """Whether this event came over HTTP."""
    return method_of(event) is not None


def header_of(event: Any, name: str) -> str | None:
    """A header field of the request whatever its case, several values joined with a comma."""
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
    """A query parameter; the last one if it stands there more than once."""
    if not isinstance(event, Mapping):
        return None
    for key in ("queryStringParameters", "query_string_parameters", "multiValueQueryStringParameters"):
        parameters = event.get(key)
        if isinstance(parameters, Mapping) and parameters.get(name):
            value = parameters[name]
            return str(value[-1]) if isinstance(value, list | tuple) else str(value)
    return None


def _http(event: Mapping[str, Any]) -> Mapping[str, Any]:
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, Mapping) else None
    return http if isinstance(http, Mapping) else {}
