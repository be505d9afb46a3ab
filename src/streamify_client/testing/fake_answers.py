"""The answers of a FakeLambda, and how they become responses."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from streamify_client.request.offer import OFFER_KEY, VERIFIED, is_offered
from streamify_client.stream.body import REMAPPED
from streamify_client.wire.prelude import HTTP_INTEGRATION
from streamify_client.wire.verified import CONTENT_TYPE

from . import canned

Fault = Literal["truncated", "cut", "stall", "corrupt"]


@dataclass(frozen=True, slots=True)
class FunctionFailure:
    """The function raises.

    Attributes:
        error_type: The exception's name.
        message: The exception's message.
        stack_trace: Its stack trace, one entry a line.
        code: Lambda's ErrorCode; None: the error's type.
    """

    error_type: str = "RuntimeError"
    message: str = "it went wrong"
    stack_trace: tuple[str, ...] = ()
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A function's response.

    Attributes:
        chunks: The body: one str or bytes, or an iterable of them, which is consumed as the stream is read.
        content_type: The content type of the body.
        status_code: With this, `headers` or `cookies` the function sends an HTTP response.
        headers: HTTP headers.
        cookies: Values of Set-Cookie headers.
        error: How the function fails, after its chunks.
        fault: What happens to the connection after the chunks: ``truncated`` (HTTP ends without a final
            event), ``cut`` (the connection is lost), ``stall`` (nothing more arrives until a time limit; the
            test does not wait for it) or ``corrupt`` (a byte is changed).
        log_tail: The end of the function's log.
        verified: Send a verified stream if the client accepts one.
    """

    chunks: str | bytes | Iterable[str | bytes] = ()
    content_type: str | None = None
    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    error: FunctionFailure | None = None
    fault: Fault | None = None
    log_tail: str | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """The service refuses the request.

    Attributes:
        code: The service's name for the error.
        status_code: The HTTP status.
        message: What the service says.
        retry_after: Seconds, in a Retry-After header.
    """

    code: str
    status_code: int = 400
    message: str = "refused"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The connection is refused."""


@dataclass(frozen=True, slots=True)
class Silence:
    """The function does not respond before the time limit; the test does not wait for it."""


Answer = Stream | Refusal | Unreachable | Silence


@dataclass(frozen=True, slots=True)
class Call:
    """An invocation that was made.

    Attributes:
        function: The function's name as in the request.
        payload: The value of the JSON payload; None if there is none.
        qualifier: The version or alias.
        client_context: The client context that the function would get.
        tenant_id: The tenant.
        log_tail: Whether the end of the log was requested.
    """

    function: str
    payload: Any
    qualifier: str | None
    client_context: Any
    tenant_id: str | None
    log_tail: bool


def response_head(answer: Stream | Refusal, call: Call) -> tuple[int, dict[str, str]]:
    """Return the status and the headers of an answer."""
    headers = {
        "x-amzn-requestid": "00000000-0000-0000-0000-000000000000",
        "x-amz-executed-version": "$LATEST",
    }
    if isinstance(answer, Refusal):
        headers |= {"content-type": "application/json", "x-amzn-errortype": answer.code}
        if answer.retry_after is not None:
            headers["retry-after"] = str(answer.retry_after)
        return answer.status_code, headers
    headers["content-type"] = "application/vnd.amazon.eventstream"
    if _is_http(answer):
        headers[REMAPPED] = HTTP_INTEGRATION
    elif _is_verified(answer, call):
        headers[REMAPPED] = CONTENT_TYPE
    elif answer.content_type is not None:
        headers[REMAPPED] = answer.content_type
    return 200, headers


def _is_http(answer: Stream) -> bool:
    return answer.status_code is not None or bool(answer.headers) or bool(answer.cookies)


def _is_verified(answer: Stream, call: Call) -> bool:
    custom = (call.client_context or {}).get("custom", {})
    return answer.verified and is_offered(custom.get(OFFER_KEY), VERIFIED)


def response_parts(answer: Stream | Refusal, call: Call, lost: Exception, late: Exception) -> Iterator[bytes]:
    """Return the body of an answer in the parts in which it arrives, up to the fault, if any."""
    if isinstance(answer, Refusal):
        yield json.dumps({"Type": "User", "message": answer.message}).encode()
        return
    for data in _payloads(answer, call):
        yield canned.payload_frame(data)
    if answer.fault == "corrupt":
        yield canned.corrupted(canned.payload_frame(b"something"))
    elif answer.fault == "cut":
        raise lost
    elif answer.fault == "stall":
        raise late
    elif answer.fault is None:
        code = answer.error.code if answer.error else None
        yield canned.complete_frame(_error_fields(answer), code, answer.log_tail if call.log_tail else None)


def _payloads(answer: Stream, call: Call) -> Iterator[bytes]:
    chunks = (answer.chunks,) if isinstance(answer.chunks, str | bytes) else answer.chunks
    body = (chunk.encode() if isinstance(chunk, str) else chunk for chunk in chunks)
    is_verified = _is_verified(answer, call)
    if _is_http(answer):
        own_type = CONTENT_TYPE if is_verified else answer.content_type
        headers = dict(answer.headers) | ({"content-type": own_type} if own_type else {})
        yield canned.prelude(answer.status_code or 200, headers, answer.cookies)
    if not is_verified:
        yield from body
        return
    frames = canned.verified_frames(body, answer.content_type, _error_fields(answer))
    if answer.fault is None:
        yield from frames
    else:  # the fault comes before the last frame
        yield from _all_but_last(frames)


def _all_but_last(items: Iterator[bytes]) -> Iterator[bytes]:
    held = next(items, None)
    for item in items:
        if held is not None:
            yield held
        held = item


def _error_fields(answer: Stream) -> dict[str, Any] | None:
    error = answer.error
    if error is None:
        return None
    return {
        "errorType": error.error_type,
        "errorMessage": error.message,
        "stackTrace": list(error.stack_trace),
    }
