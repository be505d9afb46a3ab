"""The three parsers of request bodies: what they make of a body, and what they refuse."""

import base64
import builtins
import contextlib
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server import HttpError
from streamify_server.middlewares import (
    FilePart,
    http_error_handler,
    http_json_body_parser,
    http_multipart_body_parser,
    http_urlencode_body_parser,
)
from support.answers import answer_with, through

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=cut"
PARSERS = {
    JSON: http_json_body_parser,
    FORM: http_urlencode_body_parser,
    MULTIPART: http_multipart_body_parser,
}


def event(body: str | bytes | None, content_type: str | None = JSON, **more: Any) -> dict[str, Any]:
    headers = {} if content_type is None else {"Content-Type": content_type}
    if isinstance(body, bytes):
        return {"headers": headers, "body": base64.b64encode(body).decode(), "isBase64Encoded": True, **more}
    return {"headers": headers, "body": body, **more}


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers, "", ""]
    return b"--cut\r\n" + "\r\n".join(lines).encode() + content + b"\r\n"


END = b"--cut--\r\n"


def status_of(parser: Any, event: Any) -> int:
    with pytest.raises(HttpError) as refused:
        through(parser, event)
    assert refused.value.expose
    return refused.value.status_code


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        ('{"a": [1, null]}', JSON, {"a": [1, None]}),
        ("null", JSON, None),
        ('"grün 😀"', "application/json; charset=utf-8", "grün 😀"),
        ('"\\ud83d\\ude00"', "Application/JSON", "😀"),
        (b'{"a":1}', "application/vnd.api+json", {"a": 1}),
        ("[" * 100 + "]" * 100, JSON, eval("[" * 100 + "]" * 100)),
    ],
)
def test_json_is_parsed(body: str | bytes, content_type: str, value: Any) -> None:
    assert through(http_json_body_parser(), event(body, content_type))["body"] == value


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "{'a': 1}",
        "NaN",
        "[Infinity]",
        '"\\ud83d"',
        "1" * 5000,
        "[" * 102 + "]" * 102,
        "[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_json_is_refused(body: str | bytes) -> None:
    assert status_of(http_json_body_parser(), event(body)) == 422


def test_a_body_that_is_nested_too_deeply_for_its_reviver_is_refused() -> None:
    parser = http_json_body_parser(reviver=lambda key, value: value, max_depth=10_000)
    depth = sys.getrecursionlimit()
    with pytest.raises(HttpError) as refused:
        through(parser, event("[" * depth + "]" * depth))
    assert refused.value.status_code == 422


def test_a_reviver_sees_every_member_innermost_first() -> None:
    seen = []

    def reviver(key: str | int, value: Any) -> Any:
        seen.append(key)
        return value * 2 if isinstance(value, int) else value

    parsed = through(http_json_body_parser(reviver=reviver), event('{"a": [1, 2], "b": 3}'))["body"]
    assert (parsed, seen) == ({"a": [2, 4], "b": 6}, [0, 1, "a", "b", ""])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("", {}),
        (None, {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("a=&b&c=x+y%20z", {"a": "", "b": "", "c": "x y z"}),
        ("n%C3%A4me=%F0%9F%98%80", {"näme": "😀"}),
        ("a=b=c", {"a": "b=c"}),
        (b"a=1", {"a": "1"}),
    ],
)
def test_a_form_is_parsed(body: str | bytes | None, fields: Any) -> None:
    assert through(http_urlencode_body_parser(), event(body, FORM + "; charset=UTF-8"))["body"] == fields


@pytest.mark.parametrize(("body", "status"), [("a=%ff", 422), (b"\xff", 422), ("a&" * 1000 + "a", 413)])
def test_a_hostile_form_is_refused(body: str | bytes, status: int) -> None:
    assert status_of(http_urlencode_body_parser(), event(body, FORM)) == status


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=6))
@settings(max_examples=50)
def test_a_form_comes_out_as_it_was_encoded(pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    pairs = [
        (name.encode(errors="ignore").decode(), value.encode(errors="ignore").decode())
        for name, value in pairs
    ]
    fields = through(http_urlencode_body_parser(), event(urlencode(pairs), FORM))["body"]
    for name in fields:
        values = [value for key, value in pairs if key == name]
        assert fields[name] == (values if len(values) > 1 else values[0])
    assert set(fields) == {name for name, _ in pairs}


def test_a_multipart_form_is_parsed() -> None:
    body = (
        part('name="title"', "grün".encode())
        + part('name="tag"', b"a")
        + part('name="tag"', b"b")
        + part('name="list[]"', b"one")
        + part('name="latin"', b"\xe9", "Content-Type: text/plain; charset=iso-8859-1")
        + part('name="doc"; filename="ä.bin"', b"\0\xff\r\n--cu", "Content-Type: application/x-thing")
        + END
    )
    assert through(http_multipart_body_parser(), event(body, MULTIPART))["body"] == {
        "title": "grün",
        "tag": ["a", "b"],
        "list": ["one"],
        "latin": "é",
        "doc": FilePart("ä.bin", "application/x-thing", "7bit", b"\0\xff\r\n--cu"),
    }


def test_a_form_as_a_browser_sends_it() -> None:
    boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--{boundary}--\r\n'
    content_type = f'multipart/form-data; boundary="{boundary}"'
    assert through(http_multipart_body_parser(), event(body, content_type))["body"] == {"a": "1"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (None, MULTIPART),
        (b"", MULTIPART),
        (b"no form at all", MULTIPART),
        (part('name="a"', b"x"), MULTIPART),
        (part('name="a"', b"x") + END[:6], MULTIPART),
        (part("", b"x") + END, MULTIPART),
        (part('name="a"', b"\xff") + END, MULTIPART),
        (b"--cut\r\nno header\r\n\r\nx\r\n" + END, MULTIPART),
        (part('name="a"', b"x") + END, "multipart/form-data"),
        (part('name="a"', b"x") + END, "multipart/form-data; boundary=" + "x" * 500),
        (part('name="a"', b"x") + END, "multipart/form-data; boundary=\u20ac"),
    ],
)
def test_what_is_no_multipart_form_is_refused(body: bytes | None, content_type: str) -> None:
    assert status_of(http_multipart_body_parser(), event(body, content_type)) == 422


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"field_name_size": 3}, 413),
        ({"field_size": 3}, 413),
        ({"file_size": 3}, 413),
        ({"fields": 1}, 413),
        ({"files": 0}, 413),
        ({"parts": 2}, 413),
        ({"header_pairs": 1}, 422),
    ],
)
def test_a_form_beyond_a_limit_is_refused(limits: dict[str, int], status: int) -> None:
    body = (
        part('name="long"', b"text")
        + part('name="b"', b"")
        + part('name="f"; filename="f"', b"file", "Content-Type: a/b")
        + END
    )
    through(http_multipart_body_parser(), event(body, MULTIPART))
    assert status_of(http_multipart_body_parser(limits=limits), event(body, MULTIPART)) == status


