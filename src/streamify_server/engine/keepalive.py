"""Keepalives while a body is silent."""

from __future__ import annotations

import threading
import time

from streamify_server.runtime import ticker as _ticker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .output import Output


def keep_alive(out: Output, seconds: float, filler: bytes) -> None:
    """Write `filler` from another thread whenever nothing was written for `seconds`, until the end."""
    lock = threading.Lock()
    out.guard(lock)
    out.idle_since = time.monotonic()
    _ticker.watch(_Pulse(out, lock, seconds, filler))


class _Pulse:
    def __init__(self, out: Output, lock: threading.Lock, seconds: float, filler: bytes) -> None:
        self._out = out
        self._lock = lock
        self._seconds = seconds
        self._filler = filler

    def tick(self, now: float) -> float | None:
        if not self._lock.acquire(blocking=False):
            return now + self._seconds  # a write is in progress
        try:
            if self._out.over:
                return None
            idle_until = self._out.idle_since + self._seconds
            if idle_until > now:
                return idle_until
            self._out.beat(self._filler)
        except BaseException:
            return None  # writing failed; the producer's next chunk will raise
        finally:
            self._lock.release()
        return now + self._seconds
