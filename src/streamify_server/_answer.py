"""How one request is answered: streamed or whole, with which head, and with what if the body is empty."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ._body import BINARY
from ._events import ALWAYS_BUFFERED, FUNCTION_URL, REST_API, kind_of
from .response import PRELUDE_CONTENT_TYPE, HttpResponse, prelude

RESPOND = ("auto", "stream", "buffered")


class Head:
    """The head of a response: Content-Type of the message, prelude (empty for a bare body), what they say."""

    __slots__ = ("content_type", "prelude", "response", "wire_type")

    def __init__(
        self, response: HttpResponse | None, content_type: str, wire_type: str, encoded: bytes
    ) -> None:
        self.response = response
        self.content_type = content_type
        self.wire_type = wire_type
        self.prelude = encoded


class Answer:
    """The way in which a response to one event travels."""

    def __init__(self, event: Any, *, respond: str, empty_body: bytes, can_stream: bool) -> None:
        self.kind = kind_of(event)
        self.streams = can_stream and _wants_stream(respond, self.kind)
        self._empty_body = empty_body if self.kind in (FUNCTION_URL, REST_API) else b""

    def head(self, response: HttpResponse | None, content_type: str | None) -> Head:
        """Make the head; raises if it cannot be sent."""
        if response is not None and content_type and "content-type" not in response.headers:
            response.headers["content-type"] = content_type
        if not self.streams:
            return Head(response, content_type or BINARY, "", b"")
        if response is None and self.kind == REST_API:
            # A REST API reads no stream without a prelude
            # (https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html).
            response = HttpResponse(200, {"content-type": content_type or BINARY})
        if response is None:
            return Head(None, content_type or BINARY, content_type or BINARY, b"")
        encoded = prelude(response, multi_value=self.kind == REST_API)
        own_type = response.headers.get("content-type", BINARY)
        return Head(response, own_type, PRELUDE_CONTENT_TYPE, encoded)

    def body(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The body as it is posted."""
        empty = True
        for chunk in chunks:
            empty = False
            yield chunk
        if empty and self._empty_body:
            yield self._empty_body


def _wants_stream(respond: str, kind: str | None) -> bool:
    if kind in ALWAYS_BUFFERED:
        return False
    if respond == "auto":
        respond = os.environ.get("STREAMIFY_RESPOND", "stream")
        if respond not in RESPOND:
            raise ValueError(f"STREAMIFY_RESPOND is {respond!r}; it takes {', '.join(RESPOND)}.")
    return respond != "buffered"
