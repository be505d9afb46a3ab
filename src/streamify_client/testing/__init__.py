"""Canned streams and faults for your tests, without a server or network, but with the real decoder.

    from streamify_client.testing import FakeLambda, Stream

    fake = FakeLambda()
    fake.on("report", Stream(["id,name\\n", "1,a\\n"], content_type="text/csv"))
    with fake.client() as client:
        assert client.stream("report").text() == "id,name\\n1,a\\n"
    assert fake.calls[0].function == "report"

The requests are made by a real boto3 (or aiobotocore) client; only sending them is replaced, in botocore's
``before-send`` event.
"""

import base64
import itertools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack
from urllib.parse import parse_qs, unquote, urlsplit

from streamify_client.errors import ConfigurationError
from streamify_client.transports.boto import OPERATION
from streamify_client.transports.client_kinds import kind_of

from . import canned
from .fake_answers import (
    Answer,
    Call,
    Fault,
    FunctionFailure,
    Refusal,
    Silence,
    Stream,
    Unreachable,
    response_head,
    response_parts,
)

if TYPE_CHECKING:
    from streamify_client.aio import AsyncStreamClient
    from streamify_client.client import ClientOptions, StreamClient

__all__ = [
    "Answer",
    "Call",
    "FakeLambda",
    "Fault",
    "FunctionFailure",
    "Refusal",
    "Silence",
    "Stream",
    "Unreachable",
]

_ids = itertools.count(1)


class FakeLambda:
    """Responds to the streaming invocations of clients with canned answers.

    Attributes:
        calls: The invocations so far.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: dict[str, list[Answer | Callable[[Call], Answer]]] = {}

    def on(self, function: str, *answers: Answer | Callable[[Call], Answer]) -> None:
        """Set a function's answers to successive invocations; the last answer is repeated.

        Args:
            function: Its name.
            answers: Answers, or functions that take a Call and return an answer.
        """
        if not answers:
            raise ConfigurationError(f"on({function!r}) needs an answer.")
        self._answers[function] = list(answers)

    def client(self, **options: Unpack["ClientOptions"]) -> "StreamClient":
        """Return a StreamClient on a real boto3 client whose requests this object answers.

        Args:
            **options: As for `StreamClient`.
        """
        from streamify_client.client import StreamClient

        client = StreamClient(**{**_boto_options(), **options})
        transport: Any = client._transport
        transport.on_client(self.attach)
        return client

    def async_client(self, **options: Unpack["ClientOptions"]) -> "AsyncStreamClient":
        """Return an AsyncStreamClient on a real aiobotocore client whose requests this object answers.

        Args:
            **options: As for `AsyncStreamClient`.
        """
        from streamify_client.aio import AsyncStreamClient

        client = AsyncStreamClient(**{**_boto_options(), **options})
        transport: Any = client._transport
        transport.on_client(self.attach)
        return client

    def attach(self, client: Any) -> Callable[[], None]:
        """Answer the streaming invocations of an existing boto3 or aiobotocore Lambda client.

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


def _botocore_response(request: Any, answer: Answer, call: Call) -> Any:
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from urllib3.exceptions import ProtocolError, ReadTimeoutError

    _raise_before_headers(request, answer)
    assert isinstance(answer, Stream | Refusal)
    lost = ProtocolError("Connection broken", ConnectionResetError("reset by the test"))
    late = ReadTimeoutError(None, request.url, "Read timed out.")  # type: ignore[arg-type]
    status, headers = response_head(answer, call)
    raw = canned.CannedUrllib3Response(response_parts(answer, call, lost, late))
    return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), raw)


def _aiobotocore_response(request: Any, answer: Answer, call: Call) -> Any:
    from aiobotocore.awsrequest import AioAWSResponse
    from aiohttp import ClientPayloadError
    from botocore.compat import HTTPHeaders

    _raise_before_headers(request, answer)
    assert isinstance(answer, Stream | Refusal)
    status, headers = response_head(answer, call)
    parts = response_parts(answer, call, ClientPayloadError("reset by the test"), TimeoutError())
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
