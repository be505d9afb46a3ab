"""Showing how far a transfer has come."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from streamify_client._extras import require

Progress = bool | Callable[[int, int | None], None]
"""True: a bar on a terminal or in a notebook; or a function of the bytes so far and the total, if known."""

Advance = Callable[[str | bytes], None]

_UPDATES_EVERY = 0.1  # seconds between two states of a bar in a notebook, each of which is a message


@contextmanager
def meter(progress: Progress, what: str, total: int | None) -> Iterator[Advance]:
    """Give a function to call with each chunk.

    Raises:
        ConfigurationError: A bar was asked for, where one can be shown, and rich is missing.
    """
    if callable(progress):
        yield _calling(progress, total)
    elif progress and _in_notebook():
        with _notebook_bar(what, total) as advance:
            yield advance
    elif progress and sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
    else:
        yield lambda chunk: None


def _calling(callback: Callable[[int, int | None], None], total: int | None) -> Advance:
    so_far = 0

    def advance(chunk: str | bytes) -> None:
        nonlocal so_far
        so_far += _size(chunk)
        callback(so_far, total)

    return advance


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Advance]:
    console = require("rich.console", "progress=True", "progress").Console(stderr=True)
    with _made(total, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda chunk: bar.advance(task, _size(chunk))


@contextmanager
def _notebook_bar(what: str, total: int | None) -> Iterator[Advance]:
    from IPython.display import display

    bar = _made(total)  # never started: rich itself draws in notebooks with ipywidgets only
    task = bar.add_task(what, total=total)
    shown = display(bar.make_tasks_table(bar.tasks), display_id=True)
    due = time.monotonic()

    def advance(chunk: str | bytes) -> None:
        nonlocal due
        bar.advance(task, _size(chunk))
        if time.monotonic() >= due:
            due = time.monotonic() + _UPDATES_EVERY
            shown.update(bar.make_tasks_table(bar.tasks))

    try:
        yield advance
    finally:
        bar.stop_task(task)
        shown.update(bar.make_tasks_table(bar.tasks))


def _made(total: int | None, **options: Any) -> Any:
    rich = require("rich.progress", "progress=True", "progress")
    return rich.Progress(
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.FileSizeColumn() if total is None else rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
        rich.TimeElapsedColumn(),
        **options,
    )


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel, whose standard error is no terminal."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def _size(chunk: str | bytes) -> int:
    return len(chunk) if isinstance(chunk, bytes) else len(chunk.encode("utf-8", "replace"))
