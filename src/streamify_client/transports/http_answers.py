"""The meaning of a URL's response, and the errors of its request; shared by sync and async."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from streamify_client.errors import (
    ConfigurationError,
    FunctionNotFoundError,
    InvocationError,
    StreamifyError,
    ThrottledError,
)
from streamify_client.request.url import HttpRequest

from .connection_errors import connection_error, is_no_http
from .http_connections import Proxy
from .retry_after import seconds_of
from .seam import ResponseHead

# Only with these in x-amzn-errortype does an error come from Lambda and not from the function itself.
_SERVICE_ERRORS = {
    "TooManyRequestsException",
    "AccessDeniedException",
    "ResourceNotFoundException",
    "InternalServerErrorException",
    "ServiceException",
}


@dataclass(frozen=True, slots=True)
class HttpHead:
    """Status and headers, and what they say about the response."""

    head: ResponseHead
    has_end: bool
    service_error: str

    @classmethod
    def of(cls, status: int, pairs: Iterable[tuple[str, str]], *, has_body: bool = True) -> "HttpHead":
        """Read status and headers."""
        headers: dict[str, str] = {}
        cookies: list[str] = []
        for raw_name, value in pairs:
            name = raw_name.lower()
            if name == "set-cookie":
                cookies.append(value)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        head = ResponseHead("http", status, headers, tuple(cookies))
        framed = _is_length(headers.get("content-length")) or "transfer-encoding" in headers
        has_end = status >= 200 and (framed or not has_body or status in (204, 304))
        return cls(head, has_end, headers.get("x-amzn-errortype", "").partition(":")[0])

    @property
    def by_service(self) -> bool:
        """Whether Lambda itself refused the request; a function's own errors have no such name."""
        return self.head.status_code >= 400 and self.service_error in _SERVICE_ERRORS

    def check_end(self) -> None:
        """Raise at the end of a body whose end cannot be told from a cut connection."""
        if not self.has_end:
            raise ConnectionError("the response has neither Content-Length nor chunks: its end says nothing")


def _is_length(value: str | None) -> bool:
    """Return whether a Content-Length is a number; a repeated header may repeat it."""
    parts = (value or "").split(",")
    return all(part.strip().isdecimal() and len(part) < 20 for part in parts)


def refusal(http: HttpHead, body: bytes, request: HttpRequest) -> InvocationError:
    """Return the error for an error response of the service."""
    fields = _fields(body)
    said = str(fields.get("message") or fields.get("Message") or "no reason given").rstrip(".")
    code, status, headers = http.service_error, http.head.status_code, http.head.headers
    context: dict[str, Any] = {
        "code": code,
        "status_code": status,
        "request_id": headers.get("x-amzn-requestid"),
    }
    if status == 429:
        retry_after = headers.get("retry-after") or fields.get("retryAfterSeconds")
        return ThrottledError(
            f"Lambda refused the request with {code}: {said}",
            retry_after=seconds_of(retry_after),
            reason=fields.get("Reason"),
            **context,
        )
    if status == 404:
        return FunctionNotFoundError(f"There is no Function URL {request.origin}: {said}", **context)
    message = f"Lambda refused the request with {code}: {said}"
    if status == 403:
        signed = "signed" if request.header("authorization") else "not signed"
        message += (
            f". The request was {signed}; a URL with AWS_IAM needs a signature, and the caller "
            "lambda:InvokeFunctionUrl and lambda:InvokeFunction."
        )
    return InvocationError(message, may_have_run=status >= 500, **context)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def translate(
    error: BaseException, request: HttpRequest, *, connected: bool, proxy: Proxy | None = None
) -> StreamifyError | None:
    """Return the public error for an error before the response's headers arrived; None: it is a bug.

    Args:
        error: The library's exception.
        request: The request.
        connected: Whether a connection was made, so that the request may have been sent.
        proxy: The proxy, if one was used.
    """
    if isinstance(error, StreamifyError):
        return error
    if isinstance(error, ValueError) and not isinstance(error, OSError) and not is_no_http(error):
        if connected:
            return None
        return ConfigurationError(f"The request to {request.origin} is not HTTP: {error}.")
    proxy_url = None if proxy is None else proxy.url
    return connection_error(error, url=request.origin, connected=connected, proxy=proxy_url)
