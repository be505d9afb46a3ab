"""`breakpoint()` and `pdb.set_trace()` in LocalLambda's functions: pdb in the terminal that runs it.

A function's standard input is empty, so pdb would read its end at once and quit. Functions run in sessions of
their own, so that they can be killed as a group; the terminal of another session can still be opened.
"""

import fcntl
import os
import pdb
import sys
from functools import cache
from typing import Any


class _TerminalPdb(pdb.Pdb):
    """pdb on a terminal that several functions share; there is only one prompt at a time."""

    def __init__(self, terminal: str) -> None:
        # Not as the controlling terminal: it belongs to another session, which still gets Ctrl-C.
        self._terminal = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        reader = os.fdopen(self._terminal, encoding="utf-8", closefd=False)
        writer = os.fdopen(self._terminal, "w", encoding="utf-8", closefd=False)
        super().__init__(stdin=reader, stdout=writer, nosigint=True)
        if name := os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
            self.prompt = f"(Pdb {name}) "

    def interaction(self, *arguments: Any, **options: Any) -> None:
        fcntl.flock(self._terminal, fcntl.LOCK_EX)
        try:
            super().interaction(*arguments, **options)
        finally:
            fcntl.flock(self._terminal, fcntl.LOCK_UN)


@cache
def _debugger(terminal: str) -> _TerminalPdb:
    return _TerminalPdb(terminal)


def stop(*, header: str | None = None, **options: Any) -> None:
    """Start pdb in the frame that called `breakpoint()`; without a terminal, print a notice and continue.

    Args:
        header: Printed first.
        options: Further arguments of newer versions of `pdb.set_trace`.
    """
    frame = sys._getframe(1)
    if terminal := os.environ.get("STREAMIFY_TERMINAL"):
        debugger = _debugger(terminal)
        if header is not None:
            debugger.message(header)
        return debugger.set_trace(frame)
    print(
        f"breakpoint() in {frame.f_code.co_filename}, line {frame.f_lineno}, was passed over: there is no"
        " terminal. Run `streamify dev` in one, pytest with -s, or let debugpy listen.",
        file=sys.stderr,
    )
    return None
