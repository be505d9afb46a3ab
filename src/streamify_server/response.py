"""HTTP responses of handlers, validated, and the prelude that precedes a streamed body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping

from .shadowing import unshadowed

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

PRELUDE_CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
PRELUDE_END = b"\0" * 8
PRELUDE_LIMIT = 16 * 1024

# RFC 9110, 7.6.1 and 6.6.1, and the framing that the platform does itself. RFC 9113, 8.2.2 forbids them in
# HTTP/2.
_CONNECTION_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# RFC 9110, 5.6.2; not a regex, which every cold start would have to compile.
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_KNOWN_KEYS = frozenset(
    {"statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded", "statusDescription"}
)


class Headers(MutableMapping[str, str]):
    """HTTP header fields: names are case-insensitive and may be repeated.

    `headers["vary"]` joins several values with a comma; `get_all` returns them separately.

    Raises:
        ValueError: A name is not a token, or a value contains CR, LF or NUL (RFC 9110, 5.5).
        TypeError: A name or value is not text.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        self._fields: dict[str, tuple[str, list[str]]] = {}
        pairs = fields.items() if isinstance(fields, Mapping) else fields or ()
        for name, value in pairs:
            for one in value if isinstance(value, list | tuple) else (value,):
                self.add(name, one)

    def add(self, name: str, value: str) -> None:
        """Add a value for this name."""
        checked = _checked_value(_checked_name(name), value)
        self._fields.setdefault(name.lower(), (name, []))[1].append(checked)

    def get_all(self, name: str) -> list[str]:
        """Return all values of this name, in order; an empty list if there are none."""
        found = self._fields.get(name.lower())
        return list(found[1]) if found else []

    def copy(self) -> Headers:
        """Return a copy that can be changed independently."""
        copied = Headers()
        copied._fields = {key: (name, list(values)) for key, (name, values) in self._fields.items()}
        return copied

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()][1])

    def __setitem__(self, name: str, value: str) -> None:
        self._fields[name.lower()] = (name, [_checked_value(_checked_name(name), value)])

    def __delitem__(self, name: str) -> None:
        del self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._fields.values()])

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


class HttpResponse:
    """An HTTP response whose body may be a stream.

    Args:
        status: Status code, 100 to 599, but not 101: no protocol can be switched here.
        headers: Header fields; a list as value repeats the name.
        body: Text, bytes, None, a file object, or a sync or async iterable or generator of text and bytes.
        cookies: Complete Set-Cookie values, one for each cookie.

    Raises:
        TypeError: The status is not an int, or a header or cookie is not text.
        ValueError: The status is out of range, or a header or cookie contains CR, LF or NUL.

    Example:
        >>> HttpResponse(201, {"content-type": "text/csv"}, body=iter(["a,b\\n"]), cookies=["seen=1"]).status
        201
    """

    __slots__ = ("_status", "body", "cookies", "headers")

    def __init__(
        self,
        status: int = 200,
        headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        body: Any = None,
        cookies: Iterable[str] = (),
    ) -> None:
        self.status = status
        self.headers: Headers = headers.copy() if isinstance(headers, Headers) else Headers(headers)
        self.body: Any = body
        if isinstance(cookies, str):
            raise TypeError(f"cookies must be a list of Set-Cookie values, not the string {cookies!r}.")
        self.cookies: list[str] = [_checked_value("set-cookie", cookie) for cookie in cookies]

    @property
    def status(self) -> int:
        """The status code."""
        return self._status

    @status.setter
    def status(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"An HTTP status is an int such as 200, not {value!r}.")
        if not 100 <= value <= 599:
            raise ValueError(f"An HTTP status lies between 100 and 599, not at {value}.")
        if value == 101:
            raise ValueError("A response cannot have the status 101: Lambda switches no protocols.")
        self._status = int(value)

    @property
    def status_code(self) -> int:
        """The status code, an alias of `status`."""
        return self._status

    @status_code.setter
    def status_code(self, value: int) -> None:
        self.status = value

    def copy(self) -> HttpResponse:
        """Return a copy whose headers and cookies can be changed independently; the body is shared."""
        return HttpResponse(self.status, self.headers, self.body, self.cookies)

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {dict(self.headers)!r}, body={type(self.body).__name__})"


