"""What a streaming handler sends, chunk by chunk, and bodies of every kind to send."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from streamify_server import HttpResponse, streaming_handler
from streamify_server.posting import posting_through


@dataclass
class Answer:
    """A poster that keeps what it is given."""

    content_type: str = ""
    prelude: dict[str, Any] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    error: BaseException | None = None

    def post(self, content_type: str, prelude: bytes, body: Iterator[bytes]) -> None:
        self.content_type = content_type
        self.prelude = json.loads(prelude.removesuffix(b"\0" * 8)) if prelude else {}
        for chunk in body:
            self.chunks.append(chunk)

    def fail(self, error: BaseException, farewell: bytes) -> None:
        pass

    @property
    def bare(self) -> bool:
        return not self.prelude

    @property
    def status(self) -> int:
        status: int = self.prelude["statusCode"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.prelude["headers"].items()}

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


def context() -> Any:
    """A Lambda context."""
    return SimpleNamespace(
        function_name="fn", aws_request_id="r-1", memory_limit_in_mb=128, tenant_id="t-1", client_context=None
    )


def answer_of(handler: Callable[[Any, Any], Any], event: Any = None, into: Answer | None = None) -> Answer:
    """What this handler sends for this event."""
    answer = into or Answer()
    with posting_through(answer):
        try:
            handler({} if event is None else event, context())
        except Exception as error:
            answer.error = error
    return answer


def answer_with(middlewares: Any, response: Any, event: Any = None) -> Answer:
    """What a handler sends that returns this response under these middlewares."""
    make = response if callable(response) else lambda: response
    return answer_of(streaming_handler(middlewares=middlewares)(lambda event, context: make()), event)


def through(middlewares: Any, event: Any) -> Any:
    """The event as it reaches the handler; raises what the middlewares raise."""
    seen = []
    handler = streaming_handler(middlewares=middlewares)(lambda event, context: seen.append(event))
    handler(event, context())
    return seen[0]


def generated(*chunks: Any) -> Iterator[Any]:
    yield from chunks


async def generated_async(*chunks: Any) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


TEXT = "row 1\nrow 2\n" * 20
# The same content as every kind of body.
BODIES: dict[str, Callable[[], Any]] = {
    "str": lambda: TEXT,
    "bytes": lambda: TEXT.encode(),
    "bytearray": lambda: bytearray(TEXT.encode()),
    "file": lambda: BytesIO(TEXT.encode()),
    "list of chunks": lambda: [TEXT[:100], TEXT[100:]],
    "generator": lambda: generated(TEXT[:100], TEXT[100:].encode()),
    "async generator": lambda: generated_async(TEXT[:100], TEXT[100:].encode()),
}


def http(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    """An HTTP response; underscores in header names stand for hyphens."""
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def get(path: str = "/", **headers: str) -> dict[str, Any]:
    """A GET request as a Function URL sends it."""
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {
            "http": {"method": "GET", "path": path},
            "domainName": "x.lambda-url.us-east-1.on.aws",
        },
    }
