"""In which style a handler is written: `(event, context)`, or `(event, context, stream)` to write to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# As inspect.CO_*, which is slow to import.
_VARARGS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x20, 0x80, 0x200


def takes_stream(function: Callable[..., Any], writer: bool | None) -> bool:
    """Whether a handler takes a stream to write to.

    Args:
        function: The function as it was written, with the decorators around it.
        writer: What the user says; None: it takes one if the innermost function has exactly three required
            positional parameters and every decorator around it can pass three on.

    Raises:
        TypeError: It is a writer that also yields, or a decorator around it keeps the stream from it.
    """
    if writer is None:
        layers = list(_layers(function))
        writer = _required_arguments(layers[-1]) == 3 and _reaches(layers)
    if writer and _flags(function) & (_GENERATOR | _ASYNC_GENERATOR):
        raise TypeError(yields_too(function))
    return writer


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether this is an `async def`, looked at without what wraps it."""
    return bool(_flags(function) & _COROUTINE)


def yields_too(function: Any) -> str:
    """What is wrong with a writer that also yields."""
    name = getattr(function, "__name__", "The handler")
    return f"{name} takes a stream to write to and also yields; do one of the two."


def _reaches(layers: list[Any]) -> bool:
    """Whether a third argument gets through the decorators; one that takes two injects the third itself."""
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
    import inspect  # methods, partials and callable objects only: it is slow to import

    try:
        inspect.signature(function, follow_wrapped=False).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell
        pass
    return True


def _required_arguments(function: Any) -> int:
    """How many positional arguments a function requires."""
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
    """The code of a plain function; None for methods, partials and callable objects."""
    return function.__code__ if type(function).__name__ == "function" else None


def _flags(function: Callable[..., Any]) -> int:
    *_, innermost = _layers(function)
    return int(getattr(getattr(innermost, "__code__", None), "co_flags", 0))


def _layers(function: Any) -> Iterator[Any]:
    """A function and what it wraps, outermost first."""
    seen: set[int] = set()
    while id(function) not in seen:
        seen.add(id(function))
        yield function
        if hasattr(function, "on_stream_end"):
            return  # a streaming handler takes two arguments, whatever it wraps
        function = getattr(function, "__wrapped__", function)
