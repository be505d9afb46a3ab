"""Why a call has to stop before its end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Awaiting(Protocol):
        """A task of the call on an event loop."""

        @property
        def awaiting(self) -> bool:
            """Whether its loop runs, and nothing of the call does outside it."""

        def cancel(self, wanted: Callable[[], bool], /) -> None:
            """Cancel what is awaited, if it is still wanted when the loop has come to it."""


class Stopped(BaseException):
    """Raised in a producer to stop it; `reason` is the error to report."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Interruption:
    """The error that stops a call, once there is one; shared by all that take part in it.

    Attributes:
        error: The error; None as long as the call may go on.
        raised: Whether it has been raised in the application's code.
        patience: Seconds that the rest of a response may take without any progress.
        tasks: What runs on event loops, the innermost last.
    """

    __slots__ = ("error", "patience", "raised", "tasks")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.raised: bool = False
        self.patience: float = 0.0
        self.tasks: list[Awaiting] = []

    def check(self) -> None:
        """Raise if the call has been interrupted, which its code may have overlooked."""
        if self.error is not None:
            raise self.stopped()

    def stopped(self) -> Stopped:
        """What is raised in the application's code."""
        assert self.error is not None
        self.raised = True
        return Stopped(self.error)

    def cancel(self, turned: Callable[[], object]) -> bool:
        """Cancel what is awaited; whether anything is. From any thread.

        Args:
            turned: Called when the event loop has come to it.
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
        """Let the code that cleans up run undisturbed."""
        self.error = None
