"""The errors of the Lambda API, as listed in the botocore model."""

import json

# Error name to HTTP status. Those that cannot occur here (VPC, KMS, EFS, ...) can be injected as a fault.
STATUS = {
    "AccessDeniedException": 403,
    "CodeArtifactUserDeletedException": 409,
    "CodeArtifactUserFailedException": 409,
    "CodeArtifactUserPendingException": 409,
    "DurableExecutionAlreadyStartedException": 409,
    "EC2AccessDeniedException": 502,
    "EC2ThrottledException": 502,
    "EC2UnexpectedException": 502,
    "EFSIOException": 410,
    "EFSMountConnectivityException": 408,
    "EFSMountFailureException": 403,
    "EFSMountTimeoutException": 408,
    "ENILimitReachedException": 502,
    "ENINotReadyException": 502,
    "InvalidParameterValueException": 400,
    "InvalidRequestContentException": 400,
    "InvalidRuntimeException": 502,
    "InvalidSecurityGroupIDException": 502,
    "InvalidSubnetIDException": 502,
    "InvalidZipFileException": 502,
    "KMSAccessDeniedException": 502,
    "KMSDisabledException": 502,
    "KMSInvalidStateException": 502,
    "KMSNotFoundException": 502,
    "ModeNotSupportedException": 400,
    "NoPublishedVersionException": 400,
    "RecursiveInvocationException": 400,
    "RequestTooLargeException": 413,
    "ResourceConflictException": 409,
    "ResourceNotFoundException": 404,
    "ResourceNotReadyException": 502,
    "RuntimeAliasDeletedException": 409,
    "RuntimeVersionDeletedException": 409,
    "S3FilesMountConnectivityException": 408,
    "S3FilesMountFailureException": 403,
    "S3FilesMountTimeoutException": 408,
    "SerializedRequestEntityTooLargeException": 413,
    "ServiceException": 500,
    "ServiceQuotaExceededException": 402,
    "SnapStartException": 400,
    "SnapStartNotReadyException": 409,
    "SnapStartRegenerationFailureException": 409,
    "SnapStartTimeoutException": 408,
    "SubnetIPAddressLimitReachedException": 502,
    "TooManyRequestsException": 429,
    "UnknownOperationException": 404,
    "UnsupportedMediaTypeException": 415,
}
_KNOWN = STATUS | {"NotFoundException": 404}  # API Gateway's, for its read operations
# For these, the model spells the member `Message`.
_CAPITAL_MESSAGE = frozenset(STATUS) - {
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
    "CodeArtifactUserPendingException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "ModeNotSupportedException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "RuntimeAliasDeletedException",
    "RuntimeVersionDeletedException",
    "SerializedRequestEntityTooLargeException",
    "TooManyRequestsException",
    "UnsupportedMediaTypeException",
}


class ApiError(Exception):
    """The request is rejected: with a modelled error, or only with a status, as by a load balancer."""

    def __init__(
        self, code: str | int, message: str, *, reason: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status: int = code if isinstance(code, int) else _KNOWN[code]
        self.reason = reason
        self.retry_after = retry_after

    @property
    def headers(self) -> list[tuple[str, str]]:
        headers = [("content-type", "application/json")]
        if isinstance(self.code, str):
            headers.append(("x-amzn-errortype", self.code))
        if self.retry_after is not None:
            headers.append(("retry-after", str(self.retry_after)))
        return headers

    @property
    def body(self) -> bytes:
        fields = {"Type": "Service" if self.status >= 500 else "User"}
        if self.reason:
            fields["Reason"] = self.reason
        fields["Message" if self.code in _CAPITAL_MESSAGE else "message"] = str(self)
        return json.dumps(fields).encode()


def throttled(*, reserved: bool) -> ApiError:
    """Return the error for too many concurrent invocations, of the function (`reserved`) or the account."""
    scope = "ReservedFunctionConcurrent" if reserved else "Concurrent"
    reason = f"{scope}InvocationLimitExceeded"
    return ApiError("TooManyRequestsException", "Rate Exceeded.", reason=reason, retry_after=1)