def from_dict(answer: Mapping[str, Any]) -> HttpResponse:
    """Convert a proxy response, `{"statusCode": ..., "headers": ..., "body": ...}`, to an HttpResponse.

    Raises:
        ValueError: A key is unknown, or a value is not valid HTTP.
        TypeError: A value has the wrong type.
    """
    unknown = sorted(str(key) for key in answer if key not in _KNOWN_KEYS)
    if unknown:
        known = ", ".join(sorted(_KNOWN_KEYS))
        raise ValueError(f"An HTTP response has no key {unknown[0]!r}; it knows {known}.")
    body = answer.get("body")
    if answer.get("isBase64Encoded"):
        body = _from_base64(body)
    response = HttpResponse(
        _status(answer["statusCode"]), _mapping(answer, "headers"), body, answer.get("cookies") or ()
    )
    for name, values in _mapping(answer, "multiValueHeaders").items():
        response.headers.pop(name, None)
        for value in [values] if isinstance(values, str) else values:
            response.headers.add(name, value)
    return response


def normalised(response: Any) -> Any:
    """Return a dict with a status as an HttpResponse; anything else unchanged."""
    if isinstance(response, Mapping) and response.get("statusCode"):
        return from_dict(response)
    return response


def prelude(
    response: HttpResponse, *, multi_value: bool = False, more: Mapping[str, str] | None = None
) -> bytes:
    """Return the JSON and the eight NUL bytes that precede a streamed HTTP body.

    Args:
        response: Status, headers and cookies; the body is not used.
        multi_value: Put repeated headers and cookies into `multiValueHeaders`, where API Gateway REST APIs
            look for them.
        more: Header fields that override those of the response.

    Raises:
        ValueError: The prelude would not end within the first 16 KiB, where API Gateway looks for it
            (https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html).
    """
    metadata = metadata_of(response, multi_value=multi_value, more=more)
    encoded = json.dumps(metadata, separators=(",", ":")).encode() + PRELUDE_END
    if len(encoded) > PRELUDE_LIMIT:
        raise ValueError(
            f"Status, headers and cookies take {len(encoded)} bytes; a streamed response has room for "
            f"{PRELUDE_LIMIT}. Send fewer or shorter headers."
        )
    return encoded


def metadata_of(
    response: HttpResponse, *, multi_value: bool = False, more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return status, headers and cookies in the platform's JSON format."""
    headers, cookies = end_to_end(response)
    for name, value in (more or {}).items():
        headers[name] = value
    metadata: dict[str, Any] = {"statusCode": response.status, "headers": dict(headers)}
    if not multi_value:
        if cookies:
            metadata["cookies"] = cookies
        return metadata
    several = {name: headers.get_all(name) for name in headers if len(headers.get_all(name)) > 1}
    if cookies:
        several["set-cookie"] = cookies
    if several:
        metadata["headers"] = {name: value for name, value in headers.items() if name not in several}
        metadata["multiValueHeaders"] = several
    return metadata


def end_to_end(response: HttpResponse) -> tuple[Headers, list[str]]:
    """Return the end-to-end headers, and the cookies, wherever they were set."""
    dropped = set(_CONNECTION_HEADERS)
    dropped.update(name.strip().lower() for name in response.headers.get("connection", "").split(","))
    kept = Headers()
    for name in response.headers:
        if name.lower() not in dropped and name.lower() != "set-cookie":
            for value in response.headers.get_all(name):
                kept.add(name, value)
    cookies = [_checked_value("set-cookie", cookie) for cookie in response.cookies]
    return kept, cookies + response.headers.get_all("set-cookie")


def checked_content_type(value: str) -> str:
    """Return a content type that is valid in a header, or raise."""
    if not value:
        raise ValueError("content_type must not be empty.")
    return _checked_value("content-type", value)


def _status(value: Any) -> Any:
    """Return the status as an int; like API Gateway, accept text."""
    return int(value) if isinstance(value, str) and re.fullmatch("[1-5][0-9]{2}", value) else value


def _mapping(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = answer.get(key) or {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{key} of an HTTP response must be a dict, not {type(value).__name__}.")
    return value


def _from_base64(body: Any) -> bytes:
    with unshadowed():
        import base64

    if not isinstance(body, str | bytes):
        raise TypeError(f"isBase64Encoded needs a body of text, not {type(body).__name__}.")
    return base64.b64decode(body, validate=True)


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"A header name must be a str, not {type(name).__name__}.")
    if not name or not _TOKEN.issuperset(name):
        raise ValueError(f"{name!r} is not a header name (RFC 9110: letters, digits and !#$%&'*+-.^_`|~).")
    return name


def _checked_value(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise TypeError(f"The value of header {name!r} must be a str, not {type(value).__name__}.")
    if any(character in value for character in "\r\n\0"):
        raise ValueError(f"The value of header {name!r} holds a line break or NUL: {value!r}.")
    return value
