"""A thread for deferred work: sends data that has waited too long, keeps silent streams alive.

It is started on first use, once per process (threads do not survive a fork), and sleeps without a timeout
while nothing is watched.
"""

from __future__ import annotations

import os
import threading
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Watched(Protocol):
        """An object that the thread calls repeatedly."""

        def tick(self, now: float, /) -> float | None:
            """Do what is due; return the `time.monotonic` of the next call, or None for no more calls."""


class _Ticker:
    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._new: list[Watched] = []
        self._wake = threading.Lock()  # held while nothing is new
        self._wake.acquire()
        threading.Thread(target=self._run, name="streamify-ticker", daemon=True).start()

    def watch(self, thing: Watched) -> None:
        with self._lock:
            self._new.append(thing)
            if len(self._new) == 1:
                self._wake.release()

    def _run(self) -> None:
        due: dict[Watched, float] = {}
        while True:
            timeout = max(0.0, min(due.values()) - monotonic()) if due else -1
            if self._wake.acquire(timeout=timeout):
                with self._lock:
                    new, self._new = self._new, []
                due.update(dict.fromkeys(new, 0.0))
                del new
            now = monotonic()
            for thing in [thing for thing, at in due.items() if at <= now]:
                again = thing.tick(now)
                if again is None:
                    del due[thing]
                else:
                    due[thing] = again
                del thing


_ticker: _Ticker | None = None
_starting = threading.Lock()


def watch(thing: Watched) -> None:
    """Call the object's `tick` at once, and then whenever it asks for it; from any thread."""
    global _ticker
    ticker = _ticker
    if ticker is None or ticker.process != os.getpid():
        with _starting:
            if _ticker is None or _ticker.process != os.getpid():
                _ticker = _Ticker()
            ticker = _ticker
    ticker.watch(thing)


def _after_fork() -> None:
    global _starting
    _starting = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
