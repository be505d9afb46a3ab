"""Find the causes of a library's exception."""

from collections.abc import Callable, Iterator
from types import UnionType


def find_cause(
    error: BaseException,
    kind: type[BaseException] | UnionType,
    matches: Callable[[BaseException], object] = lambda _: True,
) -> BaseException | None:
    """Return an error of this kind among the causes of an error, or None."""
    return next((each for each in _chain(error) if isinstance(each, kind) and matches(each)), None)


def innermost_reason(error: BaseException) -> str:
    """Return the message of the innermost cause, on one line."""
    *_, innermost = _chain(error)
    said = getattr(innermost, "message", None) or str(innermost)  # aiohttp's, without the URL
    if not isinstance(said, str):  # what had come of a head
        said = type(innermost).__name__
    status = getattr(innermost, "status", None)
    lines = [line.strip() for line in f"{status or ''} {said}".strip().splitlines()[:2]]
    return " ".join(lines).rstrip(" .:") or type(innermost).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error and its causes.

    ``__context__`` is ignored: that may be an error that the caller was handling when it made the call.
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        yield found
        seen.add(id(found))
        found = found.__cause__ or _wrapped(found)


def _wrapped(error: BaseException) -> BaseException | None:
    """Return the error that urllib3, aiohttp or botocore keeps in an attribute or an argument."""
    kept = getattr(error, "kwargs", None)
    in_botocore = kept.get("error") if isinstance(kept, dict) else None
    candidates = (getattr(error, "reason", None), getattr(error, "os_error", None), in_botocore, *error.args)
    return next((each for each in candidates if isinstance(each, BaseException)), None)
