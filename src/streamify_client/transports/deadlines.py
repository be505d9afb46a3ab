"""Time limits for a whole step, however many reads it takes: a peer cannot extend them by dripping."""

import time
from collections.abc import Sequence

from streamify_client.wire import BytesLike

_SHORTEST = 0.001  # seconds; 0 would mean "do not block"


class Deadline:
    """The deadline of the current step.

    Args:
        latest: The time, by `time.monotonic`, at which everything must be over; None: no limit.
    """

    def __init__(self, latest: float | None = None) -> None:
        self._latest = latest
        self._until = latest

    def allow(self, seconds: float | None) -> float | None:
        """Set the time limit of the next step; return the limit for its first wait."""
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
        """The limit for the next wait in seconds; None: no limit."""
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
        """The limit for the next read in seconds; 0: do not read again."""
        return max(self._until - time.monotonic(), 0.0) if self._size > 0 else 0.0

    def took(self, pieces: Sequence[BytesLike]) -> None:
        """Subtract what was read."""
        self._size -= sum(map(len, pieces))
