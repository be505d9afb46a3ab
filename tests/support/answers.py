"""What a streaming handler sends, chunk by chunk, and bodies of every kind to send."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO
from typing import Any

from streamify_server import HttpResponse, streaming_handler
from streamify_server.posting import posting_through
from streamify_server.response import PRELUDE_END
from streamify_server.testing import Context, Result, invoke
from support.posters import Poster


class Answer:
    """What `streamify_server.testing.invoke` gives, with the names of headers in lower case."""

    def __init__(self, result: Result) -> None:
        self.status = result.status_code
        self.chunks = result.chunks
        self.body = result.body
        self.error = result.error
        headers: Any = result.headers
        if isinstance(result.value, dict):  # a proxy response
            body = result.value["body"].encode()
            self.status = result.value["statusCode"]
            self.body = base64.b64decode(body) if result.value["isBase64Encoded"] else body
            headers = result.value["headers"]
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.bare = self.status is None


class Reader(Poster):
    """A poster that keeps what it is given, to be looked at while the handler still produces."""

    @property
    def headers(self) -> dict[str, str]:
        if not self.prelude:
            return {}
        found: dict[str, str] = json.loads(self.prelude.removesuffix(PRELUDE_END))["headers"]
        return found


def context() -> Context:
    """A Lambda context."""
    return Context(function_name="fn", aws_request_id="r-1", tenant_id="t-1")


def outcome(handler: Callable[[Any, Any], Any], event: Any = None, context: Any = None) -> Result:
    """What this handler sends, and the error that ends it, if any."""
    return invoke(handler, event, context, raise_errors=False)


def answer_of(handler: Callable[[Any, Any], Any], event: Any = None) -> Answer:
    """What this handler sends for this event."""
    return Answer(outcome(handler, {} if event is None else event, context()))


def read_by(reader: Reader, middlewares: Any, response: Callable[[], Any], event: Any = None) -> None:
    """Let this reader have the answer; raises what ends it."""
    with posting_through(reader):
        streaming_handler(middlewares=middlewares)(lambda event, context: response())(event, context())


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
