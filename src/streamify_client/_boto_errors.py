"""What botocore raises, as this library's errors; boto3 and aiobotocore share it."""

import socket
from typing import Any
from urllib.parse import urlsplit

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
from .transport import Invocation

_THROTTLES = {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"}


def translate(
    error: Exception, invocation: Invocation, *, region: str | None, connected: bool
) -> StreamifyError:
    """Return the public error for what a boto client raised.

    Args:
        error: The exception.
        invocation: What was called.
        region: The client's region.
        connected: Whether a connection is known to have come about.
    """
    import botocore.exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, StreamifyError):
        return error
    if isinstance(error, boto.ClientError):
        return _refusal(error, invocation, region)
    if isinstance(error, boto.ConnectTimeoutError):
        return StreamTimeoutError("The connection did not come about in time.", phase="connect")
    if isinstance(error, boto.ReadTimeoutError):
        return StreamTimeoutError("The function sent nothing in time.", phase="first_byte")
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return _connection_error(error, connected)
    if isinstance(error, ResponseParserError):
        return CorruptStreamError(f"The answer is not Lambda's: {error}.")
    if isinstance(error, boto.BotoCoreError):
        return _configuration_error(error)
    return InvocationError(f"The request could not be made: {error!r}.", may_have_run=connected)


def _connection_error(error: Any, connected: bool) -> StreamifyError:
    import botocore.exceptions as boto

    url = _origin(error.kwargs.get("endpoint_url"))
    inner = error.kwargs.get("error")
    if isinstance(error, boto.SSLError):
        return ConnectError(
            f"No TLS connection to {url}: {innermost_reason(inner)}. verify= takes a CA bundle."
        )
    if isinstance(error, boto.ProxyConnectionError):
        return ConnectError(
            f"No connection through the proxy {error.kwargs.get('proxy_url')}: {innermost_reason(inner)}."
        )
    if isinstance(error, boto.EndpointConnectionError) and _never_connected(inner):
        if find_cause(inner, socket.gaierror) or "dns" in type(inner).__name__.lower():
            return ConnectError(f"{url} cannot be resolved: check the region and the network.")
        refused = find_cause(inner, ConnectionRefusedError) is not None
        why = "the connection was refused" if refused else innermost_reason(inner)
        return ConnectError(f"No connection to {url}: {why}.", refused=refused)
    if connected or isinstance(error, boto.ConnectionClosedError | boto.EndpointConnectionError):
        return TruncatedStreamError(
            f"The connection to {url} was lost before an answer came: {innermost_reason(inner)}."
        )
    return ConnectError(f"No connection to {url}: {innermost_reason(inner) if inner else error}.")


def _origin(url: str | None) -> str:
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "the endpoint"


def _never_connected(error: object) -> bool:
    """Whether a client library says so: aiobotocore raises the same for a connection that broke later."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"NewConnectionError", "ClientConnectorError", "ConnectionRefusedError", "gaierror"})


def _refusal(error: Any, invocation: Invocation, region: str | None) -> InvocationError:
    response = error.response
    details, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, said = str(details.get("Code", "")), str(details.get("Message") or response.get("message") or "")
    status = int(metadata.get("HTTPStatusCode", 0))
    context: dict[str, Any] = {"code": code, "status_code": status, "request_id": metadata.get("RequestId")}
    if code == "ResourceNotFoundException" or (not code and status == 404):
        qualifier = f" with the qualifier {invocation.qualifier!r}" if invocation.qualifier else ""
        return FunctionNotFoundError(
            f"There is no function {invocation.function!r}{qualifier} in region {region} of this account"
            f"{f': {said}' if said else ''}. Check its name, the region and the account.",
            **context,
        )
    message = f"Lambda refused the request with {code or status}: {said or 'no reason given'}"
    if code in _THROTTLES or status == 429:
        return ThrottledError(
            message, retry_after=_retry_after(response), reason=response.get("Reason"), **context
        )
    if status == 413:
        message += f" (the payload has {len(invocation.payload or b''):,} bytes)"
    return InvocationError(message, may_have_run=status >= 500, **context)


def _retry_after(response: Any) -> float | None:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    for value in (headers.get("retry-after"), response.get("retryAfterSeconds")):
        try:
            return max(0.0, float(value))
        except (TypeError, ValueError):
            continue
    return None


def _configuration_error(error: Any) -> ConfigurationError:
    import botocore.exceptions as boto

    if isinstance(
        error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError
    ):
        return ConfigurationError(
            f"AWS credentials are missing or incomplete ({error}): set AWS_PROFILE, or run `aws configure` "
            "or `aws sso login`."
        )
    if isinstance(error, boto.NoRegionError):
        return ConfigurationError("No AWS region is set: pass region_name=, or set AWS_DEFAULT_REGION.")
    return ConfigurationError(f"boto3 could not make the request: {error}")
