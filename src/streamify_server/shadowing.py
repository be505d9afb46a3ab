"""Import Python's own modules even if the function has files with the same names.

AWS's bootstrap imports what its runtime client needs before it puts the function's folders in front of the
search path. This package imports more modules later, when a `select.py` of the function would be found
instead of Python's. Inside `unshadowed` Python's is found; outside, the function finds its own.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.machinery import ModuleSpec
    from typing import Any

_LIBRARY = os.path.dirname(os.__file__)
# Code of this package imports these again when it is called.
_ASKED_FOR_AGAIN = {"asyncio", "concurrent"}

_names: frozenset[str] | None = None


@contextmanager
def unshadowed() -> Iterator[None]:
    """Make imports in this block find Python's modules, whatever the function's files are called."""
    names = _shadowed()
    if not names:
        yield
        return
    theirs = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_theirs(name, names)}
    before = set(sys.modules)
    sys.meta_path.insert(0, _Python)
    try:
        yield
    finally:
        sys.meta_path.remove(_Python)
        give_back(sys.modules.keys() - before)
        sys.modules.update(theirs)


def give_back(modules: Iterable[str]) -> None:
    """Remove modules that the function has files for from `sys.modules`; references to them stay valid."""
    names = _shadowed() - _ASKED_FOR_AGAIN
    for module in list(modules):
        if module.partition(".")[0] in names:
            sys.modules.pop(module, None)


def _shadowed() -> frozenset[str]:
    """Return the names of Python's modules that are shadowed by folders in front of Python's own; cached."""
    global _names
    if _names is None:
        found: set[str] = set()
        if "AWS_LAMBDA_RUNTIME_API" in os.environ:
            for folder in sys.path:
                if _is_pythons(folder):
                    break
                found.update(_files_in(folder))
        _names = frozenset(found)
    return _names


def _files_in(folder: str) -> Iterator[str]:
    """Return the names of Python's modules for which a folder has files."""
    try:
        entries = os.listdir(folder or ".")
    except OSError:
        return
    for name in sys.stdlib_module_names.intersection(entry.partition(".")[0] for entry in entries):
        found = PathFinder.find_spec(name, [folder])
        if found is not None and found.loader is not None:  # a folder with data is not a module
            yield name


def _is_pythons(path: str) -> bool:
    inside = path == _LIBRARY or path.startswith(_LIBRARY + os.sep)
    return inside and "-packages" not in path[len(_LIBRARY) :]


def _is_theirs(module: str, names: frozenset[str]) -> bool:
    if module.partition(".")[0] not in names:
        return False
    file = getattr(sys.modules[module], "__file__", None)
    return file is not None and not _is_pythons(file)


class _Python:
    """Finds Python's modules in Python's own folders."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in sys.stdlib_module_names:
            return None
        return PathFinder.find_spec(name, [folder for folder in sys.path if _is_pythons(folder)])
