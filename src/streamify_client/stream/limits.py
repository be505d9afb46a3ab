"""The clock of one stream, and its four time limits."""

import time

from streamify_client.errors import StreamifyError, StreamTimeoutError, TimeoutPhase
from streamify_client.request.options import Options
from streamify_client.transports.seam import Cancellation, Opening

_MISSED: dict[TimeoutPhase, str] = {
    "connect": "No connection came about",
    "first_byte": "The function had sent nothing",
    "idle": "Nothing more came from the function",
    "total": "The response was not complete",
}
_TICK = 0.02  # seconds: clocks and timers may be early by this much (15.6 ms on Windows)


class Limits:
    """The time limits of the next step; everything is in seconds, and None means no limit."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._started: float | None = None
        self.until: float | None = None  # when the total limit passes, as `time.monotonic` counts
        self._attempt_started = 0.0
        self._begun = False  # whether the function has
        self.duration: float | None = None  # once the stream is over

    def begin(self, cancellation: Cancellation) -> Opening:
        """An attempt begins: return its time limits."""
        now = time.monotonic()
        if self._started is None:
            self._started = now
            total = self._options.total_timeout
            self.until = None if total is None else now + total
        self._attempt_started = now
        self._begun = False
        left = self.left
        return Opening(
            _shorter(self._options.connect_timeout, left),
            _shorter(self._options.first_byte_timeout, left),
            cancellation,
            None if left is None else now + left,
        )

    def stop(self) -> None:
        """The stream is over."""
        if self.duration is None:
            self.duration = self.elapsed

    @property
    def elapsed(self) -> float:
        """Seconds since the stream was opened."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    @property
    def left(self) -> float | None:
        """The time that is left of the total limit."""
        total = self._options.total_timeout
        return None if total is None else total - self.elapsed

    @property
    def _total_passed(self) -> bool:
        left = self.left
        return left is not None and left <= _TICK

    def answered(self) -> None:
        """The function has begun to respond: from now on the idle limit applies."""
        self._begun = True

    def check_total(self) -> None:
        """Raise if the total limit has been exceeded, however fast the data arrive.

        Raises:
            StreamTimeoutError: It has been exceeded.
        """
        if self.until is not None and time.monotonic() >= self.until:
            raise self.timed_out("total")

    @property
    def next_read(self) -> tuple[float | None, TimeoutPhase]:
        """Return how long the next read may wait, and which limit that is."""
        phase: TimeoutPhase = "idle"
        limit = self._options.idle_timeout
        if self._begun and self.until is None:
            return limit, phase
        if not self._begun:
            phase, limit = "first_byte", self._options.first_byte_timeout
            if limit is not None:
                limit -= time.monotonic() - self._attempt_started
        left = self.left
        if left is not None and (limit is None or left < limit):
            phase, limit = "total", left
        return (None if limit is None else max(limit, 0.0)), phase

    def timed_out(self, phase: TimeoutPhase) -> StreamTimeoutError:
        """Return the error for an exceeded limit: this one, or the total limit if that was shorter."""
        if self._total_passed:
            phase = "total"
        limit: float | None = getattr(self._options, f"{phase}_timeout")
        return StreamTimeoutError(
            f"{_MISSED[phase]} within {limit} s ({phase}_timeout).", phase=phase, limit=limit
        )

    def settle(self, error: StreamifyError) -> StreamifyError:
        """Return the limit that a transport's timeout was about."""
        if not isinstance(error, StreamTimeoutError) or error.limit is not None:
            return error
        settled = self.timed_out(error.phase)
        settled.may_have_run = error.may_have_run
        settled.__cause__ = error.__cause__
        return settled


def _shorter(limit: float | None, left: float | None) -> float | None:
    if left is None:
        return limit
    left = max(left, 0.001)
    return left if limit is None else min(limit, left)
