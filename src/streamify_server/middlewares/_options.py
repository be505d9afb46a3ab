"""Checks on the options of middlewares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def known(option: str, given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a key that an option does not have.

    Raises:
        TypeError: A key is unknown.
    """
    allowed = sorted(names)
    for key in given:
        if key not in allowed:
            raise TypeError(f"{option} has no option {key!r}; it has {', '.join(allowed)}.")


def missing_extra(middleware: str, package: str, extra: str) -> ModuleNotFoundError:
    """What to raise when a codec or parser is not installed."""
    return ModuleNotFoundError(
        f"{middleware} needs {package}: pip install 'streamify[{extra}]'.", name=package
    )
