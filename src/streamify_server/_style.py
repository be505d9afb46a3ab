"""In which style a handler is written: `(event, context)`, or `(event, context, stream)` to write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200  # as inspect.CO_*, which is slow to import


def as_handler(function: Callable[..., Any], writer: bool | None) -> Callable[[Any, Any], Any]:
    """The function as a handler of event and context, whatever its style.

    Args:
        function: The function as it was written.
        writer: Whether it takes a stream to write to; None: as it has exactly three required positional
            parameters, looked at without what wraps it.

    Raises:
        TypeError: It is a writer that also yields.
    """
    if writer is None:
        writer = _required_arguments(function) == 3
    if not writer:
        return function
    if _flags(function) & (_GENERATOR | _ASYNC_GENERATOR):
        raise TypeError(yields_too(function))

    def handle(event: Any, context: Any) -> Any:
        from .writer import written

        return written(function, event, context)

    return handle


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether this is an `async def`, looked at without what wraps it."""
    return bool(_flags(function) & _COROUTINE)


def yields_too(function: Any) -> str:
    """What is wrong with a writer that also yields."""
    name = getattr(function, "__name__", "The handler")
    return f"{name} takes a stream to write to and also yields; do one of the two."


def _required_arguments(function: Callable[..., Any]) -> int:
    """How many positional arguments a function requires, without what wraps it."""
    function = _unwrapped(function)
    code = getattr(function, "__code__", None)
    if code is not None and type(function).__name__ == "function":
        return int(code.co_argcount) - len(getattr(function, "__defaults__", None) or ())
    import inspect  # methods, partials and callable objects only: it is slow to import

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is inspect.Parameter.empty for one in parameters)


def _flags(function: Callable[..., Any]) -> int:
    return int(getattr(getattr(_unwrapped(function), "__code__", None), "co_flags", 0))


def _unwrapped(function: Any) -> Any:
    seen = set()
    while hasattr(function, "__wrapped__") and id(function) not in seen:
        seen.add(id(function))
        function = function.__wrapped__
    return function
