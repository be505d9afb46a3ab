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
from streamify_client.request.invocation import Invocation

from .causes import find_cause, innermost_reason
from .connection_errors import connection_error, late
from .retry_after import seconds_of

_OF_CREDENTIALS = {"AssumeRole", "AssumeRoleWithWebIdentity", "CreateToken", "GetRoleCredentials"}
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
        if error.operation_name in _OF_CREDENTIALS:
            return credentials_error(error)
        return _refusal(error, invocation, region)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return _connection_error(error, connected, endpoint)
    if isinstance(error, ResponseParserError):
        return CorruptStreamError(f"The response does not come from Lambda: {error}.")
    if isinstance(error, boto.BotoCoreError):
        return configuration_error(error)
    if connected:
        return InvocationError(f"Lambda's response cannot be read: {error!r}.", may_have_run=True)
    return ConfigurationError(
        f"boto3 could not make the request ({error}): check AWS_PROFILE, the AWS configuration files, and "
        "what they name."
    )


def find_bug(error: Exception, *, connected: bool) -> Exception | None:
    """Return the exception that is not about this call, but a bug in a hook or here; None: it is about it."""
    import botocore.exceptions as boto

    inner: Any = error.kwargs.get("error") if isinstance(error, boto.HTTPClientError) else error
    if connected and inner is error:
        return None  # botocore's parser raises anything for an answer that is not Lambda's
    if type(inner).__module__ != "builtins" or not isinstance(inner, Exception):
        return None
    about_the_call = OSError | UnicodeError if connected else OSError | ValueError
    return None if isinstance(inner, about_the_call) else inner


def _connection_error(error: Any, connected: bool, endpoint: str | None) -> StreamifyError:
    import botocore.exceptions as boto

    if isinstance(error, boto.ConnectTimeoutError):
        return late(connected=False)
    if isinstance(error, boto.ReadTimeoutError):  # one without an error in it is a test's
        return late(connected or "error" not in error.kwargs)
    if not connected and find_cause(error, OSError, _is_about_a_file):
        return ConfigurationError(f"The CA bundle cannot be read: {innermost_reason(error)}.")
    proxy = error.kwargs.get("proxy_url")
    url = _origin(endpoint or error.kwargs.get("endpoint_url"))
    return connection_error(error, url=url, connected=connected, proxy=proxy, check="the region")


def _is_about_a_file(error: BaseException) -> bool:
    without = "NO_CERTIFICATE" in str(getattr(error, "reason", ""))  # the file has none
    return without or isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError)


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
    if status == 413:  # not checked before the call: AWS may change the limit
        message += f" (the payload has {len(invocation.payload or b''):,} bytes)"
    return InvocationError(message, may_have_run=status >= 500, **context)


def _retry_after(response: Any) -> float | None:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    for value in (headers.get("retry-after"), response.get("retryAfterSeconds")):
        if (seconds := seconds_of(value)) is not None:
            return seconds
    return None


def credentials_error(error: Exception) -> ConfigurationError:
    """Return the public error for what went wrong while credentials were looked for."""
    return ConfigurationError(
        f"AWS credentials cannot be loaded ({error}): check AWS_PROFILE and the AWS configuration files, or "
        "run `aws configure` or `aws sso login`."
    )


def no_client(error: Exception) -> ConfigurationError:
    """Return the public error for what kept boto from making a client."""
    import botocore.exceptions as boto

    if isinstance(error, boto.BotoCoreError):
        return configuration_error(error)
    return ConfigurationError(
        f"No boto3 client could be made ({error}): check its arguments, AWS_PROFILE and the AWS "
        "configuration files."
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
    if isinstance(error, boto.ParamValidationError) and 'Unknown parameter in input: "TenantId"' in str(
        error
    ):
        return ConfigurationError("This boto3 does not know tenant_id: update boto3.")
    return ConfigurationError(f"boto3 could not make the request: {str(error).rstrip('.')}.")
