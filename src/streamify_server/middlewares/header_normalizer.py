"""Names of request headers of one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamify_server.onion import Request

# Names whose canonical form is not that of a capital after each hyphen, as their RFCs write them.
_IRREGULAR = {
    name.lower(): name
    for name in [
        "ALPN",
        "C-PEP",
        "C-PEP-Info",
        "CalDAV-Timezones",
        "Content-ID",
        "Content-MD5",
        "DASL",
        "DAV",
        "DNT",
        "ETag",
        "GetProfile",
        "HTTP2-Settings",
        "Last-Event-ID",
        "MIME-Version",
        "NEL",
        "Optional-WWW-Authenticate",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Version",
        "SLUG",
        "TCN",
        "TE",
        "TTL",
        "WWW-Authenticate",
        "X-ATT-DeviceId",
        "X-DNSPrefetch-Control",
        "X-UIDH",
    ]
}
_CACHED_NAMES = 1024


class http_header_normalizer:
    """Writes the names of an event's headers in lower case, or in their canonical form, and fills in
    defaults.

    Args:
        canonical: "Content-Type" in place of "content-type".
        default_headers: Headers for requests that lack them; a list as value has several values.
        normalize_header_key: Makes a name in place of both: called with the name and `canonical`.

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
        make = normalize_header_key or normalized_name
        self._name = lru_cache(_CACHED_NAMES)(lambda name: make(name, canonical))
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


def normalized_name(name: str, canonical: bool) -> str:
    """The name in lower case or in canonical form."""
    lower = name.lower()
    if not canonical:
        return lower
    return _IRREGULAR.get(lower) or "-".join(part.capitalize() for part in lower.split("-"))
