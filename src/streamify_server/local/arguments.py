"""Checks of arguments, so that a wrong one is reported where it was passed."""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any


def check_number(what: str, value: object, allowed: str, fits: Callable[[float], bool]) -> None:
    """Check that a value is a number and that `fits` accepts it.

    Raises:
        ValueError: It does not; `allowed` says in the message what does.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not fits(value):
        raise ValueError(f"{what} is {allowed}, not {value!r}.")


def check_whole(what: str, value: object, least: int = 0) -> None:
    """Check that a value is None or an integer.

    Raises:
        ValueError: It is something else, or less than `least`.
    """
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{what} is a whole number from {least} on, not {value!r}.")


def check_one_of(name: str, value: object, *values: str) -> None:
    """Check that a value is one of the allowed values.

    Raises:
        ValueError: It is something else.
    """
    if value not in values:
        raise ValueError(f"{name} is {' or '.join(values)}, not {value!r}.")


def check_text(name: str, value: object, allowed: str, pattern: re.Pattern[str]) -> None:
    """Check that a value is a string that matches a pattern.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name} is {allowed}, not {value!r}.")


def check_list(what: str, value: object) -> None:
    """Check that a value is a collection, and not a string, whose characters would be taken for the items.

    Raises:
        ValueError: It is a string, or no collection.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Collection):
        raise ValueError(f"{what} is a list, such as [{value!r}], not {value!r}.")


def check_texts(what: str, texts: Sequence[Any]) -> None:
    """Check that values are strings that can be passed to a process.

    Raises:
        ValueError: One is no string, or has a character that cannot be passed.
    """
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{what} must be text, not {type(text).__name__}: write {str(text)!r}.")
        try:
            encoded = os.fsencode(text)
        except UnicodeEncodeError:
            raise ValueError(f"{what} has a character that cannot be encoded: {text!r}.") from None
        if b"\0" in encoded:
            raise ValueError(f"{what} has a NUL, which no process can be given: {text!r}.")


def check_environment(name: str, environment: Mapping[Any, Any]) -> None:
    """Check environment variables now, instead of failing at the first invocation.

    Raises:
        ValueError: A variable cannot be set.
    """
    for variable, value in environment.items():
        if not isinstance(variable, str) or not variable or "=" in variable:
            raise ValueError(f"{name} cannot have an environment variable named {variable!r}.")
        check_texts(f"The environment variable {variable!r} of {name}", (variable, value))
