"""What the answer of a URL means, and what goes wrong on the way to it; shared by sync and async."""

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import httpcore2

from ._causes import find_cause, innermost_reason
from .errors import (
    ConfigurationError,
    ConnectError,
    CorruptStreamError,
    FunctionNotFoundError,
    InvocationError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from .transport import ResponseHead
from .url import HttpRequest

_SERVICE_ERRORS = {
    "TooManyRequestsException",
    "AccessDeniedException",
    "ResourceNotFoundException",
    "InternalServerErrorException",
    "ServiceException",
}


@dataclass(frozen=True, slots=True)
class HttpHead:
    """Status and headers, and what they say about the answer as a whole."""

    head: ResponseHead
    has_end: bool
    service_error: str

    @classmethod
    def of(cls, response: httpcore2.Response) -> "HttpHead":
        """Read httpcore2's response."""
        headers: dict[str, str] = {}
        cookies: list[str] = []
        for raw_name, raw_value in response.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name == "set-cookie":
                cookies.append(value)
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        head = ResponseHead("http", response.status, headers, tuple(cookies))
        framed = "content-length" in headers or "transfer-encoding" in headers
        has_end = framed or response.status in (204, 304)
        return cls(head, has_end, headers.get("x-amzn-errortype", "").partition(":")[0])

    @property
    def by_service(self) -> bool:
        """Whether Lambda itself says that it refused the request; a function's errors have no such name."""
        return self.head.status_code >= 400 and self.service_error in _SERVICE_ERRORS

    def check_end(self) -> None:
        """Raise at the end of a body whose end cannot be told from a cut connection."""
        if not self.has_end:
            raise ConnectionError("the response has neither Content-Length nor chunks: its end says nothing")


def refusal(http: HttpHead, body: bytes, request: HttpRequest) -> InvocationError:
    """Return the error for an answer of the service."""
    fields = _fields(body)
    said = fields.get("message") or fields.get("Message") or "no reason given"
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
            retry_after=_seconds(retry_after),
            reason=fields.get("Reason"),
            **context,
        )
    if status == 404:
        return FunctionNotFoundError(f"There is no Function URL {request.origin}: {said}", **context)
    message = f"Lambda refused the request with {code}: {said}"
    if status == 403:
        signed = "signed" if request.header("authorization") else "not signed"
        message += (
            f" The request was {signed}; a URL with AWS_IAM needs a signature, and the caller "
            "lambda:InvokeFunctionUrl and lambda:InvokeFunction."
        )
    return InvocationError(message, may_have_run=status >= 500, **context)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _seconds(value: Any) -> float | None:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return None


def translate(error: Exception, request: HttpRequest, *, connected: bool) -> StreamifyError:
    """Return the public error for what went wrong before the response's headers were there."""
    url = request.origin
    if isinstance(error, StreamifyError):
        return error
    if isinstance(error, httpcore2.ConnectTimeout):
        return StreamTimeoutError("The connection did not come about in time.", phase="connect")
    if isinstance(error, httpcore2.TimeoutException):
        phase = "first_byte" if connected else "connect"
        return StreamTimeoutError("The function sent nothing in time.", phase=phase)  # type: ignore[arg-type]
    if isinstance(error, httpcore2.ProxyError):
        return ConnectError(f"No connection to {url} through the proxy: {error}.")
    if isinstance(error, httpcore2.LocalProtocolError):
        return ConfigurationError(f"The request to {url} is no HTTP: {error}.")
    if isinstance(error, httpcore2.NetworkError) and not connected:
        return _connect_error(error, url)
    if isinstance(error, httpcore2.RemoteProtocolError) and "without sending" not in str(error):
        return CorruptStreamError(f"The answer of {url} is not HTTP: {error}.")
    if isinstance(error, httpcore2.NetworkError | httpcore2.ProtocolError):
        reason = innermost_reason(error)
        return TruncatedStreamError(f"The connection to {url} was lost before an answer came: {reason}.")
    return InvocationError(f"The request could not be made: {error!r}.", may_have_run=connected)


def _connect_error(error: Exception, url: str) -> ConnectError:
    if find_cause(error, ssl.SSLError):
        return ConnectError(
            f"No TLS connection to {url}: {innermost_reason(error)}. verify= takes a CA bundle."
        )
    if find_cause(error, socket.gaierror):
        return ConnectError(f"{url} cannot be resolved: check the URL and the network.")
    refused = find_cause(error, ConnectionRefusedError) is not None
    why = "the connection was refused" if refused else innermost_reason(error)
    return ConnectError(f"No connection to {url}: {why}.", refused=refused)


def body_error(error: Exception) -> Exception:
    """Return what a RawResponse raises for an error of httpcore2 while the body is read."""
    if isinstance(error, httpcore2.TimeoutException):
        return TimeoutError("nothing came in time")
    cut = "without sending complete message body" in str(error)
    if isinstance(error, httpcore2.RemoteProtocolError) and not cut:
        return CorruptStreamError(f"The response breaks HTTP's framing: {error}.")
    return ConnectionError(str(error) or type(error).__name__)
