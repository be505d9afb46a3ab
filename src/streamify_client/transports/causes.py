"""What lies beneath an exception of a library."""

from collections.abc import Callable
from types import UnionType


def find_cause(
    error: BaseException | None,
    kind: type[BaseException] | UnionType,
    matches: Callable[[BaseException], object] = lambda _: True,
) -> BaseException | None:
    """Look for a kind of error in what an error came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, kind) and matches(error):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__ or _wrapped(error)
    return None


def _wrapped(error: BaseException) -> BaseException | None:
    """The error that urllib3, aiohttp or botocore keeps in an attribute."""
    kept = getattr(error, "kwargs", None)
    in_botocore = kept.get("error") if isinstance(kept, dict) else None
    for wrapped in (getattr(error, "reason", None), getattr(error, "os_error", None), in_botocore):
        if isinstance(wrapped, BaseException):
            return wrapped
    return None


def innermost_reason(error: object) -> str:
    """The innermost thing that an error says."""
    if isinstance(error, BaseException) and (os_error := find_cause(error, OSError)) is not None:
        error = os_error
    return str(error).strip().rstrip(".") or type(error).__name__
