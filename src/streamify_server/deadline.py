"""The deadline covers the stream: a producer is stopped, and the caller told, before Lambda kills it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from ._production import Production, Stopped


class DeadlineExceededError(TimeoutError):
    """The function's time is up, but for the margin that is kept for saying so."""


class Deadline:
    """Stops a production in time; a context manager around its use.

    A thread waits for the deadline. Then what is awaited is cancelled; sync code on the main thread is
    interrupted by SIGALRM, unless the application uses that signal; and if nothing has come of it after half
    of the margin, `give_up` is called on that thread, so that the caller is told while the producer is still
    stuck.

    Args:
        production: What is to be stopped.
        remaining: Seconds until Lambda kills the function.
        margin: Seconds before that at which the production is stopped.
        give_up: Ends the response with an error from another thread.
    """

    def __init__(
        self,
        production: Production,
        remaining: float,
        margin: float,
        give_up: Callable[[BaseException], object],
    ) -> None:
        self._production = production
        self._at = time.monotonic() + remaining - margin
        self._patience = margin / 2
        self._give_up = give_up
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="streamify-deadline", daemon=True)
        self._asking_thread = threading.get_ident()
        self._error = DeadlineExceededError(
            f"The function ran into its timeout: it was stopped {margin:g} s before Lambda would kill it."
        )
        self._signal: Any = None

    def __enter__(self) -> Deadline:
        self._arm_signal()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()  # it may be telling the caller
        self._disarm_signal()

    def _watch(self) -> None:
        if self._over.wait(max(0.0, self._at - time.monotonic())):
            return
        self._stop()
        if not self._over.wait(self._patience):
            self._give_up(self._error)

    def _stop(self) -> None:
        self._production.interrupt = self._error
        if not self._production.in_user_code:
            self._production.cancel()
        elif self._signal is not None and self._is_ours():
            self._signal.pthread_kill(self._asking_thread, self._signal.SIGALRM)

    def _arm_signal(self) -> None:
        import signal

        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
            return
        if signal.getsignal(signal.SIGALRM) is signal.SIG_DFL:
            signal.signal(signal.SIGALRM, self._interrupt)
            self._signal = signal

    def _disarm_signal(self) -> None:
        if self._signal is not None and self._is_ours():
            self._signal.signal(self._signal.SIGALRM, self._signal.SIG_DFL)

    def _is_ours(self) -> bool:
        return bool(self._signal.getsignal(self._signal.SIGALRM) == self._interrupt)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        # Only the application's code is interrupted, never the middle of a chunk that is being sent.
        if self._production.in_user_code and self._production.interrupt is not None:
            raise Stopped(self._error)


def remaining_seconds(context: Any) -> float | None:
    """Seconds that this invocation has left; None if the context does not know."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    milliseconds = ask() if callable(ask) else None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000
