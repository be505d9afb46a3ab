"""Normalization of HTTP events: their keys, and the names of their headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from streamify_server.events import is_http

from ._options import check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request

# Names whose canonical form, as in their RFCs, is not just a capital after each hyphen.
_NAMES = """
    ALPN C-PEP C-PEP-Info CalDAV-Timezones Content-ID Content-MD5 DASL DAV DNT ETag GetProfile HTTP2-Settings
    Last-Event-ID MIME-Version NEL Optional-WWW-Authenticate Sec-WebSocket-Accept Sec-WebSocket-Extensions
    Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version SLUG TCN TE TTL WWW-Authenticate
    X-ATT-DeviceId X-DNSPrefetch-Control X-UIDH
"""
_IRREGULAR = {name.lower(): name for name in _NAMES.split()}
_CACHED_NAMES = 1024
_CACHED_LENGTH = 100  # characters; longer names would let a caller fill the memory


class http_event_normalizer:
    """Adds missing keys to HTTP events.

    `queryStringParameters`, `pathParameters` and, in format 1.0, `multiValueQueryStringParameters` are then
    always dicts.

    The snake-case keys of VPC Lattice are added under their camel-case names too. Events that did not come
    over HTTP are not changed.

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
        """Add the missing keys."""
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


class http_header_normalizer:
    """Normalizes the case of an event's header names, and fills in defaults.

    Args:
        canonical: Use "Content-Type" instead of "content-type".
        default_headers: Headers for requests that lack them; a list stands for several values.
        normalize_header_key: A function that normalizes names instead: called with the name and `canonical`.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_header_normalizer
        >>> @streaming_handler(middlewares=[http_header_normalizer(default_headers={"Accept": "text/csv"})])
        ... def handler(event, context):
        ...     yield f"{event['headers']}"
        >>> handler({"headers": {"X-Api-Key": "k"}}, None)
        b"{'accept': 'text/csv', 'x-api-key': 'k'}"
    """

    def __init__(
        self,
        *,
        canonical: bool = False,
        default_headers: Mapping[str, str | Sequence[str]] | None = None,
        normalize_header_key: Callable[[str, bool], str] | None = None,
    ) -> None:
        check_options(locals())
        self._make = normalize_header_key or normalized_name
        self._canonical = canonical
        self._cached = lru_cache(_CACHED_NAMES)(lambda name: self._make(name, canonical))
        defaults = (default_headers or {}).items()
        self._single = {self._name(k): v if isinstance(v, str) else ",".join(v) for k, v in defaults}
        self._multiple = {self._name(k): v.split(",") if isinstance(v, str) else list(v) for k, v in defaults}

    def before(self, request: Request) -> None:
        """Rename the headers of the event."""
        if not isinstance(request.event, Mapping):
            return
        changed: dict[str, Any] = {}
        for key, defaults in (("headers", self._single), ("multiValueHeaders", self._multiple)):
            fields = request.event.get(key)
            if isinstance(fields, Mapping):
                changed[key] = {**defaults, **{self._name(name): value for name, value in fields.items()}}
        if changed:
            request.event = {**request.event, **changed}

    def _name(self, name: str) -> str:
        return self._cached(name) if len(name) <= _CACHED_LENGTH else self._make(name, self._canonical)


def normalized_name(name: str, canonical: bool) -> str:
    """Return the name in lower case or in canonical form."""
    lower = name.lower()
    if not canonical:
        return lower
    return _IRREGULAR.get(lower) or "-".join(part.capitalize() for part in lower.split("-"))
