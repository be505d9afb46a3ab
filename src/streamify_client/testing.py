"""Canned streams and faults for your own tests: no server, no network, and the real decoder on real frames.

    from streamify_client.testing import FakeLambda, Stream

    fake = FakeLambda()
    fake.on("report", Stream(["id,name\\n", "1,a\\n"], content_type="text/csv"))
    with fake.client() as client:
        assert client.stream("report").text() == "id,name\\n1,a\\n"
    assert fake.calls[0].function == "report"

A real boto3 (or aiobotocore) client signs and parses; only the sending is replaced, in botocore's
``before-send`` event.
"""

import base64
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Unpack
from urllib.parse import parse_qs, unquote, urlsplit

from . import _canned as canned
from ._boto import OPERATION
from ._client_context import OFFER, OFFER_KEY
from ._client_kinds import kind_of
from ._decoding import REMAPPED
from .errors import ConfigurationError
from .wire.prelude import HTTP_INTEGRATION
from .wire.verified import CONTENT_TYPE

if TYPE_CHECKING:
    from .aio import AsyncStreamClient
    from .client import ClientOptions, StreamClient

Fault = Literal["truncated", "cut", "stall", "corrupt"]
_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class FunctionFailure:
    """The function raises.

    Attributes:
        error_type: The exception's name.
        message: What it says.
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
        chunks: The body: one str or bytes, or an iterable of them, which is asked for each when it is read.
        content_type: What the function calls its body.
        status_code: With this, `headers` or `cookies` the function answers as HTTP.
        headers: HTTP headers.
        cookies: Values of Set-Cookie headers.
        error: How the function fails, after its chunks.
        fault: What happens to the connection after the chunks: ``truncated`` (HTTP ends, and no final event
            came), ``cut`` (the connection is lost), ``stall`` (nothing more comes until a limit passes;
            nothing really waits) or ``corrupt`` (a byte changes on the way).
        log_tail: The end of the function's log.
        verified: Answer with a verified stream, if the client offers that.
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
        code: The service's name for it.
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
    """The function does not begin to answer before the limit passes; nothing really waits."""


Answer = Stream | Refusal | Unreachable | Silence


@dataclass(frozen=True, slots=True)
class Call:
    """An invocation that was made.

    Attributes:
        function: Its name as it stood in the request.
        payload: What the payload's JSON says; None for none.
        qualifier: The version or alias.
        client_context: What the function would see in its client context.
        tenant_id: The tenant.
        log_tail: Whether the log's end was asked for.
    """

    function: str
    payload: Any
    qualifier: str | None
    client_context: Any
    tenant_id: str | None
    log_tail: bool


class FakeLambda:
    """Answers the streaming invocations of clients with what it was told.

    Attributes:
        calls: The invocations so far.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: dict[str, list[Answer | Callable[[Call], Answer]]] = {}

    def on(self, function: str, *answers: Answer | Callable[[Call], Answer]) -> None:
        """Say how a function answers: one invocation after the other, and the last answer to all further
        ones.

        Args:
            function: Its name.
            answers: Answers, or functions from a Call to one.
        """
        if not answers:
            raise ConfigurationError(f"on({function!r}) needs an answer.")
        self._answers[function] = list(answers)

    def client(self, **options: Unpack["ClientOptions"]) -> "StreamClient":
        """Make a StreamClient on a real boto3 client whose requests come here.

        Args:
            **options: As for `StreamClient`.
        """
        from .client import StreamClient

        client = StreamClient(**{**_boto_options(), **options})
        transport: Any = client._transport
        transport.on_client(self.attach)
        return client

    def async_client(self, **options: Unpack["ClientOptions"]) -> "AsyncStreamClient":
        """Make an AsyncStreamClient on a real aiobotocore client whose requests come here.

        Args:
            **options: As for `AsyncStreamClient`.
        """
        from .aio import AsyncStreamClient

        client = AsyncStreamClient(**{**_boto_options(), **options})
        transport: Any = client._transport
        transport.on_client(self.attach)
        return client

    def attach(self, client: Any) -> Callable[[], None]:
        """Answer the streaming invocations of a boto3 or aiobotocore Lambda client, raw ones too.

        Returns:
            A function that detaches it again.
        """
        respond = _aiobotocore_response if kind_of(client) == "aiobotocore" else _botocore_response
        event, unique_id = f"before-send.{OPERATION}", f"streamify-fake-{next(_ids)}"

        def answer(request: Any, **_: Any) -> Any:
            return respond(request, *self._answer(request))

        client.meta.events.register_first(event, answer, unique_id=unique_id)
        return lambda: client.meta.events.unregister(event, unique_id=unique_id)

    def _answer(self, request: Any) -> tuple[Answer, Call]:
        call = _read_call(request)
        self.calls.append(call)
        answers = self._answers.get(call.function)
        if not answers:
            return Refusal("ResourceNotFoundException", 404, f"Function not found: {call.function}"), call
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return (answer if isinstance(answer, Answer) else answer(call)), call


def _boto_options() -> dict[str, Any]:
    return {
        "region_name": "us-east-1",
        "endpoint_url": "http://lambda.invalid",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
    }


def _read_call(request: Any) -> Call:
    parts = urlsplit(request.url)
    headers = {str(name).lower(): _text(value) for name, value in request.headers.items()}
    context = headers.get("x-amz-client-context")
    body = request.body or b""
    return Call(
        function=unquote(parts.path.split("/functions/", 1)[1].rsplit("/", 1)[0]),
        payload=json.loads(body) if body else None,
        qualifier=parse_qs(parts.query).get("Qualifier", [None])[0],
        client_context=json.loads(base64.b64decode(context)) if context else None,
        tenant_id=headers.get("x-amz-tenant-id"),
        log_tail=headers.get("x-amz-log-type") == "Tail",
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _head(answer: Stream | Refusal, call: Call) -> tuple[int, dict[str, str]]:
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
    return answer.verified and custom.get(OFFER_KEY) == OFFER


def _parts(answer: Stream | Refusal, call: Call, lost: Exception, late: Exception) -> Iterator[bytes]:
    """The response's body in the parts in which it arrives, up to the fault."""
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


def _botocore_response(request: Any, answer: Answer, call: Call) -> Any:
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    _raise_before_headers(request, answer)
    assert isinstance(answer, Stream | Refusal)
    lost = ProtocolError("Connection broken", ConnectionResetError("reset by the test"))
    late = ReadTimeoutError(None, request.url, "Read timed out.")  # type: ignore[arg-type]
    status, headers = _head(answer, call)
    raw = canned.CannedUrllib3Response(_parts(answer, call, lost, late))
    return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), raw)


def _aiobotocore_response(request: Any, answer: Answer, call: Call) -> Any:
    from aiobotocore.awsrequest import AioAWSResponse
    from aiohttp import ClientPayloadError
    from botocore.compat import HTTPHeaders

    _raise_before_headers(request, answer)
    assert isinstance(answer, Stream | Refusal)
    status, headers = _head(answer, call)
    parts = _parts(answer, call, ClientPayloadError("reset by the test"), TimeoutError())
    raw = canned.CannedAiohttpResponse(parts)
    return AioAWSResponse(request.url, status, HTTPHeaders.from_dict(headers), raw)


def _raise_before_headers(request: Any, answer: Answer) -> None:
    from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

    if isinstance(answer, Silence):
        raise ReadTimeoutError(endpoint_url=request.url)
    if isinstance(answer, Unreachable):
        raise EndpointConnectionError(
            endpoint_url=request.url, error=ConnectionRefusedError(111, "Connection refused")
        )
