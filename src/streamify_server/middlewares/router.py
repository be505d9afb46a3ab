"""Routing of one function's requests by method and path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from streamify_server.errors import HttpError
from streamify_server.events import method_of, path_of

from ._options import check_options, known

Handler = Callable[[Any, Any], Any]
Route = Mapping[str, Any] | tuple[str, str, Handler]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")

_VARIABLE = re.compile(r"\{([^{}/]*)\}")
_NAME = re.compile(r"[\w.:-]+")


class http_router:
    """A handler that calls the handler for each request's method and path.

    It is not a middleware but a handler to wrap: `streaming_handler(...)(http_router(...))`. Paths may have
    variables in API Gateway's syntax, `/users/{id}` and, at the end, `/files/{proxy+}`; their values are put
    into the event's `pathParameters`, as written in the path. A trailing slash is ignored. Fixed paths take
    precedence over paths with variables, then the route that was given first.

    Args:
        routes: `{"method": ..., "path": ..., "handler": ...}` or `(method, path, handler)`; the method "ANY"
            stands for all methods without a route of their own. A handler may be a streaming handler with
            its own middlewares.
        not_found_response: Called with `{"method": ..., "path": ...}` if no route matches; returns the
            response. By default an `HttpError` is raised: 404, or 405 if the path has routes for other
            methods.

    Raises:
        ValueError: A route has an invalid method or path, or is a duplicate.
        TypeError: A route lacks a part, or its handler is not a function.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_router
        >>> def user(event, context):
        ...     yield "user " + event["pathParameters"]["id"]
        >>> handler = streaming_handler(http_router([("GET", "/users/{id}", user)]))
        >>> handler({"httpMethod": "GET", "path": "/users/7"}, None)
        b'user 7'
    """

    def __init__(
        self, routes: Iterable[Route], *, not_found_response: Callable[[dict[str, str]], Any] | None = None
    ) -> None:
        check_options(locals())
        self._table = RouteTable()
        for route in routes:
            self._table.add(*_parts(route))
        self._not_found_response = not_found_response
        self.__name__ = "http_router"

    def __call__(self, event: Any, context: Any) -> Any:
        """Call the handler for the request."""
        method, path = method_of(event), path_of(event)
        if not method or not path:
            raise HttpError(400, "The event is not an HTTP request: it has no method or no path")
        found = self._table.match(method, path)
        if found is None:
            return self._not_found(method, path)
        parameters, own = found.parameters, event.get("pathParameters")
        if isinstance(own, Mapping):
            parameters = {**parameters, **{name: value for name, value in own.items() if value is not None}}
        return found.handler({**event, "pathParameters": parameters}, context)

    def _not_found(self, method: str, path: str) -> Any:
        if self._not_found_response is not None:
            return self._not_found_response({"method": method, "path": path})
        cause = LookupError(f"There is no route for {method} {path[:100]}")
        if allowed := self._table.allowed(path):
            raise HttpError(405, headers={"Allow": ", ".join(allowed)}) from cause
        raise HttpError(404) from cause


def _parts(route: Route) -> tuple[str, str, Handler]:
    if isinstance(route, Mapping):
        known("A route", route, ("method", "path", "handler"))
        if len(route) != 3:
            raise TypeError(f"A route has a method, a path and a handler, unlike {route!r}.")
        return route["method"], route["path"], route["handler"]
    if not isinstance(route, tuple) or len(route) != 3:
        raise TypeError(f"A route is (method, path, handler), not {route!r}.")
    return route


class Match(NamedTuple):
    """The handler for a request, and the values of the path's variables."""

    handler: Handler
    parameters: dict[str, str]


class RouteTable:
    """Finds the route for a method and a path.

    Fixed paths take precedence over paths with variables, a method over ANY, then the route that was added
    first.
    """

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], Handler] = {}
        self._dynamic: dict[str, list[tuple[list[str], re.Pattern[str], Handler]]] = {
            method: [] for method in (*METHODS, "ANY")
        }

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Add one route.

        Raises:
            ValueError: The method is unknown, the path is malformed, or the route is a duplicate.
            TypeError: The handler is not a function.
        """
        if method not in self._dynamic:
            raise ValueError(f"A route has one of the methods {', '.join(METHODS)} and ANY, not {method!r}.")
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"The path of a route starts with a slash, unlike {path!r}.")
        if not callable(handler):
            raise TypeError(f"The handler of {method} {path} must be a function, not {handler!r}.")
        if "{" in path or "}" in path:
            self._dynamic[method].append((*_compiled(_trimmed(path)), handler))
            return
        if (method, _trimmed(path)) in self._fixed:
            raise ValueError(f"There are two routes for {method} {path}.")
        self._fixed[method, _trimmed(path)] = handler

    def match(self, method: str, path: str) -> Match | None:
        """Return the match for a request; None if there is none."""
        if method not in METHODS:
            return None
        for key in (method, "ANY"):
            if (handler := self._fixed.get((key, _trimmed(path)))) is not None:
                return Match(handler, {})
        for names, pattern, handler in self._dynamic[method] + self._dynamic["ANY"]:
            if (found := pattern.fullmatch(path)) is not None:
                values = (text or "" for text in found.groups())
                return Match(handler, dict(zip(names, values, strict=True)))
        return None

    def allowed(self, path: str) -> list[str]:
        """Return the methods that have a route for this path."""
        return [method for method in METHODS if self.match(method, path) is not None]


def _trimmed(path: str) -> str:
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


def _compiled(path: str) -> tuple[list[str], re.Pattern[str]]:
    segments = path[1:].split("/")
    names = [name for segment in segments if (name := _variable(segment, path)) is not None]
    greedy = bool(names) and names[-1].endswith("+") and segments[-1] == f"{{{names[-1]}}}"
    if greedy:
        names[-1] = names[-1][:-1]
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) for name in names):
        raise ValueError(
            f"{path!r} has a variable without a name, two of the same name, or a {{name+}} before its end."
        )
    fixed = segments[:-1] if greedy else segments
    pattern = "".join(
        "/([^/]+)" if segment.startswith("{") else "/" + re.escape(segment) for segment in fixed
    )
    return names, re.compile(pattern + ("(?:/(.*))?" if greedy else "/?"), re.DOTALL)


def _variable(segment: str, path: str) -> str | None:
    found = _VARIABLE.fullmatch(segment)
    if found is None and ("{" in segment or "}" in segment):
        raise ValueError(f"A variable takes a whole segment of a path, /{{name}}/, unlike in {path!r}.")
    return found[1] if found else None
