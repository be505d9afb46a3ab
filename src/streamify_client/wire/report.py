"""Lambda's own report of a failed function, in the place of a body.

When a function fails before its first byte, a streaming caller gets the error's JSON as payload, without an
ErrorCode (observed on AWS). It names the request, which tells it from a body that is JSON as well.
"""

import json

from . import BytesLike
from .verified import HandlerError, read_error

_BEGINNING = b'{"error'
_MAX_SIZE = 256 * 1024  # Lambda cuts what a runtime posts as an error at about this size


class FailureReportDetector:
    """Holds the beginning of a body back for as long as it may be a report; any other body passes at once.

    Args:
        request_id: Of this invocation: what a report has to name.
    """

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._seen: bytearray | None = bytearray()

    def feed(self, data: BytesLike) -> bytes:
        """Take bytes in; return those that are body for certain."""
        if self._seen is None:
            return bytes(data)
        self._seen += data
        if self._seen[: len(_BEGINNING)] == _BEGINNING[: len(self._seen)] and len(self._seen) <= _MAX_SIZE:
            return b""
        return self._let_go()

    def finish(self) -> HandlerError | bytes:
        """The body has ended: return the failure that it reports, or what was held back."""
        held = self._let_go()
        try:
            fields = json.loads(held)
        except (ValueError, RecursionError):
            return held
        return read_error(fields) if self._is_report(fields) else held

    def _let_go(self) -> bytes:
        seen, self._seen = self._seen, None
        return bytes(seen or b"")

    def _is_report(self, fields: object) -> bool:
        if not isinstance(fields, dict) or not isinstance(fields.get("errorType"), str):
            return False
        message = fields.get("errorMessage")
        named = isinstance(message, str) and self._request_id in message
        return named or fields.get("requestId") == self._request_id
