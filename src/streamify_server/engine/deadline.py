"""A deadline for the whole stream: stop the producer and tell the caller before Lambda's timeout."""

from __future__ import annotations

import os
import threading
import time

from streamify_server.errors import DeadlineExceededError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Protocol

    from .interruption import Interruption

    class Stoppable(Protocol):
        """A call that a deadline can stop."""

        interruption: Interruption

        def interrupt(self, error: BaseException, patience: float) -> None:
            """Accept no more chunks; later sends may stall for `patience` seconds."""

        def give_up(self, error: BaseException) -> None:
            """Report the error to the caller although the call is still running."""


# Seconds that the event loop may take to process a cancellation before the code blocking it is interrupted.
_LOOP_TURNS_WITHIN = 0.05
_ALARM_EVERY = 0.02  # seconds between attempts to catch the application's code running
_AGAIN_EVERY = 0.25  # seconds between attempts after the caller has been told

_LIBRARY = os.path.dirname(os.__file__) + os.sep
_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep
# Functions of this package that run the application's code or wait for it.
_INTERRUPTIBLE = (
    os.path.join("engine", "producing.py"),
    "formats.py",
    os.path.join("engine", "rows.py"),
    "writer.py",
    "examples" + os.sep,
    "middlewares" + os.sep,
)


class Deadline:
    """A context manager that stops a call before Lambda kills the function.

    A thread waits for the deadline. Then no more chunks are accepted and a blocked send is woken; what is
    awaited is cancelled; sync code on the main thread, and code that blocks the event loop, is interrupted by
    SIGALRM, unless the application uses that signal. If the call has not stopped after half of the margin,
    that thread tells the caller while the producer is still stuck.

    Args:
        call: The call to stop.
        remaining: Seconds until Lambda kills the function.
        margin: How many seconds before that to stop the call.
    """

    def __init__(self, call: Stoppable, remaining: float, margin: float) -> None:
        self._call = call
        self._at = time.monotonic() + remaining - margin
        self._patience = margin / 2
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

    # On the watcher's thread.

    def _watch(self) -> None:
        if self._over.wait(max(0.0, self._at - time.monotonic())):
            return
        self._call.interrupt(self._error, self._patience)
        gives_up = time.monotonic() + self._patience
        self._stop(gives_up)
        if self._over.wait(max(0.0, gives_up - time.monotonic())):
            return
        self._call.give_up(self._error)
        # Code that swallowed the interruption is interrupted again, so that the process can serve the next
        # invocation. Cleanup code is not.
        while not self._over.wait(_AGAIN_EVERY):
            if self._call.interruption.error is not None:
                self._call.interruption.raised = False
                self._stop(time.monotonic() + _LOOP_TURNS_WITHIN * 2)

    def _stop(self, until: float) -> None:
        """Cancel what is awaited; keep trying to interrupt running code until it was caught."""
        if self._cancelled():
            return
        while time.monotonic() < until and not self._call.interruption.raised:
            self._alarm()
            if self._over.wait(_ALARM_EVERY):
                return

    def _cancelled(self) -> bool:
        """Whether the event loop was running and has processed a cancellation."""
        turned = threading.Event()
        return self._call.interruption.cancel(turned.set) and turned.wait(_LOOP_TURNS_WITHIN)

    def _alarm(self) -> None:
        if self._signal is not None and self._is_ours():
            self._signal.pthread_kill(self._asking_thread, self._signal.SIGALRM)

    # On the calling thread.

    def _arm_signal(self) -> None:
        # The signal module adds enums, which cost every first invocation half a millisecond.
        import _signal as signal  # type: ignore[import-not-found]

        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
            return
        if signal.getsignal(signal.SIGALRM) == signal.SIG_DFL:
            signal.signal(signal.SIGALRM, self._interrupt)
            self._signal = signal

    def _disarm_signal(self) -> None:
        if self._signal is not None and self._is_ours():
            self._signal.signal(self._signal.SIGALRM, self._signal.SIG_DFL)

    def _is_ours(self) -> bool:
        return bool(self._signal.getsignal(self._signal.SIGALRM) == self._interrupt)

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        interruption = self._call.interruption
        if interruption.error is not None and not interruption.raised and in_user_code(frame):
            raise interruption.stopped()


def in_user_code(frame: FrameType | None) -> bool:
    """Whether this frame may be interrupted: it belongs to the application or waits for it.

    Frames of the standard library are skipped; they belong to their caller. A send must not be interrupted.
    """
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_HERE):
            return name[len(_HERE) :].startswith(_INTERRUPTIBLE)
        if not name.startswith(("<frozen ", _LIBRARY)) or "-packages" in name:
            return True
        frame = frame.f_back
    return False


def remaining_seconds(context: Any) -> float | None:
    """Return the seconds left for this invocation; None if the context does not say."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    milliseconds = ask() if callable(ask) else None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000
