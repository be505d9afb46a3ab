"""Buffered responses, for callers and event sources that do not stream."""

from __future__ import annotations

from streamify_server.errors import ResponseTooLargeError
from streamify_server.events import ALB, HTTP_API_1, LATTICE, REST_API, WEBSOCKET_API
from streamify_server.response import HttpResponse, end_to_end, metadata_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PAYLOAD_LIMIT = 6 * 1024 * 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
ALB_LIMIT = 1024 * 1024
_TEXTUAL = (
    "text/",
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-www-form-urlencoded",
)


class Collecting:
    """A sink that collects the body, to be returned as a whole."""

    full = False

    def __init__(
        self, response: HttpResponse | None, content_type: str | None, event: Any, kind: str | None
    ) -> None:
        self._response = response
        self._content_type = content_type
        self._event = event
        self._kind = kind
        self._body = bytearray()

    def write(self, data: bytes) -> None:
        """Keep a chunk.

        Raises:
            ResponseTooLargeError: The response exceeds the platform's limit.
        """
        self._body += data
        check_size(len(self._body), self._kind)

    async def drained(self) -> None:
        """Return at once: there is always room."""

    def end(self) -> None:
        """Do nothing."""

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        """Do nothing: the call itself raises the error."""

    def value(self) -> Any:
        """Return bytes for a bare response, the proxy response (a dict) for HTTP."""
        return whole(self._response, self._content_type, bytes(self._body), self._event, self._kind)


def check_size(length: int, kind: str | None) -> None:
    """Raise ResponseTooLargeError if the body is too large to be buffered for this kind of event."""
    limit = ALB_LIMIT if kind == ALB else PAYLOAD_LIMIT
    if length > limit:
        where = "a load balancer" if kind == ALB else "a buffered Lambda response"
        raise ResponseTooLargeError(
            f"The response has more than {limit} bytes, the limit of {where}. Stream it (a Function URL with "
            "invoke mode RESPONSE_STREAM, an API Gateway REST API with response streaming, or "
            "InvokeWithResponseStream), or send a smaller body."
        )


def whole(
    response: HttpResponse | None, content_type: str | None, body: bytes, event: Any, kind: str | None
) -> Any:
    """Return bytes for a bare response, the proxy response (a dict) for HTTP."""
    if response is None and kind is None:
        return body
    if response is None:  # for HTTP, bare bytes would be an error
        response = HttpResponse(200, {"content-type": content_type or "application/octet-stream"})
    if kind in (ALB, LATTICE):
        answer = _one_form(response, multi_value="multiValueHeaders" in event)
    else:
        answer = metadata_of(response, multi_value=kind in (REST_API, HTTP_API_1, WEBSOCKET_API))
    text = _as_text(response, body)
    answer["body"] = _base64(body) if text is None else text
    answer["isBase64Encoded"] = text is None
    check_size(len(answer["body"].encode()), kind)
    return answer


def _base64(body: bytes) -> str:
    from binascii import b2a_base64

    return b2a_base64(body, newline=False).decode()


def _one_form(response: HttpResponse, *, multi_value: bool) -> dict[str, Any]:
    """Build a load balancer's response: headers in the same form as in its events, including cookies."""
    headers, cookies = end_to_end(response)
    if multi_value:
        several = {name: headers.get_all(name) for name in headers}
        if cookies:
            several["set-cookie"] = cookies
        return {"statusCode": response.status, "multiValueHeaders": several}
    named = {_spelling("set-cookie", number): cookie for number, cookie in enumerate(cookies)}
    return {"statusCode": response.status, "headers": {**headers, **named}}


def _spelling(name: str, number: int) -> str:
    """Return the name in different letter case for each number: JSON allows only one value per key."""
    letters = iter(bin(number)[:1:-1] + "0" * len(name))
    mixed = "".join(c.upper() if c.isalpha() and next(letters) == "1" else c for c in name)
    if number >= 2 ** sum(map(str.isalpha, name)):
        raise ValueError(
            "A load balancer sends so many cookies only if its target group has multi-value headers enabled."
        )
    return mixed


def _as_text(response: HttpResponse, body: bytes) -> str | None:
    """Return the body as text; None if it is binary."""
    content_type = response.headers.get("content-type", "").lower()
    media_type = content_type.partition(";")[0].strip()
    textual = not body or media_type.startswith(_TEXTUAL) or media_type.endswith(("+json", "+xml"))
    charset = content_type.partition("charset=")[2].strip('" ') or "utf-8"
    if not textual or "content-encoding" in response.headers or charset not in ("utf-8", "utf8", "us-ascii"):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
