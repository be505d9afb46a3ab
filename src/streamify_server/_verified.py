"""Verified streams, the sending side: a body in frames that says itself whether it is whole.

A caller offers it, in `custom.streamify` of its client context or in the HTTP header `streamify-accept`; the
offer is taken out before a handler sees it. The frames are those of Amazon's event streams, with one header,
`:event-type`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ._trailers import error_json
from .response import Headers, HttpResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .posting import Sink

CONTENT_TYPE = "application/vnd.streamify.eventstream"
OFFER = "verified/1"
OFFER_KEY = "streamify"
OFFER_HEADER = "streamify-accept"


def take_offer(event: Any, context: Any) -> tuple[Any, bool]:
    """Take the offer out of event and context; the event without it, and whether it was there.

    The event that came in is left as it is; the context is changed in place.
    """
    offered = _from_context(context)
    if isinstance(event, Mapping):
        without = {
            key: _without_offer(event[key])
            for key in ("headers", "multiValueHeaders")
            if isinstance(event.get(key), Mapping) and any(_is_offer_header(name) for name in event[key])
        }
        if without:
            offered = offered or any(_offers(value) for key in without for value in _offer_values(event[key]))
            event = {**event, **without}
    return event, offered


def may_carry(method: str, response: HttpResponse | None) -> bool:
    """Whether a response has a body that frames can be put in (RFC 9110, 6.4.1)."""
    return method != "HEAD" and (
        response is None or (response.status >= 200 and response.status not in (204, 304))
    )


def outer(response: HttpResponse) -> HttpResponse:
    """The response around the frames: what describes the body within moves into the head frame."""
    headers = Headers()
    for name in response.headers:
        if name.lower() not in ("content-type", "content-encoding", "cache-control"):
            for value in response.headers.get_all(name):
                headers.add(name, value)
    headers["content-type"] = CONTENT_TYPE
    headers["cache-control"] = "no-store"
    headers.add("vary", OFFER_HEADER)
    return HttpResponse(response.status, headers, None, response.cookies)


class VerifiedSink:
    """Frames around each chunk of a sink, and the frame that says how the body ended."""

    def __init__(self, sink: Sink, content_type: str | None, content_encoding: str | None) -> None:
        # With a codec for its checksums, which only a caller who asked needs.
        from .frames import encode_frame, one_header

        self._sink = sink
        self._encode = encode_frame
        self._frame = one_header(":event-type", "data")
        self._bytes = self._chunks = 0
        sink.write(self._control("head", {"contentType": content_type, "contentEncoding": content_encoding}))

    def write(self, data: bytes) -> None:
        """Send one frame of data."""
        self._sink.write(self._frame(data))
        self._bytes += len(data)
        self._chunks += 1

    @property
    def full(self) -> bool:
        """As the sink says."""
        return self._sink.full

    async def drained(self) -> None:
        """Wait as the sink does."""
        await self._sink.drained()

    def end(self) -> None:
        """Say that the body is whole."""
        self._sink.write(self._control("end", {"bytes": self._bytes, "chunks": self._chunks}))
        self._sink.end()

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        """Say how it failed."""
        self._sink.fail(error, self._control("error", error_json(error)))

    def expire(self, patience: float) -> None:
        """Wake a write that is blocked, if the sink can."""
        if (expire := getattr(self._sink, "expire", None)) is not None:
            expire(patience)

    def _control(self, kind: str, content: Mapping[str, Any]) -> bytes:
        return self._encode(((":event-type", kind),), json.dumps(content).encode())


def _from_context(context: Any) -> bool:
    client_context = getattr(context, "client_context", None)
    custom = getattr(client_context, "custom", None)
    if not isinstance(custom, dict) or OFFER_KEY not in custom:
        return False
    offered = custom.pop(OFFER_KEY)
    if (
        not custom
        and not getattr(client_context, "env", None)
        and not getattr(client_context, "client", None)
    ):
        context.client_context = None
    return isinstance(offered, str) and _offers(offered)


def _is_offer_header(name: object) -> bool:
    return isinstance(name, str) and name.lower() == OFFER_HEADER


def _without_offer(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if not _is_offer_header(name)}


def _offer_values(headers: Mapping[str, Any]) -> Iterator[str]:
    for name, value in headers.items():
        if _is_offer_header(name):
            yield from value if isinstance(value, list) else [str(value)]


def _offers(value: str) -> bool:
    return OFFER in [part.strip() for part in value.split(",")]
