"""What kind of event a handler got, as far as its shape tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FUNCTION_URL = "function_url"
HTTP_API = "http_api"
REST_API = "rest_api"
ALB = "alb"

# Buffered by the platform whatever a function sends: streaming exists for Function URLs and REST APIs only
# (https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html).
ALWAYS_BUFFERED = frozenset({ALB, HTTP_API})


def kind_of(event: Any) -> str | None:
    """FUNCTION_URL, HTTP_API, REST_API or ALB; None for an event that is not HTTP."""
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    if not isinstance(context, Mapping):
        return None
    if "elb" in context:
        return ALB
    if isinstance(context.get("http"), Mapping):
        return FUNCTION_URL if ".lambda-url." in str(context.get("domainName", "")) else HTTP_API
    if "httpMethod" in event:
        return REST_API
    return None


def method_of(event: Any) -> str:
    """The HTTP method, in capitals; empty for an event that is not HTTP."""
    if kind_of(event) is None:
        return ""
    http = event["requestContext"].get("http")
    method = http.get("method") if isinstance(http, Mapping) else event.get("httpMethod")
    return str(method or "").upper()
