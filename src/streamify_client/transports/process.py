"""Which process this is: an attribute to compare, since asking the kernel at each read costs more."""

import os


class Process:
    """This process.

    Attributes:
        id: Its id, also in the child of a fork.
    """

    id: int = os.getpid()


def _look_again() -> None:
    Process.id = os.getpid()


if hasattr(os, "register_at_fork"):  # where there are forks
    os.register_at_fork(after_in_child=_look_again)
