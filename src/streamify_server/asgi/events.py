"""Lambda's HTTP events as ASGI connection scopes; Mangum parses the events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Mangum's settings. A base path of "/" strips nothing: an ASGI path keeps its root.
_SETTINGS: Any = {"api_gateway_base_path": "/", "text_mime_types": [], "exclude_headers": []}


def http_request(event: Any, context: Any, root_path: str = "") -> tuple[dict[str, Any], bytes]:
    """The connection scope and the body of one request.

    Args:
        event: An event of a Function URL, of API Gateway (payload format 1.0 or 2.0) or of an ALB.
        context: The invocation's context.
        root_path: Where the application is mounted, "" or "/something"; put in front of the path unless the
            event's path starts with it already.

    Raises:
        ValueError: The event is no HTTP request.
        ImportError: Mangum is not installed.
    """
    parsed = _parse(event, context)
    scope: dict[str, Any] = dict(parsed.scope)
    path = scope["path"]
    if root_path and path != root_path and not path.startswith(root_path + "/"):
        path = root_path + path
    scope.update(
        asgi={"version": "3.0", "spec_version": "2.4"},
        path=path,
        raw_path=_raw_path(event),
        root_path=root_path,
        headers=[(bytes(name), bytes(value)) for name, value in scope["headers"]],
        extensions={},
    )
    return scope, parsed.body


def _parse(event: Any, context: Any) -> Any:
    try:
        from mangum.handlers import ALB, APIGateway, HTTPGateway
    except ImportError as error:
        raise ImportError(
            "streamify_server.asgi reads events with Mangum: pip install 'streamify[asgi]'"
        ) from error
    if isinstance(event, dict):
        for kind in (ALB, HTTPGateway, APIGateway):
            if kind.infer(event, context, _SETTINGS):
                return kind(_with_one_cookie_header(event), context, _SETTINGS)
    seen = sorted(event) if isinstance(event, dict) else type(event).__name__
    raise ValueError(
        "An ASGI application answers HTTP requests: events of a Function URL, of API Gateway or of an ALB, "
        f"which have a requestContext. This event has none of their shapes: {seen}."
    )


def _with_one_cookie_header(event: dict[str, Any]) -> dict[str, Any]:
    """Join several cookie fields by "; " (RFC 9113, 8.2.3); Mangum would join them by ", "."""
    several: Mapping[str, list[str]] = event.get("multiValueHeaders") or {}
    if not any(name.lower() == "cookie" and len(values) > 1 for name, values in several.items()):
        return event
    joined = {
        name: ["; ".join(values)] if name.lower() == "cookie" else values for name, values in several.items()
    }
    return {**event, "multiValueHeaders": joined}


def _raw_path(event: dict[str, Any]) -> bytes | None:
    raw = event.get("rawPath")
    return raw.encode() if isinstance(raw, str) else None
