"""HTTP events of one shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamify_server._events import is_http

if TYPE_CHECKING:
    from streamify_server.onion import Request


class http_event_normalizer:
    """Gives HTTP events the keys that they lack: `queryStringParameters`, `pathParameters` and, in format
    1.0, `multiValueQueryStringParameters` are then always dicts.

    The snake-case keys of VPC Lattice get their camel-case names too. Events that did not come over HTTP stay
    as they are.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_event_normalizer
        >>> @streaming_handler(middlewares=[http_event_normalizer()])
        ... def handler(event, context):
        ...     return "page " + event["queryStringParameters"].get("page", "1")
        >>> handler({"httpMethod": "GET", "queryStringParameters": None}, None)
        b'page 1'
    """

    def before(self, request: Request) -> None:
        """Complete the event."""
        if not is_http(request.event):
            return
        event = dict(request.event)
        if "query_string_parameters" in event:
            event.setdefault("queryStringParameters", event["query_string_parameters"])
        if "is_base64_encoded" in event:
            event.setdefault("isBase64Encoded", event["is_base64_encoded"])
        keys = ["pathParameters", "queryStringParameters"]
        if "httpMethod" in event:
            keys.append("multiValueQueryStringParameters")
        for key in keys:
            if event.get(key) is None:
                event[key] = {}
        request.event = event
