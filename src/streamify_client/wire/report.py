"""Lambda's own report of a failed function, instead of a body.

If a function fails before its first byte, a streaming caller gets the error's JSON as payload, without an
ErrorCode (observed on AWS). It differs from a JSON body in that it names the request; or, if the function
failed before it got one, it consists only of an error in the format of Lambda's runtimes.
"""

import json
import re

from . import BytesLike
from .verified import HandlerError, read_error

_BEGINNINGS = (b'{"errorType":"', b'{"errorType": "', b'{"errorMessage":"', b'{"errorMessage": "')
_FIELDS = {"errorMessage", "errorType", "requestId", "stackTrace"}  # what awslambdaric writes, and only that
_PLATFORM_TYPE = re.compile(r"(Runtime|Sandbox)\.[A-Z][A-Za-z]+")
_MAX_SIZE = 256 * 1024  # Lambda cuts what a runtime posts as an error at about this size


class FailureReportDetector:
    """Holds back the beginning of a body while it may be a report; any other body is passed on at once.

    A report begins with the error's type or message and has no line feed. A body may begin like this too, so
    the reader calls `release` after a moment.

    Args:
        request_id: The request id of this invocation, which a report must name.

    Attributes:
        failure: The reported failure, once the body has ended.
        done: Whether it is clear that the body is not a report.
    """

    def __init__(self, request_id: str) -> None:
        self.failure: HandlerError | None = None
        self.done: bool = False
        self._request_id = request_id
        self._seen = bytearray()

    def receive(self, data: BytesLike) -> list[bytes]:
        """Take bytes in; return those that are body for certain."""
        if self.done:
            return [bytes(data)]
        if not self._seen and data[:1] not in (b"{", b""):  # as nearly every body
            self.done = True
            return [bytes(data)]
        self._seen += data
        if b"\n" not in data and _begins_report(self._seen) and len(self._seen) <= _MAX_SIZE:
            return []
        return self.release()

    @property
    def holds(self) -> bool:
        """Whether bytes are held back."""
        return bool(self._seen)

    def release(self) -> list[bytes]:
        """Return what is held back; from now on everything is body."""
        self.done = True
        seen, self._seen = bytes(self._seen), bytearray()
        return [seen] if seen else []

    def finish(self) -> list[bytes]:
        """The body has ended: return what was held back, unless it is the report of a failure."""
        held = self.release()
        try:
            fields = json.loads(b"".join(held))
        except (ValueError, RecursionError):
            return held
        if not self._is_report(fields):
            return held
        self.failure = read_error(fields)
        return []

    def _is_report(self, fields: object) -> bool:
        if not isinstance(fields, dict):
            return False
        kind, message = fields.get("errorType"), fields.get("errorMessage")
        if not isinstance(kind, str) or not isinstance(message, str):
            return False
        if self._request_id in message or fields.get("requestId") == self._request_id:
            return True
        early = not fields.get("requestId")
        own_words = fields.keys() == _FIELDS or _PLATFORM_TYPE.fullmatch(kind) is not None
        return early and own_words and fields.keys() <= _FIELDS


def _begins_report(seen: bytearray) -> bool:
    return any(seen[: len(beginning)] == beginning[: len(seen)] for beginning in _BEGINNINGS)
