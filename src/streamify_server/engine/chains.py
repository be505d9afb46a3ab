"""Chains of exceptions: whole, and without circles."""

from __future__ import annotations


def chained(error: BaseException, first: BaseException) -> None:
    """Make `first` the cause of `error`, unless it names another."""
    if error is not first and error.__cause__ is None:
        _cut(first, {id(error)})
        error.__cause__ = first


def joined(error: BaseException, later: BaseException) -> None:
    """Let a traceback of `error` show what went wrong later as well, at the end of its chain."""
    known = {id(one) for one in reached(error)}
    if id(later) in known:
        return
    _cut(later, known)
    last = error
    while (before := last.__cause__ or (None if last.__suppress_context__ else last.__context__)) is not None:
        last = before
    last.__context__ = later
    last.__suppress_context__ = False


def untraced(error: BaseException) -> BaseException:
    """The error without tracebacks, which keep the frames of all callers, and what is in them, alive."""
    for one in reached(error):
        one.__traceback__ = None
    return error


def reached(error: BaseException) -> list[BaseException]:
    """The error, and all that its causes and contexts lead to."""
    found = [error]
    seen = {id(error)}
    for one in found:
        for before in (one.__cause__, one.__context__):
            if before is not None and id(before) not in seen:
                seen.add(id(before))
                found.append(before)
    return found


def _cut(error: BaseException, unwanted: set[int]) -> None:
    """Remove every link that leads from this error to an unwanted one: it would close a circle."""
    for one in reached(error):
        if id(one) in unwanted:
            continue  # its own links are wanted
        if id(one.__cause__) in unwanted:
            one.__cause__ = None
        if id(one.__context__) in unwanted:
            one.__context__ = None
