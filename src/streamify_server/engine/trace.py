"""Tracebacks that show the application, not the machinery around it."""

from __future__ import annotations

import os
from types import TracebackType

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep


def of_application(trace: TracebackType | None) -> TracebackType | None:
    """The same traceback without this package's frames; unchanged if it has no others."""
    frames = []
    step = trace
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_HERE):
            frames.append(step)
        step = step.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return kept or trace
