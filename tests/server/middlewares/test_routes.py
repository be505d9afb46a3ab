"""Routes by table."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server.middlewares.router import RouteTable

ROUTES = [
    ("GET", "/"),
    ("GET", "/users"),
    ("GET", "/users/me"),
    ("GET", "/users/{id}"),
    ("ANY", "/users/{id}"),
    ("POST", "/users/{user-id}/posts/{post}"),
    ("GET", "/files/{path+}"),
    ("GET", "/v1.0/{x}"),
    ("ANY", "/users"),
    ("GET", "/slash/"),
]


@pytest.fixture
def table() -> RouteTable:
    table = RouteTable()
    for method, path in ROUTES:
        table.add(method, path, _named(f"{method} {path}"))
    return table


def _named(name: str) -> Callable[[Any, Any], str]:
    return lambda event, context: name


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/", "GET /", {}),
        ("GET", "/users", "GET /users", {}),
        ("GET", "/users/", "GET /users", {}),
        ("DELETE", "/users", "ANY /users", {}),
        ("GET", "/users/me", "GET /users/me", {}),
        ("GET", "/users/7", "GET /users/{id}", {"id": "7"}),
        ("GET", "/users/7/", "GET /users/{id}", {"id": "7"}),
        ("PUT", "/users/7", "ANY /users/{id}", {"id": "7"}),
        ("POST", "/users/7/posts/a b", "POST /users/{user-id}/posts/{post}", {"user-id": "7", "post": "a b"}),
        ("GET", "/files/a/b.txt", "GET /files/{path+}", {"path": "a/b.txt"}),
        ("GET", "/files/a/", "GET /files/{path+}", {"path": "a/"}),
        ("GET", "/files", "GET /files/{path+}", {"path": ""}),
        ("GET", "/files/", "GET /files/{path+}", {"path": ""}),
        ("GET", "/files/a\nb", "GET /files/{path+}", {"path": "a\nb"}),
        ("GET", "/slash", "GET /slash/", {}),
    ],
)
def test_where_a_request_goes(
    table: RouteTable, method: str, path: str, route: str, parameters: dict[str, str]
) -> None:
    found = table.match(method, path)
    assert found is not None
    assert (found.handler({}, None), found.parameters) == (route, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/users//"),
        ("POST", "/users/7/posts"),
        ("GET", "/v1X0/x"),
        ("GET", "/filesystem"),
        ("TRACE", "/users"),
        ("ANY", "/users"),
        ("get", "/"),
        ("GET", ""),
    ],
)
def test_where_there_is_no_route(table: RouteTable, method: str, path: str) -> None:
    assert table.match(method, path) is None


def test_which_methods_a_path_knows(table: RouteTable) -> None:
    assert table.allowed("/files/x") == ["GET"]
    assert len(table.allowed("/users")) == 7
    assert table.allowed("/nothing") == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("FETCH", "/"),
        ("get", "/a"),
        ("GET", "a"),
        ("GET", ""),
        ("GET", "/{}"),
        ("GET", "/a{b}"),
        ("GET", "/{a}{b}"),
        ("GET", "/{a}/{a}"),
        ("GET", "/{a+}/b"),
        ("GET", "/{a"),
        ("GET", "/a}"),
        ("GET", "/users/"),
    ],
)
def test_a_wrong_route_is_refused(table: RouteTable, method: str, path: str) -> None:
    with pytest.raises(ValueError):
        table.add(method, path, print)


def test_a_handler_that_is_no_function_is_refused(table: RouteTable) -> None:
    with pytest.raises(TypeError, match="must be a function"):
        table.add("GET", "/x", None)  # type: ignore[arg-type]


@given(st.text(alphabet="/{}+ab%\n", max_size=20))
@settings(max_examples=150)
def test_any_path_is_matched_or_not(path: str) -> None:
    table = RouteTable()
    table.add("GET", "/a/{b}/{c+}", print)
    found = table.match("GET", path)
    assert found is None or set(found.parameters) == {"b", "c"}
