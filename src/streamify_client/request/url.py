"""Function URLs: which HTTP request a call becomes. Nothing here sends anything.

A URL is called as it is: ``client.stream("https://<id>.lambda-url.<region>.on.aws/path", payload)``. See
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from streamify_client.errors import ConfigurationError

from .offer import OFFER_HEADER, offered
from .options import Auth, HttpOptions, Options
from .payload import Payload, encode_payload

HeaderPairs = tuple[tuple[str, str], ...]

_LAMBDA_HOST = re.compile(r"([a-z0-9-]+)\.lambda-url\.([a-z0-9-]+)\.on\.aws")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # RFC 9110, 5.5
_FRAMING = {"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade"}
_LEGAL_IN_PATH = "/%:@!$&'()*+,;=~"
_LEGAL_IN_QUERY = _LEGAL_IN_PATH + "?"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, complete but for a signature.

    Attributes:
        method: In capitals.
        scheme: ``http`` or ``https``.
        host: In ASCII and lower case; an IPv6 address without brackets.
        port: None: the scheme's own.
        path: Percent-encoded.
        query: Percent-encoded, without the question mark.
        headers: In the order in which they are sent.
        body: None: none.
        auth: Whether to sign.
    """

    method: str
    scheme: str
    host: str
    port: int | None
    path: str
    query: str = field(repr=False)
    headers: HeaderPairs = field(repr=False)
    body: bytes | None = field(repr=False)
    auth: Auth = "auto"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = {"http": 80, "https": 443}[self.scheme]
        return host if self.port in (None, standard) else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """The value of a header."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def is_url(function: str) -> bool:
    """Whether a call goes to a URL and not to a function by its name; no name or ARN has a ``://``."""
    return "://" in function


def lambda_region(request: HttpRequest) -> str | None:
    """Return the region of a Lambda Function URL; None for every other host, and for plain HTTP."""
    if request.scheme != "https" or request.port not in (None, 443):
        return None
    found = lambda_host(request)
    return found[1] if found else None


def lambda_host(request: HttpRequest) -> tuple[str, str] | None:
    """Return the id and the region of a Lambda Function URL; None for every other host."""
    found = _LAMBDA_HOST.fullmatch(request.host)
    return (found[1], found[2]) if found else None


def without_query(url: str) -> str:
    """Return a URL as it may stand in messages: its query may hold secrets."""
    return url.partition("#")[0].partition("?")[0]


def build_request(url: str, payload: Payload, options: Options, http: HttpOptions) -> HttpRequest:
    """Check everything that a caller gave for a URL, and make it a request.

    Raises:
        ConfigurationError: Something is wrong; the message names it.
    """
    parts, host, port = _split(url)
    headers = _checked_headers(http.get("headers"))
    given = {name.lower() for name, _ in headers}
    body = _body(payload, headers)
    method = _method(http.get("method"), body)
    auth = http.get("auth") or "auto"
    if auth not in get_args(Auth):
        raise ConfigurationError(f"auth must be 'auto', 'iam' or 'none', not {auth!r}.")
    if auth == "iam" and "authorization" in given:
        raise ConfigurationError("auth='iam' makes the Authorization header itself: leave yours out.")
    request = HttpRequest(
        method=method,
        scheme=parts.scheme.lower(),
        host=host,
        port=port,
        path=quote(parts.path, safe=_LEGAL_IN_PATH) or "/",
        query=_query(parts.query, http.get("query")),
        headers=(),
        body=body,
        auth=auth,
    )
    defaults = _default_headers(request, options)
    return replace(request, headers=(*(pair for pair in defaults if pair[0] not in given), *headers))


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    try:
        url.encode("utf-8")
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:
        raise ConfigurationError(f"This is not a URL: {without_query(url)!r} ({error}).") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise ConfigurationError(f"A URL must begin with https:// and a host: {without_query(url)!r}.")
    if parts.username is not None:
        raise ConfigurationError("A URL must not hold a user name or a password; send headers= instead.")
    return parts, host, port


def _query(own: str, added: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> str:
    own = quote(own, safe=_LEGAL_IN_QUERY)
    if added is None:
        return own
    pairs = [(name, _query_value(value)) for name, value in _pairs(added, "query")]
    try:
        more = urlencode(pairs, doseq=True, quote_via=quote, safe="")
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"query holds text that is not Unicode: {error.reason}.") from error
    return "&".join(part for part in (own, more) if part)


def _query_value(value: Any) -> Any:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else value
    return [_query_value(item) for item in value]


def canonical_query(query: str) -> str:
    """Return a query in the one spelling that signatures are made of, which means the same."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)


def _pairs(given: Mapping[str, Any] | Iterable[tuple[str, Any]], what: str) -> list[tuple[str, Any]]:
    try:
        return [(name, value) for name, value in (given.items() if isinstance(given, Mapping) else given)]
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{what} must be a mapping or pairs: {error}.") from error


def _checked_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]] | None) -> HeaderPairs:
    pairs = tuple(_pairs(headers, "headers")) if headers is not None else ()
    for name, value in pairs:
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ConfigurationError(f"headers: {name!r} is not a name for an HTTP header.")
        if name.lower() in _FRAMING:
            raise ConfigurationError(f"headers: {name} follows from the request and cannot be set.")
        if not isinstance(value, str) or not _VALUE.fullmatch(value) or not _is_latin(value):
            raise ConfigurationError(f"headers: the value of {name} must be text that fits into one line.")
    return pairs


def _is_latin(value: str) -> bool:
    return all(ord(character) < 0x100 for character in value)


def _method(method: str | None, body: bytes | None) -> str:
    if method is None:
        return "GET" if body is None else "POST"
    if not isinstance(method, str) or not _TOKEN.fullmatch(method) or method.upper() in ("CONNECT", "TRACE"):
        raise ConfigurationError(f"method must be an HTTP method such as 'PUT', not {method!r}.")
    return method.upper()


def _body(payload: Payload, headers: HeaderPairs) -> bytes | None:
    """JSON, unless the caller says by a Content-Type that the payload is something else."""
    content_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    media_type = (content_type or "application/json").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json") or payload is None:
        return encode_payload(payload)
    if isinstance(payload, str):
        return payload.encode("utf-8")
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    raise ConfigurationError(
        f"A payload of the content type {media_type} must be str or bytes, not {type(payload).__name__}."
    )


def _default_headers(request: HttpRequest, options: Options) -> HeaderPairs:
    headers = {"host": request.authority, "accept": "*/*", "user-agent": "streamify"}
    headers["accept-encoding"] = "identity"  # compressors hold bytes back; a caller may still ask for them
    body = request.body
    if body is not None:
        headers["content-type"] = "application/json"
        # CloudFront's origin access control, which signs for its callers, cannot do without.
        headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
    if body is not None or request.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(body or b""))
    if offer := offered(options.verified, options.continues):
        headers[OFFER_HEADER] = ", ".join(offer)
    return tuple(headers.items())
