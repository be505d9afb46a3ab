"""Validate the options of middlewares when they are created."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from streamify_server.engine.style import is_coroutine_function

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

_ANNOTATION = re.compile(r"(\w+)(\[.*\])?( \| None)?")
# What an annotation requires, in words.
_WORDS = {
    "bool": "takes True or False",
    "int": "takes a whole number from 0 on",
    "float": "takes a number from 0 on",
    "str": "takes a str",
    "Callable": "takes a function that is not async",
    "Sequence": "is a list",
    "Mapping": "takes a dict",
}


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse options whose values do not match the annotations of a middleware.

    Call it first in `__init__`, with `locals()`. Annotations with alternatives are left to the middleware.
    Numbers must not be negative, functions must not be async (they are not awaited), and lists must contain
    text.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A number is negative or not finite.
    """
    middleware = type(given["self"])
    annotations: dict[str, str] = middleware.__init__.__annotations__
    for name in given.keys() & annotations.keys():
        check(name, given[name], annotations[name], f" ({middleware.__name__})")


def check(option: str, value: Any, annotation: str, where: str = "") -> None:
    """Refuse a value that does not match an annotation."""
    found = _ANNOTATION.fullmatch(annotation)
    if found is None or found[1] not in _WORDS or (value is None and found[3]):
        return
    kind = found[1]
    any_items = found[2] != "[str]" or kind != "Sequence"
    if _fits(value, kind) and (any_items or all(isinstance(item, str) for item in value)):
        return
    number = kind in ("int", "float") and isinstance(value, int | float) and not isinstance(value, bool)
    raise (ValueError if number else TypeError)(f"{option} {_WORDS[kind]}, not {value!r}{where}.")


def _fits(value: Any, kind: str) -> bool:
    if kind == "Callable":
        if not callable(value):
            return False
        return not is_coroutine_function(value) and not is_coroutine_function(type(value).__call__)
    if kind in ("int", "float"):
        right = isinstance(value, int if kind == "int" else int | float) and not isinstance(value, bool)
        return right and 0 <= value < float("inf")
    if kind == "Sequence":
        return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
    return isinstance(value, {"bool": bool, "str": str, "Mapping": Mapping}[kind])


def known(option: str, given: Mapping[str, Any], names: Iterable[str]) -> None:
    """Check that an option has only known keys.

    Raises:
        TypeError: A key is unknown.
    """
    allowed = sorted(names)
    for key in given:
        if key not in allowed:
            raise TypeError(f"{option} has no option {key!r}; it has {', '.join(allowed)}.")


def missing_extra(middleware: str, package: str, extra: str) -> ModuleNotFoundError:
    """Return the error to raise when a codec or parser is not installed."""
    return ModuleNotFoundError(
        f"{middleware} needs {package}: pip install 'streamify[{extra}]'.", name=package
    )


def is_stream(body: Any) -> bool:
    """Return whether reading this body would consume it: an iterator, a file, anything async."""
    return any(hasattr(body, name) for name in ("__next__", "__anext__", "__aiter__", "__await__", "read"))
