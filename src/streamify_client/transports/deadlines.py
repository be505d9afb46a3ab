"""Time limits of a whole step, however many reads it takes: dripping buys a peer no time."""

import time
from collections.abc import Sequence

from streamify_client.wire import BytesLike

_SHORTEST = 0.001  # seconds; 0 would mean "do not block"


class Deadline:
    """When the step under way has to be over.

    Args:
        latest: When everything has to be over, as `time.monotonic` counts; None: whenever.
    """

    def __init__(self, latest: float | None = None) -> None:
        self._latest = latest
        self._until = latest

    def allow(self, seconds: float | None) -> float | None:
        """Set the time that what follows may take; return what the first wait of it may take."""
        if seconds is None and self._latest is None:
            self._until = None
            return None
        now = time.monotonic()
        until = self._latest if seconds is None else now + seconds
        if self._latest is not None and self._latest < (until or 0.0):
            until, seconds = self._latest, self._latest - now
        elif seconds is None:
            seconds = (until or 0.0) - now
        self._until = until
        return max(seconds, _SHORTEST)

    @property
    def left(self) -> float | None:
        """How long the next wait may be; None: without limit."""
        return None if self._until is None else max(self._until - time.monotonic(), _SHORTEST)


class Allowance:
    """How much more of a response to read once everything that matters has arrived.

    After the final event only the end of HTTP's framing is missing. If a server withholds it, the connection
    is not worth waiting for.

    Args:
        size: The maximum number of bytes.
        seconds: The maximum time.
    """

    def __init__(self, size: int = 64 * 1024, seconds: float = 1.0) -> None:
        self._size = size
        self._until = time.monotonic() + seconds

    @property
    def wait(self) -> float:
        """How many seconds the next read may take; 0: it is not worth another."""
        return max(self._until - time.monotonic(), 0.0) if self._size > 0 else 0.0

    def took(self, pieces: Sequence[BytesLike]) -> None:
        """So much of it is used."""
        self._size -= sum(map(len, pieces))
