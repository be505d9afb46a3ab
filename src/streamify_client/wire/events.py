"""Lambda's events in the frames of an InvokeWithResponseStream response.

Source: the ``InvokeWithResponseStreamResponseEvent`` shape of botocore's Lambda model, and
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass

from . import BytesLike
from .errors import CorruptInputError, TruncatedInputError, WireError
from .eventstream import Frame, FrameDecoder


@dataclass(frozen=True, slots=True)
class PayloadChunk:
    """Some bytes of the function's response; nothing about where they begin and end means anything."""

    data: bytes


@dataclass(frozen=True, slots=True)
class InvokeComplete:
    """Lambda's last word. No `error_code` is no proof of success: Lambda does not report every failure."""

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


Event = PayloadChunk | InvokeComplete | ExceptionEvent | ErrorEvent


class EventDecoder:
    """Turns the bytes of an InvokeWithResponseStream response into Lambda's events.

    Events of an unknown type are skipped. Nothing that is known may follow the last event.
    """

    def __init__(self, frames: FrameDecoder | None = None) -> None:
        self._frames = frames or FrameDecoder()
        self._last: Event | None = None
        self._error: WireError | None = None

    @property
    def complete(self) -> bool:
        """Whether InvokeComplete came; after it only the end of the HTTP response is left to read."""
        return isinstance(self._last, InvokeComplete)

    @property
    def over(self) -> bool:
        """Whether an event came that ends a stream: InvokeComplete, an exception or an error."""
        return self._last is not None

    def feed(self, data: BytesLike) -> Iterator[Event]:
        """Take bytes in; return the events that are complete by now."""
        return self._events(self._frames.feed(data))

    def finish(self) -> list[Event]:
        """The input has ended: raise if that was inside a frame or before the last event."""
        events = list(self._events(iter(self._frames.finish())))
        if not self.over:
            raise TruncatedInputError("the stream ended without an InvokeComplete event", self._frames.offset)
        return events

    def _events(self, frames: Iterator[Frame]) -> Iterator[Event]:
        if self._error:
            raise self._error
        try:
            for frame in frames:
                if (event := _read_event(frame)) is not None:
                    self._accept(event)
                    yield event
        except WireError as error:
            if error.offset is None:
                error.offset = self._frames.offset
            self._error = error
            raise

    def _accept(self, event: Event) -> None:
        if self._last is not None:
            raise CorruptInputError(
                f"{type(event).__name__} came after the stream's last event, {type(self._last).__name__}"
            )
        if not isinstance(event, PayloadChunk):
            self._last = event


def _read_event(frame: Frame) -> Event | None:
    headers = frame.headers
    match headers.get(":message-type"):
        case "exception":
            return ExceptionEvent(_text(headers.get(":exception-type")), _exception_message(frame.payload))
        case "error":
            return ErrorEvent(_text(headers.get(":error-code")), _text(headers.get(":error-message")))
    match headers.get(":event-type"):
        case "PayloadChunk":
            return PayloadChunk(frame.payload)
        case "InvokeComplete":
            return _invoke_complete(frame.payload)
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _invoke_complete(payload: bytes) -> InvokeComplete:
    try:
        fields = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise CorruptInputError("the InvokeComplete event is no JSON object")
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
