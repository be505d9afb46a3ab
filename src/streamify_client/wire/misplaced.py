"""Detect an HTTP prelude where there should be none: in front of the body of an HTTP response."""

import json

from . import BytesLike
from .prelude import SEPARATOR

SEARCHED = 64 * 1024
_KEYS = {"statusCode", "headers", "cookies", "multiValueHeaders"}


class MisplacedPreludeDetector:
    """Inspects the beginning of a body.

    A Function URL in BUFFERED mode returns the output of a streaming handler unchanged, including metadata.

    Args:
        hold: Hold back the beginning of a body that looks like a prelude until this is certain; that delays a
            stream, so it is for bodies that arrive in one piece anyway.

    Attributes:
        found: Whether there is a prelude.
        done: Whether the question is decided, so that the rest need not be inspected.
    """

    def __init__(self, *, hold: bool) -> None:
        self.found: bool = False
        self.done: bool = False
        self._hold = hold
        self._seen = bytearray()

    def receive(self, data: BytesLike) -> list[bytes]:
        """Take bytes in; return those that are body."""
        if self.done:
            return [bytes(data)]
        seen = self._seen
        seen += data
        if bytes(seen[:64].lstrip()[:1]) not in (b"", b"{"):
            return self._pass_on(data)
        end = seen.find(SEPARATOR)
        if end >= 0 and _is_prelude(bytes(seen[:end])):
            self.found = self.done = True
            return []
        if end >= 0 or len(seen) >= SEARCHED:
            return self._pass_on(data)
        return [] if self._hold else [bytes(data)]

    def finish(self) -> list[bytes]:
        """The body has ended: return what was kept back."""
        return [] if self.done else self._pass_on(b"")

    def _pass_on(self, data: BytesLike) -> list[bytes]:
        self.done = True
        seen, self._seen = self._seen, bytearray()
        passed = bytes(seen) if self._hold else bytes(data)
        return [passed] if passed else []


def _is_prelude(text: bytes) -> bool:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and not _KEYS.isdisjoint(fields)
