"""What lies beneath an exception of a library."""


def find_cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """Look for a kind of error in what an error came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, kind):
            return error
        seen.add(id(error))
        wrapped = getattr(error, "reason", None) or getattr(error, "os_error", None)
        error = (
            error.__cause__ or error.__context__ or (wrapped if isinstance(wrapped, BaseException) else None)
        )
    return None


def innermost_reason(error: object) -> str:
    """The innermost thing that an error says."""
    if isinstance(error, BaseException) and (os_error := find_cause(error, OSError)) is not None:
        error = os_error
    return str(error).strip().rstrip(".") or type(error).__name__
