"""Why a call must stop early."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Awaiting(Protocol):
        """A task of the call on an event loop."""

        @property
        def awaiting(self) -> bool:
            """Whether its loop is running and no function of the call is running outside it."""

        def cancel(self, wanted: Callable[[], bool], /) -> None:
            """Cancel what is awaited, if `wanted` still returns true when the loop gets to it."""


class Stopped(BaseException):
    """Raised in a producer to stop it; `reason` is the error to report."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Interruption:
    """The error that stops a call; shared by everything that takes part in the call.

    Attributes:
        error: The error; None while the call may continue.
        raised: Whether it has been raised in the application's code.
        patience: Seconds that sending the rest of a response may take without progress.
        tasks: The tasks on event loops, innermost last.
    """

    __slots__ = ("error", "patience", "raised", "tasks")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.raised: bool = False
        self.patience: float = 0.0
        self.tasks: list[Awaiting] = []

    def check(self) -> None:
        """Raise if the call has been interrupted; its code may have swallowed the interruption."""
        if self.error is not None:
            raise self.stopped()

    def stopped(self) -> Stopped:
        """Return the exception to raise in the application's code."""
        assert self.error is not None
        self.raised = True
        return Stopped(self.error)

    def cancel(self, turned: Callable[[], object]) -> bool:
        """Cancel what is awaited, from any thread; return whether anything is awaited.

        Args:
            turned: Called when the event loop gets to the cancellation.
        """

        def wanted() -> bool:
            turned()
            wanted = self.error is not None and not self.raised
            self.raised = self.raised or wanted
            return wanted

        innermost = self.tasks[-1:]
        if not innermost or not innermost[0].awaiting:
            return False
        innermost[0].cancel(wanted)
        return True

    def forget(self) -> None:
        """Let cleanup code run uninterrupted."""
        self.error = None