@given(st.binary(max_size=120), st.integers(0, 120))
@settings(max_examples=100)
def test_any_multipart_body_is_parsed_or_refused(noise: bytes, at: int) -> None:
    form = part('name="a"', b"x") + part('name="f"; filename="f"', b"y") + END
    with contextlib.suppress(HttpError):
        through(http_multipart_body_parser(), event(form[:at] + noise + form[at:], MULTIPART))


@pytest.mark.parametrize("parser", PARSERS.values())
@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonx"])
def test_another_type_is_refused_or_left_alone(parser: Any, content_type: str | None) -> None:
    assert status_of(parser(), event("x", content_type)) == 415
    assert through(parser(disable_content_type_error=True), event("x", content_type))["body"] == "x"


def test_the_type_need_not_be_checked() -> None:
    assert through(http_json_body_parser(disable_content_type_check=True), event("[1]", None))["body"] == [1]
    assert through(http_urlencode_body_parser(disable_content_type_check=True), event("a", None))["body"] == {
        "a": ""
    }
    mixed = "multipart/mixed; boundary=cut"
    body = part('name="a"', b"x") + END
    parser = http_multipart_body_parser(disable_content_type_check=True)
    assert through(parser, event(body, mixed))["body"] == {"a": "x"}


@pytest.mark.parametrize(("content_type", "parser"), PARSERS.items())
def test_a_body_that_is_too_large_is_refused(content_type: str, parser: Any) -> None:
    assert status_of(parser(max_bytes=10), event("x" * 11, content_type)) == 413
    assert status_of(parser(max_bytes=10), event(b"x" * 11, content_type)) == 413


@pytest.mark.parametrize(("content_type", "parser"), PARSERS.items())
def test_base64_that_is_none_is_refused(content_type: str, parser: Any) -> None:
    assert status_of(parser(), event("%%%", content_type, isBase64Encoded=True)) == 400


def test_the_callers_event_stays_as_it_was() -> None:
    original = event(b"{}")
    parsed = through(http_json_body_parser(), original)
    assert (parsed["body"], parsed["isBase64Encoded"]) == ({}, False)
    assert original == event(b"{}")


def test_parsers_of_several_types_stand_side_by_side() -> None:
    parsers = [
        http_json_body_parser(disable_content_type_error=True),
        http_urlencode_body_parser(disable_content_type_error=True),
        http_multipart_body_parser(disable_content_type_error=True),
    ]
    assert through(parsers, event("[1]"))["body"] == [1]
    assert through(parsers, event("a=1", FORM))["body"] == {"a": "1"}
    assert through(parsers, event(part('name="a"', b"1") + END, MULTIPART))["body"] == {"a": "1"}


@pytest.mark.parametrize(("content_type", "status"), [("text/plain", 415), (JSON, 422)])
def test_a_refusal_is_an_answer_under_http_error_handler(content_type: str, status: int) -> None:
    middlewares = [http_json_body_parser(), http_error_handler(logger=False)]
    answer = answer_with(middlewares, lambda: pytest.fail("the handler ran"), event("{", content_type))
    assert (answer.status, answer.body) != (200, b"")
    assert answer.status == status


def test_a_missing_parser_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "python_multipart":
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'streamify\[multipart\]'"):
        http_multipart_body_parser()


@pytest.mark.parametrize("parser", PARSERS.values())
def test_an_unknown_option_is_refused(parser: Any) -> None:
    with pytest.raises(TypeError):
        parser(reviverr=None)


def test_an_unknown_limit_is_refused() -> None:
    with pytest.raises(TypeError, match="no option 'filez'"):
        http_multipart_body_parser(limits={"filez": 1})
