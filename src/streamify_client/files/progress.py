"""Showing how far a transfer has come."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamify_client._extras import require

Progress = bool | Callable[[int, int | None], None]
"""True: a bar on a terminal; or a function that gets the bytes so far and the total, if that is known."""

Advance = Callable[[str | bytes], None]


@contextmanager
def meter(progress: Progress, what: str, total: int | None) -> Iterator[Advance]:
    """Give a function to call with each chunk.

    Raises:
        ConfigurationError: A bar was asked for, on a terminal, and rich is missing.
    """
    if callable(progress):
        yield _calling(progress, total)
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
    rich = require("rich.progress", "progress=True", "progress")
    console = require("rich.console", "progress=True", "progress").Console(stderr=True)
    columns = [
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.FileSizeColumn() if total is None else rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
        rich.TimeElapsedColumn(),
    ]
    with rich.Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda chunk: bar.advance(task, _size(chunk))


def _size(chunk: str | bytes) -> int:
    return len(chunk) if isinstance(chunk, bytes) else len(chunk.encode("utf-8", "replace"))
