"""Why a call has to stop before its end."""

from __future__ import annotations


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
    """

    __slots__ = ("error", "patience", "raised")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.raised: bool = False
        self.patience: float = 0.0

    def check(self) -> None:
        """Raise if the call has been interrupted, which its code may have overlooked."""
        if self.error is not None:
            raise self.stopped()

    def stopped(self) -> Stopped:
        """What is raised in the application's code."""
        assert self.error is not None
        self.raised = True
        return Stopped(self.error)

    def claim(self) -> bool:
        """Whether the application's code is still to be stopped; it is taken to be so from here on."""
        wanted = self.error is not None and not self.raised
        self.raised = self.raised or wanted
        return wanted

    def forget(self) -> None:
        """Let the code that cleans up run undisturbed."""
        self.error = None
