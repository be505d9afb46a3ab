"""The middlewares, hooks and inner function of a handler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from streamify_server.middleware import HOOKS, PHASES, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from streamify_server.middleware import Hook, Middlewares


class Onion:
    """The registered middlewares and hooks, and the handler that they wrap."""

    def __init__(
        self,
        handler: Callable[..., Any],
        hooks: Any = None,
        internal: Mapping[str, Any] | None = None,
    ) -> None:
        self.handler = handler
        self.hooks = hooks
        self._internal = dict(internal or {})
        self._phases: dict[str, list[tuple[str, Hook]]] = {phase: [] for phase in PHASES}

    def request(self, event: Any, context: Any) -> Request:
        """Return a request for these middlewares and hooks."""
        return Request(event, context, self._internal)

    def use(self, middlewares: Middlewares) -> None:
        """Register a middleware or a list of them; if one is invalid, none is registered.

        Raises:
            TypeError: An object has none of before, after, on_error and on_stream_end, one of them is not
                callable, or a name is misspelled, such as `onError`.
        """
        several = [middlewares] if isinstance(middlewares, Mapping) else middlewares
        found = [_phases_of(one) for one in (several if isinstance(several, Iterable) else [several])]
        for phases in found:
            for phase, name, function in phases:
                self._phases[phase].append((name, function))

    def add(self, phase: str, function: Hook) -> None:
        """Register one function for one phase.

        Raises:
            TypeError: It is not callable.
        """
        if not callable(function):
            raise TypeError(f"{phase} takes a function of the request, not {function!r}.")
        self._phases[phase].append((getattr(function, "__name__", type(function).__name__), function))

    def chain(self, phase: str) -> list[tuple[str, Hook]]:
        """Return the name and function of each hook of this phase, in execution order."""
        registered = self._phases[phase]
        return list(registered) if phase == "before" else registered[::-1]

    def hook(self, name: str) -> Callable[..., Any] | None:
        """Return this hook; None if it was not given."""
        found: Callable[..., Any] | None = getattr(self.hooks, name, None)
        return found


def checked_hooks(hooks: Any) -> Any:
    """Return the hooks, validated.

    Raises:
        TypeError: The object has none of them, one is not callable, or a name is misspelled.
    """
    if hooks is not None and not _methods(hooks, HOOKS, "hooks"):
        raise TypeError(f"hooks takes an object with some of {', '.join(HOOKS)}; {hooks!r} has none.")
    return hooks


def _phases_of(middleware: Any) -> list[tuple[str, str, Hook]]:
    name = type(middleware).__name__
    found = [] if isinstance(middleware, type) else _methods(middleware, PHASES, f"The middleware {name}")
    if not found:
        raise TypeError(
            f"A middleware is an object with some of {', '.join(PHASES)} as methods, not {middleware!r}."
        )
    return [(phase, name, function) for phase, function in found]


def _methods(thing: Any, names: Iterable[str], what: str) -> list[tuple[str, Callable[..., Any]]]:
    """Return those of these methods that an object has; a value of None counts as absent.

    Raises:
        TypeError: One of them is not callable, or an attribute's name differs only in case or underscores.
    """
    expected = {_letters(name): name for name in names}
    for name in dir(thing):
        right = expected.get(_letters(name), name)
        if right != name and not name.startswith("_"):
            raise TypeError(f"{what} has {name!r}, which is never called: rename it to {right!r}.")
    found = [(name, method) for name in names if (method := getattr(thing, name, None)) is not None]
    for name, method in found:
        if not callable(method):
            raise TypeError(f"{what} has {name} = {method!r}, which is not a function.")
    return found


def _letters(name: str) -> str:
    return name.replace("_", "").lower()
