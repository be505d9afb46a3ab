"""Everything that a stream can raise.

    StreamifyError
    ├── ConnectError                   also a ConnectionError: DNS, refused, TLS, proxy; nothing ran
    ├── InvocationError                the request was refused: code, status_code
    │   ├── ThrottledError
    │   └── FunctionNotFoundError
    ├── FunctionError                  the function ran and failed: error_type, message, stack_trace, code, log_tail
    ├── HttpStatusError                the response says 4xx or 5xx: status_code, headers, body's beginning (raise_for_status=False opts out)
    ├── StreamError                    the response did not arrive whole
    │   ├── TruncatedStreamError       also a connection lost before the headers
    │   ├── CorruptStreamError
    │   └── StreamTimeoutError         also a TimeoutError; phase: "connect", "first_byte", "idle" or "total"
    ├── DecodeError                    also a ValueError: text, JSON, SSE; offset
    ├── StreamClosedError              closed, cancelled or not opened
    └── ConfigurationError             also a ValueError: missing credentials, missing extra, bad argument

Every error names the function and the request, and says how many bytes of the body had arrived and whether
the function may have run. All errors can be pickled.
"""

from collections.abc import Mapping
from typing import Any, Literal

TimeoutPhase = Literal["connect", "first_byte", "idle", "total"]


class StreamifyError(Exception):
    """The root of all errors of this library.

    Attributes:
        message: What was wrong, in one sentence.
        function: The function's name, ARN or URL, as it was given.
        request_id: AWS's id of the request, if the response had one.
        bytes_received: How many bytes of the response's body had arrived.
        may_have_run: Whether the function may have run; if not, the call can be repeated safely.
        attempts: How many invocations were tried.
    """

    may_have_run: bool = False

    def __init__(
        self,
        message: str,
        *,
        function: str | None = None,
        request_id: str | None = None,
        bytes_received: int = 0,
        may_have_run: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.function = function
        self.request_id = request_id
        self.bytes_received = bytes_received
        self.attempts = 1
        if may_have_run is not None:
            self.may_have_run = may_have_run

    def __str__(self) -> str:
        context = [f"function {self.function}"] if self.function else []
        if self.request_id:
            context.append(f"request {self.request_id}")
        if self.may_have_run:
            context.append(f"{self.bytes_received:,} bytes received, the function may have run")
        return f"{self.message} ({', '.join(context)})" if context else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[StreamifyError], args: tuple[Any, ...], state: dict[str, Any]) -> StreamifyError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConnectError(StreamifyError, ConnectionError):
    """No connection could be made, so nothing ran: DNS, a refused connection, TLS, a proxy.

    Attributes:
        refused: Whether the other side refused the connection; trying again may then help.
    """

    def __init__(self, message: str, *, refused: bool = False, **context: Any) -> None:
        super().__init__(message, **context)
        self.refused = refused


class InvocationError(StreamifyError):
    """The service answered the request with an error instead of a stream.

    Attributes:
        code: The service's name for the error, for example ``AccessDeniedException``.
        status_code: The HTTP status.
    """

    def __init__(self, message: str, *, code: str = "", status_code: int = 0, **context: Any) -> None:
        super().__init__(message, **context)
        self.code = code
        self.status_code = status_code


class ThrottledError(InvocationError):
    """The service refused the request because there were too many; the function did not run.

    Attributes:
        retry_after: How many seconds to wait before the next try, if the service said so.
        reason: The service's reason, for example ``ReservedFunctionConcurrentInvocationLimitExceeded``.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, reason: str | None = None, **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.retry_after = retry_after
        self.reason = reason


class FunctionNotFoundError(InvocationError):
    """There is no such function, version or alias in this account and region."""


class FunctionError(StreamifyError):
    """The function ran and failed.

    Attributes:
        error_type: The exception's name as the function's runtime reported it.
        error_message: What the exception said.
        stack_trace: The function's stack trace, one entry a line.
        code: Lambda's code for the failure, if it gave one.
        log_tail: The end of the function's log, if ``log_tail=True`` asked for it.
    """

    may_have_run = True

    def __init__(
        self,
        message: str,
        *,
        error_type: str | None = None,
        error_message: str | None = None,
        stack_trace: tuple[str, ...] = (),
        code: str | None = None,
        log_tail: str | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.error_type = error_type
        self.error_message = error_message
        self.stack_trace = stack_trace
        self.code = code
        self.log_tail = log_tail


class HttpStatusError(StreamifyError):
    """The function answered with HTTP status 4xx or 5xx; ``raise_for_status=False`` opts out.

    Attributes:
        status_code: The HTTP status.
        headers: The response's headers.
        body: The first bytes of the response's body.
    """

    may_have_run = True

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.status_code = status_code
        self.headers: Mapping[str, str] = {} if headers is None else headers
        self.body = body


class StreamError(StreamifyError):
    """The response did not arrive whole."""

    may_have_run = True


class TruncatedStreamError(StreamError):
    """The response ended, or its connection was lost, before it was complete."""


class CorruptStreamError(StreamError):
    """The response breaks its format: a wrong checksum, impossible lengths, an unreadable prelude."""


class StreamTimeoutError(StreamError, TimeoutError):
    """A time limit was exceeded.

    Attributes:
        phase: Which limit: ``connect``, ``first_byte``, ``idle`` or ``total``.
        limit: The limit in seconds, where it is known.
    """

    def __init__(
        self, message: str, *, phase: TimeoutPhase, limit: float | None = None, **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.phase: TimeoutPhase = phase
        self.limit = limit
        if phase == "connect":
            self.may_have_run = False


class DecodeError(StreamifyError, ValueError):
    """The body could not be decoded as text, JSON or server-sent events.

    Attributes:
        offset: Where in the body, in bytes from its start, if known.
    """

    may_have_run = True

    def __init__(self, message: str, *, offset: int | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.offset = offset


class StreamClosedError(StreamifyError):
    """The stream was closed, cancelled or read to its end, or is not open yet."""


class ConfigurationError(StreamifyError, ValueError):
    """Something must be corrected on this side: an argument, credentials, a region, a missing package."""
