"""Lambda's HTTP events as ASGI connection scopes.

Mangum parses the events. Its code for responses is not used, because it buffers them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from streamify_server.events import ALB, FUNCTION_URL, HTTP_API, HTTP_API_1, REST_API, kind_of

# Mangum's settings. A base path of "/" strips nothing: an ASGI path keeps its root.
_SETTINGS: Any = {"api_gateway_base_path": "/", "text_mime_types": [], "exclude_headers": []}

# RFC 3986, 3.3.
_IN_PATHS = "/:@!$&'()*+,;=~-._"
# Characters that callers send unencoded and servers pass on; and what is already encoded.
_SENT = _IN_PATHS + '%"<>[\\]^`{|}'


def http_request(event: Any, context: Any, root_path: str = "") -> tuple[dict[str, Any], bytes]:
    """Return the connection scope and the body of one request.

    Args:
        event: An event of a Function URL, API Gateway (payload format 1.0 or 2.0) or ALB.
        context: The invocation's context.
        root_path: Where the application is mounted, "" or "/something"; prepended to the path unless the
            event's path already starts with it.

    Raises:
        ValueError: The event is not an HTTP request, or it is malformed.
        ImportError: Mangum is not installed.
    """
    scope, body = _parse(event, context)
    raw_path = _raw_path(event)
    path = unquote(raw_path)
    if root_path and path != root_path and not path.startswith(root_path + "/"):
        path, raw_path = root_path + path, quote(root_path) + raw_path
    scope.update(
        asgi={"version": "3.0", "spec_version": "2.4"},
        path=path,
        raw_path=raw_path.encode(),
        root_path=root_path,
        headers=[(bytes(name), _as_sent(bytes(value))) for name, value in scope["headers"]],
        extensions={},
    )
    return scope, body


def load_parsers() -> Any:
    """Import Mangum's parsers.

    Raises:
        ModuleNotFoundError: Mangum is not installed.
    """
    try:
        from mangum import handlers
    except ModuleNotFoundError:
        message = "ASGI applications need mangum, which reads their events: pip install 'streamify[asgi]'."
        raise ModuleNotFoundError(message, name="mangum") from None
    return handlers


def _parse(event: Any, context: Any) -> tuple[dict[str, Any], bytes]:
    handlers = load_parsers()
    parser: Any = {
        FUNCTION_URL: handlers.HTTPGateway,
        HTTP_API: handlers.HTTPGateway,
        HTTP_API_1: handlers.APIGateway,
        REST_API: handlers.APIGateway,
        ALB: handlers.ALB,
    }.get(kind_of(event) or "")
    if parser is not None:
        parsed = parser(_with_one_cookie_header(event), context, _SETTINGS)
        try:
            return dict(parsed.scope), parsed.body
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"This HTTP event is malformed: {type(error).__name__}: {error}") from error
    seen = sorted(event) if isinstance(event, dict) else type(event).__name__
    raise ValueError(
        "An ASGI application answers HTTP requests: events of a Function URL, of API Gateway or of an ALB, "
        f"which have a requestContext. This event has none of their shapes: {seen}."
    )


def _as_sent(value: bytes) -> bytes:
    """Return the original bytes of a header value: events hold Latin-1 text, and Mangum encodes UTF-8."""
    try:
        return value if value.isascii() else value.decode().encode("latin-1")
    except UnicodeError:
        return value


def _with_one_cookie_header(event: dict[str, Any]) -> dict[str, Any]:
    """Join several cookie fields with "; " (RFC 9113, 8.2.3); Mangum would join them with ", "."""
    several: Mapping[str, list[str]] = event.get("multiValueHeaders") or {}
    if not any(name.lower() == "cookie" and len(values) > 1 for name, values in several.items()):
        return event
    joined = {
        name: ["; ".join(values)] if name.lower() == "cookie" else values for name, values in several.items()
    }
    return {**event, "multiValueHeaders": joined}


def _raw_path(event: Mapping[str, Any]) -> str:
    """Return the path of the request, percent-encoded.

    Function URLs, REST APIs and load balancers pass it on encoded; HTTP APIs decode it, so that a `%` there
    is a literal one.
    """
    kind = kind_of(event)
    path = event.get("rawPath") if kind in (FUNCTION_URL, HTTP_API) else None
    path = path or event.get("path") or event["requestContext"].get("http", {}).get("path") or "/"
    return quote(path, safe=_IN_PATHS if kind in (HTTP_API, HTTP_API_1) else _SENT)
