"""Verified streams: a body in event-stream frames that says how it ended.

Both halves of Streamify speak it where the caller offered it. A response of the content type `CONTENT_TYPE`
is a sequence of frames with one header, ``:event-type``:

    head    first; JSON: contentType and contentEncoding of the body (null or absent: unknown)
    data    any number; bytes of the body, one frame for each chunk
    end     last, for a body that is whole; JSON: bytes and chunks, the totals of the data frames
    error   last, for a handler that failed; JSON: errorType, errorMessage, stackTrace
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from . import BytesLike
from .errors import CorruptInputError, TruncatedInputError, WireError
from .eventstream import Frame, FrameDecoder

CONTENT_TYPE = "application/vnd.streamify.eventstream"


@dataclass(frozen=True, slots=True)
class Head:
    """What the body is."""

    content_type: str | None
    content_encoding: str | None


@dataclass(frozen=True, slots=True)
class Data:
    """One chunk of the body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The body is whole, and these were its totals."""

    bytes: int
    chunks: int


@dataclass(frozen=True, slots=True)
class HandlerError:
    """The handler raised; what it raised, as its runtime saw it."""

    error_type: str
    message: str
    stack_trace: tuple[str, ...]


VerifiedEvent = Head | Data | End | HandlerError


class VerifiedDecoder:
    """Turns the bytes of a verified stream into its events, and lets no difference to what was sent pass.

    Everything but the exact order head, data..., end or error is corrupt, and so are totals that do not agree
    and any byte after the last event; a stream without a last event is truncated.
    """

    def __init__(self) -> None:
        self._frames = FrameDecoder()
        self._begun = False
        self._end: int | None = None  # where in the input the last event ended
        self._bytes = self._chunks = 0
        self._error: WireError | None = None

    @property
    def over(self) -> bool:
        """Whether the last event, `End` or `HandlerError`, came."""
        return self._end is not None

    def feed(self, data: BytesLike) -> Iterator[VerifiedEvent]:
        """Take bytes in; return the events that are complete by now."""
        return self._events(self._frames.feed(data))

    def finish(self) -> list[VerifiedEvent]:
        """The input has ended: raise TruncatedInputError if that was before the last event."""
        events = list(self._events(iter(self._frames.finish())))
        if not self.over:
            raise TruncatedInputError("the verified stream ended without its end event", self._frames.offset)
        return events

    def _events(self, frames: Iterator[Frame]) -> Iterator[VerifiedEvent]:
        if self._error:
            raise self._error
        position = self._frames.offset
        try:
            for frame in frames:
                self._refuse_more()
                event = self._read(frame, position)
                position = self._frames.offset
                yield event
            if self._frames.inside_frame:
                self._refuse_more()
        except WireError as error:
            self._error = error
            raise

    def _refuse_more(self) -> None:
        if self._end is not None:
            raise CorruptInputError("bytes came after the end of the verified stream", self._end)

    def _read(self, frame: Frame, position: int) -> VerifiedEvent:
        kind = frame.headers.get(":event-type")
        if (kind == "head") is self._begun:
            raise CorruptInputError(f"a verified stream has one head, first: {kind!r} came instead", position)
        self._begun = True
        if kind == "data":
            self._bytes += len(frame.payload)
            self._chunks += 1
            return Data(frame.payload)
        fields = _read_fields(frame.payload, kind, position)
        if kind == "head":
            return Head(
                _string(fields, "contentType", position), _string(fields, "contentEncoding", position)
            )
        self._end = self._frames.offset
        if kind == "end":
            return self._read_end(fields, position)
        if kind == "error":
            return read_error(fields)
        raise CorruptInputError(f"a verified stream has no event {kind!r}", position)

    def _read_end(self, fields: dict[str, object], position: int) -> End:
        announced = fields.get("bytes"), fields.get("chunks")
        if announced != (self._bytes, self._chunks):
            raise CorruptInputError(
                f"the verified stream ends with other totals than it had: bytes and chunks were "
                f"{self._bytes}, {self._chunks}, and the end says {announced[0]}, {announced[1]}",
                position,
            )
        return End(self._bytes, self._chunks)


def _read_fields(payload: bytes, kind: object, position: int) -> dict[str, object]:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise CorruptInputError(f"the {kind} event of the verified stream is no JSON object", position)
    return fields


def _string(fields: dict[str, object], key: str, position: int) -> str | None:
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    raise CorruptInputError(f"the head of the verified stream has a {key} that is no string", position)


def read_error(fields: dict[str, object]) -> HandlerError:
    """Read an error as Lambda's runtimes write it down."""
    trace = fields.get("stackTrace")
    return HandlerError(
        str(fields.get("errorType") or "Error"),
        str(fields.get("errorMessage") or ""),
        tuple(str(line) for line in trace) if isinstance(trace, list) else (),
    )
