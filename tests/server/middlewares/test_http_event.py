"""What HTTP events of every format have in common."""

from typing import Any

import pytest

from streamify_server.middlewares._http_event import header_of, is_http, method_of, path_of, query_of

V2 = {
    "rawPath": "/a",
    "headers": {"accept": "x/y"},
    "queryStringParameters": {"q": "1"},
    "requestContext": {"http": {"method": "PUT", "path": "/stage/a"}},
}
V1 = {
    "httpMethod": "PUT",
    "path": "/stage/a",
    "multiValueHeaders": {"Accept": ["x/y", "z/z"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": {"q": ["0", "1"]},
    "requestContext": {},
}
LATTICE = {
    "method": "PUT",
    "raw_path": "/stage/a?q=1",
    "headers": {"ACCEPT": "x/y"},
    "query_string_parameters": {"q": "1"},
}


@pytest.mark.parametrize(("event", "accept"), [(V2, "x/y"), (V1, "x/y, z/z"), (LATTICE, "x/y")])
def test_an_event_of_each_format(event: Any, accept: str) -> None:
    assert (method_of(event), path_of(event)) == ("PUT", "/stage/a")
    assert (header_of(event, "accept"), query_of(event, "q")) == (accept, "1")


@pytest.mark.parametrize(
    "event", [None, [], "x", 7, {}, {"method": "charge"}, {"requestContext": None, "headers": 3}]
)
def test_what_is_no_http_event(event: Any) -> None:
    assert not is_http(event)
    assert (path_of(event), header_of(event, "accept"), query_of(event, "q")) == (None, None, None)
