"""How a request is answered: streamed or buffered, verified or not, and with which head."""

from __future__ import annotations

import os

from streamify_server.events import ALWAYS_BUFFERED, FUNCTION_URL, REST_API, kind_of, method_of
from streamify_server.response import PRELUDE_CONTENT_TYPE, HttpResponse, prelude
from streamify_server.wire import verified as _verified

from .chunks import BINARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from streamify_server.posting import Poster, Sink

    from .part import Part

RESPOND = ("auto", "stream", "buffered")

# The status of a Function URL for a failed function.
_FAILED_STATUS = 502


class Head:
    """The head of a response and its form on the wire; the prelude is empty for a bare body."""

    __slots__ = ("content_encoding", "content_type", "prelude", "response", "verified", "wire_type")

    def __init__(self, response: HttpResponse | None, content_type: str | None) -> None:
        self.response: HttpResponse | None = response
        self.content_type: str | None = content_type
        self.content_encoding: str | None = None
        self.wire_type: str = ""
        self.prelude: bytes = b""
        self.verified: bool = False


class Answer:
    """How the response to one event is sent."""

    def __init__(
        self, event: Any, *, respond: str, empty_body: bytes, can_stream: bool, offered: bool
    ) -> None:
        self.kind: str | None = kind_of(event)
        wants_stream = _wants_stream(respond, self.kind)
        self.streams: bool = can_stream and wants_stream
        self.misses_stream: bool = wants_stream and not can_stream
        self._offered = offered and self.streams
        self.part: Part | None = None  # set if the stream can continue in another invocation
        self._method = method_of(event)
        self._empty_body = empty_body if self.kind in (FUNCTION_URL, REST_API) else b""

    def head(self, response: HttpResponse | None, content_type: str | None) -> Head:
        """Build the head; raise if it cannot be sent."""
        if response is not None and content_type and "content-type" not in response.headers:
            response.headers["content-type"] = content_type
        if response is None and self.kind == REST_API and self.streams:
            # A REST API rejects a stream without a prelude
            # (https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html).
            response = HttpResponse(200, {"content-type": content_type or BINARY})
        head = Head(response, content_type)
        if response is not None:
            head.content_type = response.headers.get("content-type")
            head.content_encoding = response.headers.get("content-encoding")
        if self.streams:
            self._put_on_the_wire(head)
        return head

    def open(self, poster: Poster, head: Head) -> tuple[Sink, bytes]:
        """Begin the response; return the sink for its body, and the bytes to send if the body is empty."""
        sink = poster.open(head.wire_type, head.prelude)
        if not head.verified:
            return sink, self._empty_body
        try:
            framed = _verified.VerifiedSink(sink, head.content_type, head.content_encoding, self.part)
        except BaseException as error:
            sink.fail(error)  # the response has begun, and its caller would wait for the end
            raise
        return framed, b""

    def failure(self) -> Head | None:
        """Return the head for a failure before the first byte; None without an offer of verified streams.

        For HTTP the status is that of a Function URL whose function has failed, and error frames follow it.
        """
        if not self._offered or not _verified.may_carry(self._method, None):
            return None
        return self.head(HttpResponse(_FAILED_STATUS) if self.kind else None, None)

    def _put_on_the_wire(self, head: Head) -> None:
        head.verified = self._offered and _verified.may_carry(self._method, head.response)
        head.wire_type = _verified.CONTENT_TYPE if head.verified else head.content_type or BINARY
        if head.response is not None:
            shown = _verified.outer(head.response) if head.verified else head.response
            head.prelude = prelude(shown, multi_value=self.kind == REST_API)
            head.wire_type = PRELUDE_CONTENT_TYPE


def _wants_stream(respond: str, kind: str | None) -> bool:
    if kind in ALWAYS_BUFFERED:
        return False
    if respond == "auto":
        respond = os.environ.get("STREAMIFY_RESPOND") or "stream"
        if respond not in RESPOND:
            raise ValueError(f"STREAMIFY_RESPOND is {respond!r}; it takes {', '.join(RESPOND)}.")
    return respond != "buffered"
