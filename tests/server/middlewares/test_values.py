"""Serializer and partial response: middlewares that look into bodies, and never into streams."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from streamify_server import HttpError, HttpResponse, streaming_handler
from streamify_server.middlewares import (
    http_content_encoding,
    http_content_negotiation,
    http_error_handler,
    http_partial_response,
    http_response_serializer,
    validator,
)
from support.answers import BODIES, TEXT, answer_of, answer_with, get, http

STREAMS = {
    name: body for name, body in BODIES.items() if name not in ("str", "bytes", "bytearray", "list of chunks")
}


async def async_serializer(response: Any) -> str:
    return "never awaited"


AS_JSON = {"regex": "^application/json$", "serializer": lambda response: json.dumps(response.body)}
AS_TEXT = (re.compile("^text/plain$"), lambda response: str(response.body))
SERIALIZE = http_response_serializer(serializers=[AS_JSON, AS_TEXT], default_content_type="application/json")


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ({}, "application/json", b'{"a": 1}'),
        ({"accept": "*/*"}, "application/json", b'{"a": 1}'),
        ({"accept": "application/json"}, "application/json", b'{"a": 1}'),
        ({"accept": "text/plain, application/json;q=0.5"}, "text/plain", b"{'a': 1}"),
        ({"accept": "image/png"}, "application/json", b'{"a": 1}'),
    ],
)
@pytest.mark.parametrize("negotiate", [False, True])
def test_a_value_is_serialized_as_the_caller_accepts_it(
    negotiate: bool, accept: dict[str, str], content_type: str, body: bytes
) -> None:
    middlewares = [http_content_negotiation(), SERIALIZE] if negotiate else SERIALIZE
    answer = answer_with(middlewares, lambda: http({"a": 1}), get(**accept))
    assert (answer.headers["content-type"], answer.body) == (content_type, body)


@pytest.mark.parametrize(
    ("value", "body"), [([1, 2], b"[1, 2]"), ("a", b'"a"'), (7, b"7"), (False, b"false")]
)
def test_every_value_is_one(value: Any, body: bytes) -> None:
    assert answer_with(SERIALIZE, lambda: http(value), get()).body == body


def test_a_bare_dict_of_an_http_handler_is_a_value() -> None:
    answer = answer_with(SERIALIZE, lambda: {"a": 1}, get())
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert isinstance(answer_with(SERIALIZE, lambda: {"a": 1}, {"job": 1}).error, TypeError)


@pytest.mark.parametrize("body", STREAMS.values(), ids=STREAMS)
def test_streams_are_not_looked_into(body: Callable[[], Any]) -> None:
    middlewares = [http_partial_response(), SERIALIZE, validator(response_schema={"type": "object"})]
    event = {**get(), "queryStringParameters": {"fields": "a"}}
    answer = answer_with(middlewares, lambda: http(body()), event)
    assert (answer.error, answer.body) == (None, TEXT.encode())


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bare_body_stays_bare(body: Callable[[], Any]) -> None:
    event = {**get(), "queryStringParameters": {"fields": "a"}}
    answer = answer_with([http_partial_response(), SERIALIZE], body, event)
    assert (answer.bare, answer.body) == (True, TEXT.encode())


def test_a_body_with_a_content_type_and_bytes_are_serialized_already() -> None:
    assert answer_with(SERIALIZE, lambda: http("a", content_type="text/x")).body == b"a"
    assert answer_with(SERIALIZE, lambda: http(b"a")).body == b"a"
    assert answer_with(SERIALIZE, lambda: http(None)).headers.get("content-type") != "application/json"


def test_a_serializer_may_answer_with_another_response() -> None:
    serializer = http_response_serializer(
        serializers=[(".", lambda response: HttpResponse(203, body=f"{response.status}"))]
    )
    answer = answer_with(serializer, lambda: http({}), get(accept="a/b"))
    assert (answer.status, answer.body) == (203, b"200")


def test_an_accept_that_is_no_media_type_never_becomes_a_header() -> None:
    serializer = http_response_serializer(serializers=[(".", lambda response: "x")])
    hostile = get(accept="<script>/x")
    answer = answer_with(serializer, lambda: http({}), hostile)
    assert (answer.headers["content-type"], answer.body) == ("text/plain; charset=utf-8", b"x")
    endless = get(accept="a/" + "b" * 200)
    refused = answer_with(serializer, lambda: http({}), endless).error
    assert isinstance(refused, HttpError)
    assert refused.status_code == 406


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("text/plain;q=0.5, application/json;indent=2;q=0.9", "application/json"),
        ("text/plain; format=flowed", "text/plain"),
    ],
)
@pytest.mark.parametrize("negotiate", [False, True])
def test_parameters_of_an_accepted_type_do_not_hide_its_serializer(
    accept: str, content_type: str, negotiate: bool
) -> None:
    serializer = http_response_serializer(serializers=[AS_JSON, AS_TEXT])
    middlewares = [http_content_negotiation(), serializer] if negotiate else serializer
    answer = answer_with(middlewares, lambda: http({"a": 1}), get(accept=accept))
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        ({"statusCode": 203, "body": "as a proxy response"}, 203, b"as a proxy response"),
        ({"body": "only a body"}, 201, b"only a body"),
        ({"statusCode": 204}, 204, b""),
        (None, 201, b""),
    ],
)
def test_a_serializer_may_answer_with_a_dict_or_nothing(result: Any, status: int, body: bytes) -> None:
    serializer = http_response_serializer(serializers=[("json", lambda response: result)])
    answer = answer_with(serializer, lambda: http({}, 201, x_a="b"), get(accept="application/json"))
    assert (answer.status, answer.body.strip(), answer.error) == (status, body, None)
    assert (answer.headers["content-type"], answer.headers["x-a"]) == ("application/json", "b")


def test_a_value_that_no_acceptable_serializer_takes_is_a_406_and_text_goes_out_as_it_is() -> None:
    serializer = http_response_serializer(serializers=[AS_JSON])
    refused = answer_with([serializer, http_error_handler(logger=False)], lambda: http({}), get(accept="a/b"))
    assert refused.status == 406
    assert answer_with(serializer, lambda: http("text"), get(accept="a/b")).body == b"text"


def test_the_answer_to_an_error_is_serialized_too() -> None:
    def fail() -> None:
        raise HttpError(422, "no")

    def answer_error(request: Any) -> None:
        request.response = {"statusCode": 500, "body": "sorry"}

    handler = streaming_handler(middlewares=SERIALIZE)(lambda event, context: fail()).on_error(answer_error)
    answer = answer_of(handler, get())
    assert (answer.status, answer.body) == (500, b'"sorry"')


@pytest.mark.parametrize(
    "serializer",
    [
        "x",
        {"regex": "x", "serializer": async_serializer},
        {"regex": "x"},
        {"regexp": "x", "serializer": print},
        (1, print),
        ("x", "y"),
        {"serializer": print},
    ],
)
def test_a_wrong_serializer_is_refused(serializer: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        http_response_serializer(serializers=[serializer])


def asking(fields: str, key: str = "fields") -> dict[str, Any]:
    return {**get(), "queryStringParameters": {key: fields}}


BOOK = {"id": 1, "title": "Grün", "author": {"name": "Ada", "born": 1815}}


@pytest.mark.parametrize(
    ("body", "picked"),
    [
        (json.dumps(BOOK), b'{"id": 1, "author": {"name": "Ada"}}'),
        (json.dumps(BOOK).encode(), b'{"id": 1, "author": {"name": "Ada"}}'),
        (
            json.dumps([BOOK, BOOK]),
            b'[{"id": 1, "author": {"name": "Ada"}}, {"id": 1, "author": {"name": "Ada"}}]',
        ),
        ("no json", b"no json"),
        ("{no json", b"{no json"),
        ('"text"', b'"text"'),
        (["a", "b"], b"ab"),
        (b"\xff", b"\xff"),
    ],
)
def test_a_body_is_cut_down_to_the_fields_asked_for(body: Any, picked: bytes) -> None:
    assert answer_with(http_partial_response(), lambda: http(body), asking("id,author/name")).body == picked


def test_a_value_is_cut_down_before_it_is_serialized() -> None:
    answer = answer_with([SERIALIZE, http_partial_response()], lambda: http(BOOK), asking("title"))
    assert answer.body.decode() == json.dumps({"title": "Grün"})


def test_headers_of_the_whole_body_do_not_stay_on_a_part_of_it() -> None:
    response = http(json.dumps(BOOK), content_length="99", etag='"whole"')
    assert not {"content-length", "etag"} & set(
        answer_with(http_partial_response(), response, asking("id")).headers
    )


@pytest.mark.parametrize("event", [get(), asking(""), asking("id", key="select")])
def test_without_fields_the_body_stays_whole(event: Any) -> None:
    assert answer_with(http_partial_response(), lambda: http('{"a": 1}'), event).body == b'{"a": 1}'


def test_the_name_of_the_parameter_can_be_chosen() -> None:
    partial = http_partial_response(filtering_key_name="select")
    assert (
        answer_with(partial, lambda: http('{"a": 1, "b": 2}'), asking("b", key="select")).body == b'{"b": 2}'
    )


def test_an_error_answer_stays_whole() -> None:
    assert (
        answer_with(http_partial_response(), lambda: http('{"error": 1}', 404), asking("a")).body
        == b'{"error": 1}'
    )


@pytest.mark.parametrize("fields", ["a(", "a" * 3000, "a/" * 200 + "b"])
def test_a_mask_that_is_none_is_answered_with_400(fields: str) -> None:
    middlewares = [http_error_handler(logger=False), http_partial_response()]
    assert answer_with(middlewares, lambda: http("{}"), asking(fields)).status == 400


def test_a_part_can_be_compressed() -> None:
    import gzip

    event = asking("title")
    event["headers"]["accept-encoding"] = "gzip"
    response = http(json.dumps({"title": "long " * 100, "id": 1}))
    answer = answer_with([http_content_encoding(), http_partial_response()], response, event)
    assert json.loads(gzip.decompress(answer.body)) == {"title": "long " * 100}
