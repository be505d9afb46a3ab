"""Changes of source files, as they happen."""

import threading
from collections.abc import Iterator
from pathlib import Path

_SETTLED_MS = 50
_LOOK_MS = 200


def changes(directory: Path, stop: threading.Event) -> Iterator[Path | None]:
    """Watch the Python files under a directory.

    Yields:
        None once it is watching, then one of the files that changed, relative to the directory, each time
        that some did.

    Raises:
        ModuleNotFoundError: The extra `dev` is not installed.
    """
    try:
        import watchfiles
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "Reloading needs watchfiles: pip install 'streamify[dev]', or use --no-reload."
        ) from None
    watching = False
    for changed in watchfiles.watch(
        directory,
        watch_filter=watchfiles.PythonFilter(),
        step=_SETTLED_MS,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        stop_event=stop,
    ):
        if not watching:
            watching = True
            yield None
        if changed:
            yield min(Path(path) for _, path in changed).relative_to(directory)
