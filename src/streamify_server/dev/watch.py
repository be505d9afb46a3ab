"""Watches source files for changes."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

_SETTLED_MS = 50
_LOOK_MS = 200


def changes(directories: Sequence[Path], stop: threading.Event) -> Iterator[frozenset[Path]]:
    """Watch the Python files in some directories, but no others: a function may write files there.

    Yields:
        Several times a second, the files that changed, so mostly none. The first set comes as soon as changes
        are noticed.

    Raises:
        ModuleNotFoundError: The extra `dev` is not installed.
    """
    try:
        import watchfiles
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "Reloading needs watchfiles: pip install 'streamify[dev]', or use --no-reload."
        ) from None
    for changed in watchfiles.watch(
        *directories,
        watch_filter=watchfiles.PythonFilter(),
        step=_SETTLED_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        stop_event=stop,
    ):
        yield frozenset(Path(path) for _, path in changed)


def ticks(stop: threading.Event) -> Iterator[frozenset[Path]]:
    """Yield empty sets as often as `changes` does, without watching anything."""
    yield frozenset()
    while not stop.wait(_LOOK_MS / 1000):
        yield frozenset()
