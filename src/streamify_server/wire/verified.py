"""Verified streams, the sending side: a body in frames that says itself whether it is whole.

A caller offers it, in `custom.streamify` of its client context or in the HTTP header `streamify-accept`; the
offer is taken out before a handler sees it. The frames are those of Amazon's event streams, with one header,
`:event-type`.
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
            """Whether the next checkpoint is the place to hand over."""

        def seal(self, state: str, position: int, /) -> str:
            """Make the token of an invocation that goes on behind this checkpoint."""


CONTENT_TYPE = "application/vnd.streamify.eventstream"
VERIFIED, CONTINUE = "verified/1", "continue/1"
OFFER_KEY, STATE_KEY, PROBE = "streamify", "streamify-state", "streamify-probe"
OFFER_HEADER, STATE_HEADER = "streamify-accept", "streamify-state"
RESPONSE_LIMIT = 200 * 1000 * 1000  # bytes: what Lambda's documentation calls 200 MB
SIZE_MARGIN = 8 * 1000 * 1000  # bytes before that limit at which a part hands over
_FRAME_SIZE = 34  # bytes of a data frame beside its payload


class Offer:
    """What a caller can read.

    Attributes:
        verified: Verified streams.
        continues: Streams that go on in further parts.
        token: What this part is to go on from.
        probe: Which probe is to be answered in place of the handler.
    """

    __slots__ = ("continues", "probe", "token", "verified")

    def __init__(self, accepted: str, token: str | None, probe: str | None) -> None:
        tokens = [part.strip() for part in accepted.split(",")]
        self.verified: bool = VERIFIED in tokens
        self.continues: bool = self.verified and CONTINUE in tokens
        self.token: str | None = token if self.continues else None
        self.probe: str | None = probe


def take_offer(event: Any, context: Any) -> tuple[Any, Offer]:
    """Take the offer out of event and context; the event without it, and the offer.

    The event that came in is left as it is; the context is changed in place.
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
    """Frames around each chunk of a sink, and the frame that says how the body ended.

    Args:
        sink: Where the frames go.
        content_type: Of the body.
        content_encoding: Of the body.
        part: Which part of a stream this is, if the caller can read streams that go on.
    """

    def __init__(
        self, sink: Sink, content_type: str | None, content_encoding: str | None, part: Part | None = None
    ) -> None:
        # With a codec for its checksums, which only a caller who asked needs.
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
        """As the sink says."""
        return self._sink.full

    async def drained(self) -> None:
        """Wait as the sink does."""
        await self._sink.drained()

    def end(self) -> None:
        """Say that the body is whole."""
        size, chunks = self._count()
        end: dict[str, Any] = {"bytes": size, "chunks": chunks}
        if self._continues:
            end["continues"] = True
        self._sink.write(self._control("end", end))
        self._sink.end()

    # Streams that go on.

    @property
    def goes_on(self) -> bool:
        """Whether the caller can read checkpoints."""
        return self.part is not None

    @property
    def position(self) -> int:
        """How many bytes of the body have been sent, all parts together."""
        assert self.part is not None
        return self.part.base + self._count()[0]

    @property
    def hands_over(self) -> bool:
        """Whether the next checkpoint behind new bytes is the place to hand over."""
        assert self.part is not None
        size, chunks = self._count()
        return size + chunks * _FRAME_SIZE >= RESPONSE_LIMIT - SIZE_MARGIN or self.part.time_is_short

    @property
    def is_new(self) -> bool:
        """Whether this part has sent bytes of the body."""
        return self._count()[0] > 0

    def checkpoint(self, state: str) -> None:
        """Say that the stream can go on from here."""
        assert self.part is not None
        token = self.part.seal(state, self.position)
        self._sink.write(self._control("checkpoint", {"token": token, "bytes": self.position}))

    def hand_over(self, state: str) -> None:
        """Say that the stream goes on from here in another part; `end` follows."""
        self.checkpoint(state)
        self._continues = True

    def keep_alive(self) -> None:
        """Say that the function lives."""
        self._sink.write(self._encode(((":event-type", "keepalive"),), b""))

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        """Say how it failed."""
        self._sink.fail(error, self._control("error", error_json(error)))

    def expire(self, patience: float) -> None:
        """Wake a write that is blocked, if the sink can."""
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
    """The values of one header of ours."""
    for key in keys:
        for name, value in event[key].items():
            if isinstance(name, str) and name.lower() == wanted:
                yield from value if isinstance(value, list) else [str(value)]
