"""The deadline covers the stream: a producer is stopped, and the caller told, before Lambda kills it."""

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
        """What a deadline stops."""

        interruption: Interruption

        def interrupt(self, error: BaseException, patience: float) -> None:
            """Accept nothing more; what is sent after this may stall that many seconds."""

        def give_up(self, error: BaseException) -> None:
            """Tell the caller, although the call goes on."""


# How long the event loop may take to come to a cancellation before what blocks it is interrupted, in seconds.
_LOOP_TURNS_WITHIN = 0.05
_ALARM_EVERY = 0.02  # seconds between attempts to find the application's code running
_AGAIN_EVERY = 0.25  # seconds between attempts once the caller has been told

_LIBRARY = os.path.dirname(os.__file__) + os.sep
_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep
# Where this package runs the application's code, or waits for it.
_INTERRUPTIBLE = (
    os.path.join("engine", "producing.py"),
    "formats.py",
    os.path.join("engine", "rows.py"),
    "writer.py",
    "examples" + os.sep,
    "middlewares" + os.sep,
)


class Deadline:
    """Stops a call in time; a context manager around its use.

    A thread waits for the deadline. Then no chunk is accepted any more and a blocked send is woken; what is
    awaited is cancelled; sync code on the main thread, and what keeps the event loop from turning, is
    interrupted by SIGALRM, unless the application uses that signal; and if nothing has come of it after half
    of the margin, the caller is told from that thread, while the producer is still stuck.

    Args:
        call: What is to be stopped.
        remaining: Seconds until Lambda kills the function.
        margin: Seconds before that at which the call is stopped.
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
        # What has swallowed the interruption is interrupted again, so that the process can serve the next
        # invocation; what cleans up is not.
        while not self._over.wait(_AGAIN_EVERY):
            if self._call.interruption.error is not None:
                self._call.interruption.raised = False
                self._stop(time.monotonic() + _LOOP_TURNS_WITHIN * 2)

    def _stop(self, until: float) -> None:
        """Cancel what is awaited; interrupt what runs, until it has been found running."""
        if self._cancelled():
            return
        while time.monotonic() < until and not self._call.interruption.raised:
            self._alarm()
            if self._over.wait(_ALARM_EVERY):
                return

    def _cancelled(self) -> bool:
        """Whether the event loop was running and has come to a cancellation."""
        turned = threading.Event()
        return self._call.interruption.cancel(turned.set) and turned.wait(_LOOP_TURNS_WITHIN)

    def _alarm(self) -> None:
        if self._signal is not None and self._is_ours():
            self._signal.pthread_kill(self._asking_thread, self._signal.SIGALRM)

    # On the thread that asks.

    def _arm_signal(self) -> None:
        # signal adds enumerations to it, which cost every first invocation half a millisecond.
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
    """Whether this frame is the application's, or serves it: code that may be torn out of what it does.

    What is left of the standard library is passed by: its frames belong to the caller.
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
    """Seconds that this invocation has left; None if the context does not know."""
    ask = getattr(context, "get_remaining_time_in_millis", None)
    milliseconds = ask() if callable(ask) else None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000
