"""What botocore raises, as this library's errors; boto3 and aiobotocore share it."""

from typing import Any
from urllib.parse import urlsplit

from streamify_client.errors import (
    ConfigurationError,
    CorruptStreamError,
    FunctionNotFoundError,
    InvocationError,
    StreamifyError,
    ThrottledError,
)

from .causes import find_cause, innermost_reason
from .connection_errors import connection_error, late
from .retry_after import seconds_of
from .seam import Invocation

_THROTTLES = {"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded"}


def translate(
    error: Exception,
    invocation: Invocation,
    *,
    region: str | None,
    connected: bool,
    endpoint: str | None = None,
) -> StreamifyError:
    """Return the public error for what a boto client raised.

    Args:
        error: The exception.
        invocation: What was called.
        region: The client's region.
        connected: Whether a connection came about, so that the function may have run.
        endpoint: The URL that the client calls.
    """
    import botocore.exceptions as boto
    from botocore.parsers import ResponseParserError

    if (ours := find_cause(error, StreamifyError)) is not None:
        assert isinstance(ours, StreamifyError)
        return ours
    if isinstance(error, boto.ClientError):
        return _refusal(error, invocation, region)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return _connection_error(error, connected, endpoint)
    if isinstance(error, ResponseParserError):
        return CorruptStreamError(f"The answer does not come from Lambda: {error}.")
    if isinstance(error, boto.BotoCoreError):
        return configuration_error(error)
    if connected:
        return InvocationError(f"The answer of Lambda cannot be read: {error!r}.", may_have_run=True)
    return InvocationError(f"The request could not be made: {error!r}.", may_have_run=False)


def _connection_error(error: Any, connected: bool, endpoint: str | None) -> StreamifyError:
    import botocore.exceptions as boto

    if isinstance(error, boto.ConnectTimeoutError):
        return late(connected=False)
    if isinstance(error, boto.ReadTimeoutError):  # one without a cause is a test's
        return late(connected or find_cause(error, TimeoutError) is None)
    if isinstance(error, boto.SSLError) and find_cause(error, FileNotFoundError | PermissionError):
        return ConfigurationError(f"The CA bundle cannot be read: {innermost_reason(error)}.")
    proxy = error.kwargs.get("proxy_url")
    url = _origin(endpoint or error.kwargs.get("endpoint_url"))
    return connection_error(error, url=url, connected=connected, proxy=proxy, check="the region")


def _origin(url: str | None) -> str:
    parts = urlsplit(url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "the endpoint"


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
        if (seconds := seconds_of(value)) is not None:
            return seconds
    return None


def credentials_error(error: Exception) -> ConfigurationError | None:
    """Return the public error for what went wrong while credentials were looked for; None: a bug."""
    import botocore.exceptions as boto

    if not isinstance(error, boto.BotoCoreError | boto.ClientError | OSError):
        return None
    return ConfigurationError(
        f"AWS credentials cannot be loaded ({error}): check AWS_PROFILE and the AWS configuration files, or "
        "run `aws configure` or `aws sso login`."
    )


def configuration_error(error: Any) -> ConfigurationError:
    """Return the public error for what boto could not even try."""
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
