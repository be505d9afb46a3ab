"""Lambda's events in the frames of an InvokeWithResponseStream response.

Source: the ``InvokeWithResponseStreamResponseEvent`` shape of botocore's Lambda model, and
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import BytesLike
from .errors import CorruptInputError, TruncatedInputError, WireError
from .eventstream import FrameDecoder, FrameHead, Frames, HeaderValue


@dataclass(frozen=True, slots=True)
class InvokeComplete:
    """Lambda's last event. Without `error_code` it does not prove success: not every failure is reported."""

    error_code: str | None = None
    error_details: str | None = None
    log_result: str | None = None

    @property
    def log_tail(self) -> str | None:
        """The last 4 KB of the function's log, if they were asked for."""
        if self.log_result is None:
            return None
        try:
            return base64.b64decode(self.log_result).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return self.log_result


@dataclass(frozen=True, slots=True)
class ExceptionEvent:
    """The service ended the stream with a modelled exception."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """The service ended the stream with an unmodelled error."""

    code: str
    message: str


LastEvent = InvokeComplete | ExceptionEvent | ErrorEvent


class EventDecoder:
    """Turns the bytes of an InvokeWithResponseStream response into its payload, chunk by chunk.

    The boundaries of chunks have no meaning. Events of an unknown type are skipped. No known event may follow
    the last one.

    Attributes:
        last: The event that ended the stream, once it has arrived.
        frames: The decoder of the frames.
    """

    __slots__ = ("_payload_headers", "error", "frames", "last")

    def __init__(self, frames: FrameDecoder | None = None) -> None:
        self.last: LastEvent | None = None
        self.error: WireError | None = None
        self.frames: FrameDecoder = frames or FrameDecoder()
        self._payload_headers: Mapping[str, HeaderValue] | None = None  # of the last payload, parsed once

    @property
    def complete(self) -> bool:
        """Whether InvokeComplete has arrived; after it only the end of the HTTP response is left."""
        return isinstance(self.last, InvokeComplete)

    def receive(self, data: BytesLike) -> list[bytes]:
        """Take bytes in; return the chunks that are complete by now."""
        return self.receive_each([data])

    def receive_each(self, pieces: Sequence[BytesLike]) -> list[bytes]:
        """Decode pieces; return the chunks that are complete by now."""
        if self.error:
            raise self.error
        chunks: list[bytes] = []
        before = self.last
        try:
            for frames in self.frames.receive_each(pieces):
                is_payload = frames.headers is self._payload_headers and self.last is None
                found = frames.payloads if is_payload else self._read(frames)
                chunks = chunks + found if chunks else found
            self.error = self.frames.error
        except WireError as error:
            self.error = error
            if not chunks and self.last is before:
                raise
        return chunks

    def is_payload(self, head: FrameHead) -> bool:
        """Return whether a frame with this head, which comes next, has a payload as the last one had."""
        headers = self.frames.headers_of(head)
        return self.last is None and headers is not None and headers is self._payload_headers

    def finish(self) -> list[bytes]:
        """The input has ended: raise if that was inside a frame or before the last event."""
        if self.error:
            raise self.error
        try:
            self.frames.finish()
            if self.last is None:
                raise TruncatedInputError(
                    "the stream ended without an InvokeComplete event", self.frames.offset
                )
        except WireError as error:
            self.error = error
            raise
        return []

    def _read(self, frames: Frames) -> list[bytes]:
        kind = _kind(frames.headers)
        if kind is None:
            return []
        if self.last is not None:
            raise _unexpected(kind, self.last, frames.start)
        if kind == "PayloadChunk":
            self._payload_headers = frames.headers
            return frames.payloads
        self.last = _read_last(kind, frames)
        if len(frames.payloads) > 1:
            raise _unexpected(kind, self.last, frames.offset(1))
        return []


def _kind(headers: Mapping[str, HeaderValue]) -> str | None:
    """Return the kind of event with these headers; None: an unknown one."""
    match headers.get(":message-type"):
        case "exception":
            return "ExceptionEvent"
        case "error":
            return "ErrorEvent"
    kind = headers.get(":event-type")
    return kind if kind in ("PayloadChunk", "InvokeComplete") else None  # type: ignore[return-value]


def _unexpected(kind: str, last: LastEvent, offset: int) -> CorruptInputError:
    return CorruptInputError(f"{kind} came after the stream's last event, {type(last).__name__}", offset)


def _read_last(kind: str, frames: Frames) -> LastEvent:
    headers, payload = frames.headers, frames.payloads[0]
    if kind == "ExceptionEvent":
        return ExceptionEvent(_text(headers.get(":exception-type")), _exception_message(payload))
    if kind == "ErrorEvent":
        return ErrorEvent(_text(headers.get(":error-code")), _text(headers.get(":error-message")))
    return _invoke_complete(payload, frames.start)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _invoke_complete(payload: bytes, offset: int) -> InvokeComplete:
    if payload == b"{}":
        return InvokeComplete()
    try:
        fields = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise CorruptInputError("the InvokeComplete event is not a JSON object", offset)
    return InvokeComplete(
        *(None if (value := fields.get(key)) is None else str(value) for key in _COMPLETE_FIELDS)
    )


_COMPLETE_FIELDS = ("ErrorCode", "ErrorDetails", "LogResult")


def _exception_message(payload: bytes) -> str:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict) and isinstance(message := fields.get("message", fields.get("Message")), str):
        return message
    return payload.decode("utf-8", "replace")
