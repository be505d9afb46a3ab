"""CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): who may read a response from another origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from streamify_server.events import header_of, method_of
from streamify_server.response import Headers, HttpResponse

from ._headers import add_to_list
from ._options import check, check_options

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from streamify_server.middleware import Request

# https://fetch.spec.whatwg.org/#cors-safelisted-request-header, and Range as in its section on `no-cors`
# ranges.
_SAFELISTED = frozenset({"accept", "accept-language", "content-language", "content-type", "range"})


class http_cors:
    """Sets the CORS headers of HTTP responses, and can answer preflight requests itself.

    Headers that the response already has are kept. Without `origin` or `origins`, no origin is allowed.

    Args:
        credentials: Allow cookies and authorization headers.
        disable_before_preflight_response: Leave OPTIONS requests to the handler; False responds with 204.
        headers: Value of Access-Control-Allow-Headers.
        methods: Value of Access-Control-Allow-Methods, such as "GET,POST".
        get_origin: Used instead of `origin` and `origins`: a function that takes the request's Origin and
            returns the value of Access-Control-Allow-Origin, or None to omit it.
        origin: The allowed origin, or "*".
        origins: Allowed origins; `*` matches part of a host name, as in "https://*.example.com".
        expose_headers: Value of Access-Control-Expose-Headers.
        max_age: Seconds for which a preflight may be cached.
        request_headers: Headers that a preflight may ask for; if it asks for another one, the response has
            no CORS headers.
        request_methods: Methods that a preflight may ask for.
        cache_control: Value of Cache-Control in responses to OPTIONS requests.
        vary: Added to Vary.

    Raises:
        ValueError: An option's value is not valid in a header.

    Example:
        >>> from streamify_server.middlewares import http_cors
        >>> cors = http_cors(origins=["https://*.example.com"], credentials=True)
        >>> cors.allowed_origin("https://app.example.com")
        'https://app.example.com'
        >>> cors.allowed_origin("https://example.org") is None
        True
    """

    def __init__(
        self,
        *,
        credentials: bool = False,
        disable_before_preflight_response: bool = True,
        headers: str | None = None,
        methods: str | None = None,
        get_origin: Callable[[str | None], str | None] | None = None,
        origin: str | None = None,
        origins: Sequence[str] = (),
        expose_headers: str | None = None,
        max_age: int | str | None = None,
        request_headers: Sequence[str] | None = None,
        request_methods: Sequence[str] | None = None,
        cache_control: str | None = None,
        vary: str | None = None,
    ) -> None:
        check_options(locals())
        if not isinstance(max_age, str):
            check("max_age of http_cors", max_age, "int | None")
        self._credentials = credentials
        self._preflights = not disable_before_preflight_response
        self._get_origin = get_origin
        self._origin = origin if origin in (None, "*") else _in_ascii(origin or "")
        self._origins = _Origins(origins)
        fixed = {
            "Access-Control-Allow-Headers": headers,
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Expose-Headers": expose_headers,
            "Access-Control-Max-Age": max_age,
        }
        self._fixed = Headers({name: value for name, value in fixed.items() if value is not None})
        self._request_headers = {name.lower() for name in request_headers or ()}
        self._request_methods = {name.upper() for name in request_methods or ()}
        self._cache_control = cache_control
        self._vary = vary
        Headers({"Cache-Control": cache_control or "", "Vary": vary or "", "Origin": origin or ""})

    def before(self, request: Request) -> HttpResponse | None:
        """Respond to a preflight."""
        if not self._preflights or method_of(request.event) != "OPTIONS":
            return None
        answer = HttpResponse(204)
        if self._may_ask(request):
            self._add(answer.headers, request)
        return answer

    def after(self, request: Request) -> None:
        """Add the headers to an HTTP response."""
        if isinstance(request.response, HttpResponse):
            self._add(request.response.headers, request)

    on_error = after

    def allowed_origin(self, incoming: str | None) -> str | None:
        """Return the value of Access-Control-Allow-Origin for a request with this Origin."""
        return self._allowed(incoming, self._credentials)

    def _allowed(self, incoming: str | None, credentials: bool) -> str | None:
        if incoming is not None and (len(incoming) > _LONGEST or not _ORIGIN.fullmatch(incoming)):
            incoming = None
        if self._get_origin is not None:
            return self._get_origin(incoming)
        if self._origins.any or (not self._origins and self._origin == "*"):
            # Browsers refuse "*" for requests with credentials, so the origin itself is sent, but never the
            # opaque one.
            return "*" if not credentials else incoming if incoming != "null" else None
        if self._origins:
            origin = (incoming or "").lower()
            return origin if origin and (origin == self._origin or origin in self._origins) else None
        return self._origin

    def _depends_on_origin(self, credentials: bool) -> bool:
        if self._get_origin is not None:
            return True
        if self._origins.any or (not self._origins and self._origin == "*"):
            return credentials
        return bool(self._origins)

    def _add(self, headers: Headers, request: Request) -> None:
        credentials = self._credentials
        if (said := headers.get("Access-Control-Allow-Credentials")) is not None:
            credentials = said == "true"
        elif credentials:
            headers["Access-Control-Allow-Credentials"] = "true"
        if self._vary:
            add_to_list(headers, "Vary", self._vary)
        if "Access-Control-Allow-Origin" not in headers:
            allowed = self._allowed(header_of(request.event, "origin"), credentials)
            if allowed:
                headers["Access-Control-Allow-Origin"] = allowed
            if self._depends_on_origin(credentials):
                add_to_list(headers, "Vary", "Origin")
        for name, value in self._fixed.items():
            headers.setdefault(name, value)
        if self._cache_control and method_of(request.event) == "OPTIONS":
            headers.setdefault("Cache-Control", self._cache_control)

    def _may_ask(self, request: Request) -> bool:
        method = header_of(request.event, "access-control-request-method")
        if self._request_methods and method and method not in self._request_methods:
            return False
        asked = header_of(request.event, "access-control-request-headers") or ""
        names = {name.strip().lower() for name in asked.split(",")} - _SAFELISTED - {""}
        return not self._request_headers or names <= self._request_headers


# A valid Origin header: scheme, host, port, or the opaque origin (RFC 6454, 7.1). Nothing else is reflected.
_ORIGIN = re.compile(r"null|[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._\-\[\]:]+")
_LONGEST = 300  # characters; a host name has at most 253


class _Origins:
    """Allowed origins, which may have wildcards."""

    def __init__(self, origins: Sequence[str]) -> None:
        self.any = "*" in origins
        self._exact = {_in_ascii(origin) for origin in origins if "*" not in origin}
        wildcards = [_in_ascii(origin) for origin in origins if "*" in origin and origin != "*"]
        # A star matches within one label only, so that https://*.example.com does not allow
        # https://evil.net/.example.com.
        self._patterns = [re.compile(re.escape(origin).replace(r"\*", "[a-z0-9_-]*")) for origin in wildcards]

    def __bool__(self) -> bool:
        return bool(self.any or self._exact or self._patterns)

    def __contains__(self, origin: str) -> bool:
        return origin in self._exact or any(pattern.fullmatch(origin) for pattern in self._patterns)


def _in_ascii(origin: str) -> str:
    """Return the origin as browsers write it: in lower case, with non-ASCII host names in Punycode."""
    if origin.isascii():
        return origin.lower()
    scheme, separator, host = origin.lower().partition("://")
    name, colon, port = host.partition(":")
    labels = [label if label.isascii() else label.encode("idna").decode() for label in name.split(".")]
    return scheme + separator + ".".join(labels) + colon + port
