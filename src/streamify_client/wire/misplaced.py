"""Finding an HTTP prelude where there should be none: in front of the body of an HTTP response."""

import json

from . import BytesLike
from .prelude import SEPARATOR

SEARCHED = 64 * 1024
_KEYS = {"statusCode", "headers", "cookies", "multiValueHeaders"}


class MisplacedPreludeDetector:
    """Looks at a body as it passes.

    A Function URL in BUFFERED mode hands on what a streaming handler wrote as it stands, metadata and all.

    Args:
        hold: Keep the beginning of a body that looks like a prelude back until it is clear what it is; that
            costs a stream its immediacy, so it suits bodies that come in one piece anyway.
    """

    def __init__(self, *, hold: bool) -> None:
        self.found: bool = False
        self._hold = hold
        self._seen: bytearray | None = bytearray()

    def feed(self, data: BytesLike) -> bytes:
        """Take bytes in; return those that are body."""
        seen = self._seen
        if seen is None:
            return bytes(data)
        seen += data
        if bytes(seen[:64].lstrip()[:1]) not in (b"", b"{"):
            return self._pass_on(data)
        end = seen.find(SEPARATOR)
        if end >= 0 and _is_prelude(bytes(seen[:end])):
            self.found = True
            return b""
        if end >= 0 or len(seen) >= SEARCHED:
            return self._pass_on(data)
        return b"" if self._hold else bytes(data)

    def finish(self) -> bytes:
        """The body has ended: return what was kept back."""
        return self._pass_on(b"") if self._seen is not None and not self.found else b""

    def _pass_on(self, data: BytesLike) -> bytes:
        seen, self._seen = self._seen, None
        return bytes(seen or b"") if self._hold else bytes(data)


def _is_prelude(text: bytes) -> bool:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and not _KEYS.isdisjoint(fields)
