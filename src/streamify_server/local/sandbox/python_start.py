"""Starts the Python runtime in a function's process: run as a script, `python python_start.py app.handler`.

Python considers a bytecode cache valid if the source has the size and the modification time, in seconds, that
the cache recorded. After two saves within one second, it could run the code of the first. Modules in the
function's own folder therefore use a cache only if it was written in a later second than its source, and
write none; disabling caches for the whole process would slow down every cold start. Therefore functions start
with this script and not with `-m streamify_server.runtime`.
"""

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

# Importing typing would slow down the cold start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import PathEntryFinder
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from _typeshed import ReadableBuffer as Buffer

_INSTALLED = ("site-packages", "dist-packages")


class FreshLoader(SourceFileLoader):
    """Loads a module from its current source."""

    def get_data(self, path: str) -> bytes:
        if path.endswith(tuple(BYTECODE_SUFFIXES)) and int(os.stat(path).st_mtime) <= int(
            os.stat(self.path).st_mtime
        ):
            raise OSError("The cache may be of an earlier source.")
        return super().get_data(path)

    def set_data(self, path: str, data: "Buffer", *, _mode: int = 0o666) -> None:
        """Write no cache."""


def fresh_hook(root: str) -> "Callable[[str], PathEntryFinder]":
    """Return a hook for `sys.path_hooks` for modules below a folder, except packages installed there."""
    finder = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (FreshLoader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )

    def hook(path: str) -> "PathEntryFinder":
        below = os.path.join(os.path.realpath(path), "").startswith(os.path.join(root, ""))
        if not below or any(part in _INSTALLED for part in path.split(os.sep)):
            raise ImportError(f"{path} is not of the function's own", path=path)
        return finder(path)

    return hook


class PdbFinder(PathFinder):
    """Makes `pdb.set_trace()` do what `breakpoint()` does, because a function has no standard input."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        spec = super().find_spec(fullname, path, target) if fullname == "pdb" else None
        if spec and type(spec.loader) is SourceFileLoader:
            spec.loader = _PdbLoader(spec.loader.name, spec.loader.path)
        return spec


class _PdbLoader(SourceFileLoader):
    def exec_module(self, module: "ModuleType") -> None:
        super().exec_module(module)
        module.set_trace = sys.breakpointhook  # type: ignore[attr-defined]


def main() -> None:
    """Import the runtime before the function's folders are on `sys.path`, as Lambda does."""
    path = sys.path[1:]  # without this script's folder
    ours = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    functions = set(os.environ["PYTHONPATH"].split(os.pathsep)) - {ours}
    sys.path[:] = [folder for folder in path if folder not in functions]
    from streamify_server.runtime import startup

    runtime = startup.prepare()
    sys.path[:] = path
    sys.path_hooks.insert(0, fresh_hook(os.path.realpath(os.environ["LAMBDA_TASK_ROOT"])))
    sys.path_importer_cache.clear()
    if os.environ.get("PYTHONBREAKPOINT", "").startswith("streamify_server."):
        sys.meta_path.insert(0, PdbFinder)
    startup.serve(runtime, sys.argv[1])


if __name__ == "__main__":
    main()
