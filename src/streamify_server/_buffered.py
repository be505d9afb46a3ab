"""A whole response as one value, for callers and event sources that do not stream."""

from __future__ import annotations

from typing import Any

from ._events import ALB, REST_API
from .response import HttpResponse, end_to_end, metadata_of

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


class ResponseTooLargeError(ValueError):
    """A response that has to be sent in one piece is bigger than the platform takes."""


def check_size(length: int, kind: str | None) -> None:
    """Raise if a body of this many bytes cannot be buffered for this kind of event."""
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
    """Bytes for a bare response; the proxy response, a dict, for HTTP."""
    if response is None and kind is None:
        return body
    if response is None:
        response = HttpResponse(200, {"content-type": content_type or "application/octet-stream"})
    multi_value = kind == REST_API or (kind == ALB and "multiValueHeaders" in event)
    answer = _alb(response, multi_value) if kind == ALB else metadata_of(response, multi_value=multi_value)
    text = _as_text(response, body)
    answer["body"] = _base64(body) if text is None else text
    answer["isBase64Encoded"] = text is None
    check_size(len(answer["body"].encode()), kind)
    return answer


def _base64(body: bytes) -> str:
    from binascii import b2a_base64

    return b2a_base64(body, newline=False).decode()


def _alb(response: HttpResponse, multi_value: bool) -> dict[str, Any]:
    headers, cookies = end_to_end(response)
    answer: dict[str, Any] = {"statusCode": response.status}
    if multi_value:  # a target group takes either form, the one that its events have
        answer["multiValueHeaders"] = {name: headers.get_all(name) for name in headers}
        if cookies:
            answer["multiValueHeaders"]["set-cookie"] = cookies
        return answer
    if len(cookies) > 1:
        raise ValueError(
            "A load balancer sends several cookies only if its target group has multi-value headers enabled."
        )
    answer["headers"] = {**headers, **({"set-cookie": cookies[0]} if cookies else {})}
    return answer


def _as_text(response: HttpResponse, body: bytes) -> str | None:
    """The body as text, if that is what it is."""
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
