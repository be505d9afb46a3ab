"""Verified streams, the sending side: a body in frames, whose last frame says whether it is complete.

A caller offers to read them, in `custom.streamify` of its client context or in the HTTP header
`streamify-accept`; the offer is removed before a handler sees it. The frames are those of Amazon's event
streams, with one header, `:event-type`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from streamify_server.response import Headers, HttpResponse
from streamify_server.shadowing import unshadowed

from .errors import error_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol

    from streamify_server.posting import Sink

    class Part(Protocol):
        """Which part of a stream an invocation is."""

        token: str | None
        base: int

        @property
        def time_is_short(self) -> bool:
            """Whether to hand over at the next checkpoint."""

        def seal(self, state: str, position: int, /) -> str:
            """Create the token for an invocation that continues from this checkpoint."""


CONTENT_TYPE = "application/vnd.streamify.eventstream"
VERIFIED, CONTINUE = "verified/1", "continue/1"
OFFER_KEY, STATE_KEY, PROBE = "streamify", "streamify-state", "streamify-probe"
OFFER_HEADER, STATE_HEADER = "streamify-accept", "streamify-state"
RESPONSE_LIMIT = 200 * 1000 * 1000  # bytes: 200 MB in Lambda's documentation
SIZE_MARGIN = 8 * 1000 * 1000  # bytes before that limit at which a part hands over
_FRAME_SIZE = 34  # bytes of a data frame in addition to its payload


class Offer:
    """What a caller can read.

    Attributes:
        verified: Whether it reads verified streams.
        continues: Whether it reads streams that continue in further parts.
        token: The token to continue from.
        probe: Which probe to answer instead of calling the handler.
    """

    __slots__ = ("continues", "probe", "token", "verified")

    def __init__(self, accepted: str, token: str | None, probe: str | None) -> None:
        tokens = [part.strip() for part in accepted.split(",")]
        self.verified: bool = VERIFIED in tokens
        self.continues: bool = self.verified and CONTINUE in tokens
        self.token: str | None = token if self.continues else None
        self.probe: str | None = probe


def take_offer(event: Any, context: Any) -> tuple[Any, Offer]:
    """Remove the offer from event and context; return the event without it, and the offer.

    The given event is not changed; the context is changed in place.
    """
    accepted, token, probe = _from_context(context)
    if isinstance(event, Mapping):
        without = {
            key: _without_ours(event[key])
            for key in ("headers", "multiValueHeaders")
            if isinstance(event.get(key), Mapping) and any(_is_ours(name) for name in event[key])
        }
        if without:
            accepted = accepted or ", ".join(_values(event, without, OFFER_HEADER))
            token = token or next(_values(event, without, STATE_HEADER), None)
            probe = probe or next(_values(event, without, PROBE), None)
            event = {**event, **without}
    return event, Offer(accepted, token, probe)


def may_carry(method: str, response: HttpResponse | None) -> bool:
    """Whether a response may have a body, and so frames (RFC 9110, 6.4.1)."""
    return method != "HEAD" and (
        response is None or (response.status >= 200 and response.status not in (204, 304))
    )


def outer(response: HttpResponse) -> HttpResponse:
    """Return the HTTP response around the frames, without the headers that move into the head frame."""
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
    """Writes each chunk to a sink as a frame, and a last frame that says how the body ended.

    Args:
        sink: The sink for the frames.
        content_type: The body's content type.
        content_encoding: The body's content encoding.
        part: Which part of a stream this is, if the caller reads streams that continue.
    """

    def __init__(
        self, sink: Sink, content_type: str | None, content_encoding: str | None, part: Part | None = None
    ) -> None:
        # Imports a codec for checksums, which is needed only for verified streams.
        with unshadowed():
            from .frames import encode_frame, frame_writer

        self._sink = sink
        self._encode = encode_frame
        self.write: Callable[[bytes], None]
        self.write, self._count = frame_writer(":event-type", "data", sink.write)
        self.part = part
        self._continues = False
        head = {"contentType": content_type, "contentEncoding": content_encoding}
        if part is not None and part.token is not None:
            with unshadowed():
                from .token import fingerprint

            head["state"] = fingerprint(part.token)
        sink.write(self._control("head", head))

    @property
    def full(self) -> bool:
        """Whether the sink is full."""
        return self._sink.full

    async def drained(self) -> None:
        """Wait until the sink has room."""
        await self._sink.drained()

    def end(self) -> None:
        """Write the frame for a complete body and end the response."""
        size, chunks = self._count()
        end: dict[str, Any] = {"bytes": size, "chunks": chunks}
        if self._continues:
            end["continues"] = True
        self._sink.write(self._control("end", end))
        self._sink.end()

    # Continued streams.

    @property
    def goes_on(self) -> bool:
        """Whether the caller reads checkpoints."""
        return self.part is not None

    @property
    def position(self) -> int:
        """How many bytes of the body have been sent in all parts."""
        assert self.part is not None
        return self.part.base + self._count()[0]

    @property
    def hands_over(self) -> bool:
        """Whether to hand over at the next checkpoint after new bytes."""
        assert self.part is not None
        size, chunks = self._count()
        return size + chunks * _FRAME_SIZE >= RESPONSE_LIMIT - SIZE_MARGIN or self.part.time_is_short

    @property
    def is_new(self) -> bool:
        """Whether this part has sent bytes of the body."""
        return self._count()[0] > 0

    def checkpoint(self, state: str) -> None:
        """Write a checkpoint from which the stream can continue."""
        assert self.part is not None
        token = self.part.seal(state, self.position)
        self._sink.write(self._control("checkpoint", {"token": token, "bytes": self.position}))

    def hand_over(self, state: str) -> None:
        """Write the frame that continues the stream in another part; `end` follows."""
        self.checkpoint(state)
        self._continues = True

    def keep_alive(self) -> None:
        """Write a keepalive frame."""
        self._sink.write(self._encode(((":event-type", "keepalive"),), b""))

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        """Write the frame for this error and end the response with it."""
        self._sink.fail(error, self._control("error", error_json(error)))

    def expire(self, patience: float) -> None:
        """Wake a blocked write, if the sink supports it."""
        if (expire := getattr(self._sink, "expire", None)) is not None:
            expire(patience)

    def _control(self, kind: str, content: Mapping[str, Any]) -> bytes:
        return self._encode(((":event-type", kind),), json.dumps(content).encode())


def _from_context(context: Any) -> tuple[str, str | None, str | None]:
    client_context = getattr(context, "client_context", None)
    custom = getattr(client_context, "custom", None)
    if not isinstance(custom, dict) or not (OFFER_KEY in custom or PROBE in custom):
        return "", None, None
    accepted, token, probe = (custom.pop(key, None) for key in (OFFER_KEY, STATE_KEY, PROBE))
    if (
        not custom
        and not getattr(client_context, "env", None)
        and not getattr(client_context, "client", None)
    ):
        context.client_context = None
    return accepted if isinstance(accepted, str) else "", _text(token), _text(probe)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _is_ours(name: object) -> bool:
    return isinstance(name, str) and name.lower() in (OFFER_HEADER, STATE_HEADER, PROBE)


def _without_ours(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if not _is_ours(name)}


def _values(event: Mapping[str, Any], keys: Iterable[str], wanted: str) -> Iterator[str]:
    """Return the values of one of our headers."""
    for key in keys:
        for name, value in event[key].items():
            if isinstance(name, str) and name.lower() == wanted:
                yield from value if isinstance(value, list) else [str(value)]
