"""Checks on the options of middlewares, when one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

# What an option takes, in words.
_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number from 0 on",
    str: "a str",
    Callable: "a function",
    Sequence: "a list of str",
    Mapping: "a dict",
}


def takes(middleware: str, **options: tuple[Any, Any]) -> None:
    """Refuse an option whose value has the wrong type; None, which stands for "not given", passes.

    Args:
        middleware: Whose options these are.
        options: For each, its value, and bool, int (not negative), str, Callable, Sequence (of str) or
            Mapping.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A number is negative.
    """
    for name, (value, kind) in options.items():
        if value is None or _fits(value, kind):
            continue
        negative = kind is int and isinstance(value, int) and not isinstance(value, bool)
        raise (ValueError if negative else TypeError)(
            f"{name} of {middleware} takes {_WORDS[kind]}, not {value!r}."
        )


def _fits(value: Any, kind: Any) -> bool:
    if kind is Callable:
        return callable(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if kind is Sequence:
        several = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        return several and all(isinstance(item, str) for item in value)
    return isinstance(value, kind)


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


def is_stream(body: Any) -> bool:
    """Whether looking at this body would use it up: an iterator, a file, anything async."""
    return any(hasattr(body, name) for name in ("__next__", "__anext__", "__aiter__", "__await__", "read"))
