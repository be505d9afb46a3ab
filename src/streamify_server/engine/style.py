"""Detection of a handler's style: `(event, context)`, or writer-style `(event, context, stream)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The values of inspect.CO_*; inspect is slow to import.
_VARARGS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x20, 0x80, 0x200


def takes_stream(function: Callable[..., Any], writer: bool | None) -> bool:
    """Whether a handler is writer-style.

    Args:
        function: The function with its decorators.
        writer: The user's setting. With None it is writer-style if the innermost function has exactly three
            required positional parameters and every decorator can pass three on.

    Raises:
        TypeError: It is a writer that also yields, or a decorator does not pass the stream on.
    """
    if writer is None:
        layers = list(_layers(function))
        writer = _required_arguments(layers[-1]) == 3 and _reaches(layers)
    if writer and _flags(function) & (_GENERATOR | _ASYNC_GENERATOR):
        raise TypeError(yields_too(function))
    return writer


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether the innermost function is an `async def`."""
    return bool(_flags(function) & _COROUTINE)


def yields_too(function: Any) -> str:
    """Return the error message for a writer that also yields."""
    name = getattr(function, "__name__", "The handler")
    return f"{name} takes a stream to write to and also yields; do one of the two."


def _reaches(layers: list[Any]) -> bool:
    """Whether the decorators pass a third argument on; one that takes two injects the third itself."""
    if all(_takes_three(layer) for layer in layers[:-1]):
        return True
    code = getattr(layers[-1], "__code__", None)
    if code is not None and code.co_varnames[2:3] == ("stream",):
        name = getattr(layers[-1], "__name__", "The handler")
        raise TypeError(
            f"{name} takes a stream to write to, but a decorator inside @streaming_handler passes only two "
            "arguments on: put that decorator around @streaming_handler, or say writer=False."
        )
    return False


def _takes_three(function: Any) -> bool:
    code = _code(function)
    if code is not None:
        return bool(code.co_flags & _VARARGS) or code.co_argcount >= 3
    import inspect  # only for methods, partials and callable objects, because it is slow to import

    try:
        inspect.signature(function, follow_wrapped=False).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        pass
    return True


def _required_arguments(function: Any) -> int:
    """Return how many positional arguments a function requires."""
    code = _code(function)
    if code is not None:
        return int(code.co_argcount) - len(function.__defaults__ or ())
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is inspect.Parameter.empty for one in parameters)


def _code(function: Any) -> Any:
    """Return the code object of a plain function; None for methods, partials and callable objects."""
    return function.__code__ if type(function).__name__ == "function" else None


def _flags(function: Callable[..., Any]) -> int:
    *_, innermost = _layers(function)
    return int(getattr(getattr(innermost, "__code__", None), "co_flags", 0))


def _layers(function: Any) -> Iterator[Any]:
    """Yield a function and the functions that it wraps, outermost first."""
    seen: set[int] = set()
    while id(function) not in seen:
        seen.add(id(function))
        yield function
        if hasattr(function, "on_stream_end"):
            return  # a streaming handler takes two arguments whatever it wraps
        function = getattr(function, "__wrapped__", function)
