"""Field masks by table."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server.middlewares import partial_response as _field_mask
from support.answers import answer_with, http

BOOK = {
    "id": 7,
    "author": {"name": "Ada", "born": 1815, "home": {"city": "London", "zip": "W1"}},
    "tags": ["a", "b"],
    "notes": [{"id": 1, "by": {"name": "L"}}, {"id": 2, "by": {"name": "M"}}],
}


@pytest.mark.parametrize(
    ("fields", "picked"),
    [
        ("id", {"id": 7}),
        ("id,tags", {"id": 7, "tags": ["a", "b"]}),
        (" id , tags ", {"id": 7, "tags": ["a", "b"]}),
        ("author/name", {"author": {"name": "Ada"}}),
        ("author(name,born)", {"author": {"name": "Ada", "born": 1815}}),
        ("author/home/city", {"author": {"home": {"city": "London"}}}),
        ("author(home/zip),id", {"id": 7, "author": {"home": {"zip": "W1"}}}),
        ("author/name,author/born", {"author": {"name": "Ada", "born": 1815}}),
        ("author/name,author", {"author": BOOK["author"]}),
        ("notes/id", {"notes": [{"id": 1}, {"id": 2}]}),
        ("notes(by/name)", {"notes": [{"by": {"name": "L"}}, {"by": {"name": "M"}}]}),
        ("*", BOOK),
        ("*/name", {"author": {"name": "Ada"}, "tags": [], "notes": [{}, {}]}),
        ("nothing", {}),
        ("id/inside", {}),
        ("tags/x", {"tags": []}),
    ],
)
def test_what_a_mask_picks(fields: str, picked: Any) -> None:
    assert _field_mask.apply(_field_mask.parse(fields), BOOK) == picked


def test_a_list_is_looked_through() -> None:
    assert _field_mask.apply(_field_mask.parse("id"), [BOOK, BOOK]) == [{"id": 7}, {"id": 7}]


@pytest.mark.parametrize(
    "fields",
    [
        "",
        ",",
        "a,",
        "a(",
        "a(b",
        "a)",
        "a()",
        "/a",
        "a//b",
        "a(b))",
        "a" * 3000,
        "a/" * 200 + "a",
        "a(" * 150,
    ],
)
def test_what_is_no_mask_is_refused(fields: str) -> None:
    with pytest.raises(ValueError, match="a field mask"):
        _field_mask.parse(fields)


@given(st.text(alphabet="ab*,/() ", max_size=40))
@settings(max_examples=200)
def test_any_text_is_a_mask_or_refused(fields: str) -> None:
    try:
        mask = _field_mask.parse(fields)
    except ValueError:
        return
    _field_mask.apply(mask, {"a": {"b": [{"a": 1}, 2]}, "b": 3})


@pytest.mark.parametrize("depth", [600, 900])
def test_a_body_that_is_nested_too_deeply_is_left_alone(depth: int) -> None:
    body = "[" * depth + "]" * depth
    asked = {"httpMethod": "GET", "queryStringParameters": {"fields": "a"}}
    assert answer_with(_field_mask.http_partial_response(), lambda: http(body), asked).body == body.encode()


def test_half_a_surrogate_pair_stays_an_escape() -> None:
    asked = {"httpMethod": "GET", "queryStringParameters": {"fields": "a"}}
    body = '{"a": "\\ud800é", "b": 1}'
    answer = answer_with(_field_mask.http_partial_response(), lambda: http(body), asked)
    assert answer.body == b'{"a": "\\ud800\\u00e9"}'
