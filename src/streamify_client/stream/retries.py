"""Decide whether a call may be retried, and when. Nothing here invokes anything."""

import random

from streamify_client.errors import (
    ConnectError,
    FunctionError,
    InvocationError,
    StreamError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
)
from streamify_client.models import Attempts

SAFE_RETRIES = 2  # after a refused connection or a throttle, when nothing ran
LONGEST_WAIT = 20.0  # seconds; if the service asks for a longer wait, the error is raised


class RetryPolicy:
    """Decides after each failure; one for each stream.

    Args:
        retries: How many more invocations there may be after the function may have run.
    """

    def __init__(self, retries: int) -> None:
        self._risky_left = retries
        self._safe_left = SAFE_RETRIES
        self._reasons: list[str] = []
        self._count = 0

    @property
    def attempts(self) -> Attempts:
        """The attempts so far."""
        return Attempts(max(1, self._count), tuple(self._reasons))

    def begin(self) -> None:
        """Another attempt begins."""
        self._count += 1

    def delay_after(self, error: StreamifyError, *, yielded: bool, time_left: float | None) -> float | None:
        """Return after how many seconds to try again, or None if the error is final."""
        if yielded or not self._may_repeat(error):
            return None
        delay = self._delay(error)
        if delay > LONGEST_WAIT or (time_left is not None and delay >= time_left):
            return None
        if error.may_have_run:
            self._risky_left -= 1
        else:
            self._safe_left -= 1
        self._reasons.append(f"{type(error).__name__}: {error.message}")
        return delay

    def _may_repeat(self, error: StreamifyError) -> bool:
        if isinstance(error, StreamTimeoutError) and error.phase == "total":
            return False
        if error.may_have_run:
            repeatable = isinstance(error, StreamError | FunctionError | InvocationError)
            return repeatable and self._risky_left > 0
        refused = isinstance(error, ConnectError) and error.refused
        return (refused or isinstance(error, ThrottledError)) and self._safe_left > 0

    def _delay(self, error: StreamifyError) -> float:
        if isinstance(error, ThrottledError) and error.retry_after is not None:
            return error.retry_after
        first = 0.5 if isinstance(error, ThrottledError) else 0.1
        return float(first * 2 ** len(self._reasons) * random.uniform(0.5, 1.0))
