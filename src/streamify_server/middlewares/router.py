"""One function for many paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from streamify_server._events import method_of, path_of
from streamify_server._handling import call_inside
from streamify_server.errors import HttpError

from ._options import known
from ._routes import RouteTable

Handler = Callable[[Any, Any], Any]
Route = Mapping[str, Any] | tuple[str, str, Handler]


class http_router:
    """A handler that hands each request on to the handler of its method and path.

    It is no middleware but what the middlewares wrap: `streaming_handler(...)(http_router(...))`. A path has
    variables as API Gateway writes them, `/users/{id}` and, at its end, `/files/{proxy+}`; what they stand
    for is put into the event's `pathParameters`, as it stands in the path. A slash at the end of a path makes
    no difference. Fixed paths come before paths with variables, and then the route that was given first.

    Args:
        routes: `{"method": ..., "path": ..., "handler": ...}` or `(method, path, handler)`; the method "ANY"
            stands for all that no other route takes. A handler may be a streaming handler with middlewares of
            its own.
        not_found_response: Called with `{"method": ..., "path": ...}` if there is no route; what it returns
            is the response. By default an `HttpError` is raised: 404, or 405 if the path has routes for other
            methods.

    Raises:
        ValueError: A route has a wrong method or path, or is there twice.
        TypeError: A route lacks a part, or its handler is no function.

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
        self._table = RouteTable()
        for route in routes:
            self._table.add(*_parts(route))
        self._not_found_response = not_found_response
        self.__name__ = "http_router"

    def __call__(self, event: Any, context: Any) -> Any:
        """Hand the request on."""
        method, path = method_of(event), path_of(event)
        if not method or not path:
            raise HttpError(400, "The event is no HTTP request: it has no method or no path")
        found = self._table.match(method, path)
        if found is None:
            return self._not_found(method, path)
        own = event.get("pathParameters") or {}
        return call_inside(found.handler, {**event, "pathParameters": {**found.parameters, **own}}, context)

    def _not_found(self, method: str, path: str) -> Any:
        if self._not_found_response is not None:
            return self._not_found_response({"method": method, "path": path})
        if allowed := self._table.allowed(path):
            raise HttpError(405, headers={"Allow": ", ".join(allowed)})
        raise HttpError(404)


def _parts(route: Route) -> tuple[str, str, Handler]:
    if isinstance(route, Mapping):
        known("A route", route, ("method", "path", "handler"))
        if len(route) != 3:
            raise TypeError(f"A route has a method, a path and a handler, unlike {route!r}.")
        return route["method"], route["path"], route["handler"]
    if not isinstance(route, tuple) or len(route) != 3:
        raise TypeError(f"A route is (method, path, handler), not {route!r}.")
    return route
