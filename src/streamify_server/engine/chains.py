"""Exception chains, complete and free of cycles."""

from __future__ import annotations


def chained(error: BaseException, first: BaseException) -> None:
    """Make `first` the cause of `error`, unless it already has another."""
    if error is not first and error.__cause__ is None:
        _cut(first, {id(error)})
        error.__cause__ = first


def joined(error: BaseException, later: BaseException) -> None:
    """Append a later error to the chain of `error`, so that its traceback shows both."""
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
    """Return the error without tracebacks, which would keep the callers' frames and their objects alive."""
    for one in reached(error):
        one.__traceback__ = None
    return error


def reached(error: BaseException) -> list[BaseException]:
    """Return the error and everything reachable through its causes and contexts."""
    found = [error]
    seen = {id(error)}
    for one in found:
        for before in (one.__cause__, one.__context__):
            if before is not None and id(before) not in seen:
                seen.add(id(before))
                found.append(before)
    return found


def _cut(error: BaseException, unwanted: set[int]) -> None:
    """Remove all links from this error to an unwanted one, which would form a cycle."""
    for one in reached(error):
        if id(one) in unwanted:
            continue  # its own links are kept
        if id(one.__cause__) in unwanted:
            one.__cause__ = None
        if id(one.__context__) in unwanted:
            one.__context__ = None
