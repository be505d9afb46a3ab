"""validator: JSON Schemas of every draft and functions, which never let anything invalid through."""

import builtins
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server import HttpError, streaming_handler
from streamify_server.middlewares import http_content_negotiation, http_error_handler, validator
from streamify_server.middlewares._schema import coerced
from support.answers import answer_with, generated, generated_async, get, http, through

NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
ONLY_A = {"properties": {"a": {}}, "unevaluatedProperties": False}
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"


async def named(event: Any) -> None:
    event["name"] + ""


async def is_named(event: Any) -> bool:
    return isinstance(event.get("name"), str)


class LikeAPromise:
    """What a function returns that is not `async def` and still has to be awaited."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def __await__(self) -> Any:
        return is_named(self._event).__await__()


def refused(schema: Any, event: Any, **options: Any) -> HttpError:
    with pytest.raises(HttpError) as caught:
        through(validator(event_schema=schema, **options), event)
    return caught.value


def problems(error: HttpError) -> list[tuple[str, str]]:
    return [(one["pointer"], one["detail"]) for one in json.loads(str(error))["errors"]]


@pytest.mark.parametrize("schema", [NAMED, lambda event: event["name"] + "", named, is_named, LikeAPromise])
def test_an_event_is_checked(schema: Any) -> None:
    assert through(validator(event_schema=schema), {"name": "ada"}) == {"name": "ada"}
    for event in ({}, {"name": 1}):
        error = refused(schema, event)
        assert (error.status_code, error.expose) == (400, True)
        assert error.__cause__ is not None


@pytest.mark.parametrize(("returned", "passes"), [(True, True), (None, True), ({}, True), (False, False)])
def test_only_false_refuses_because_a_function_may_return_what_it_read(returned: Any, passes: bool) -> None:
    check = validator(event_schema=lambda event: returned)
    if passes:
        through(check, {})
    else:
        assert problems(refused(lambda event: returned, {})) == [("", "The value is not allowed")]


def test_every_error_is_told_at_once_as_problem_details_that_name_the_place() -> None:
    schema = {
        "type": "object",
        "required": ["id"],
        "properties": {"rows": {"items": {"type": "integer"}}, "a/b~c": {"type": "string"}},
    }
    middlewares = [validator(event_schema=schema), http_error_handler(logger=False)]
    answer = answer_with(middlewares, "x", {"rows": [1, "two", "drei"], "a/b~c": 1})
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    problem = json.loads(answer.body)
    assert {key: problem[key] for key in ("type", "title", "status", "detail")} == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "The event is invalid",
    }
    assert {(one["pointer"], one["detail"]) for one in problem["errors"]} == {
        ("", '"id" is a required property'),
        ("/rows/1", 'The value is not of type "integer"'),
        ("/rows/2", 'The value is not of type "integer"'),
        ("/a~1b~0c", 'The value is not of type "string"'),
    }


def test_an_error_never_repeats_a_value_and_is_of_bounded_size() -> None:
    schema = {"items": {"type": "integer"}, "additionalProperties": False}
    assert "s3cret" not in str(refused(schema, ["s3cret"]))
    assert len(problems(refused(schema, ["x"] * 5000))) == 100
    assert len(str(refused(schema, {"n" * 1_000_000: 1}))) < 1000


@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        (
            {"$schema": DRAFT_2019, "properties": {"a": {}}, "unevaluatedProperties": False},
            {"a": 1},
            {"b": 1},
        ),
        (
            {"$schema": DRAFT_2020, "properties": {"a": {}}, "unevaluatedProperties": False},
            {"a": 1},
            {"b": 1},
        ),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"prefixItems": [{"type": "string"}]}, ["a"], [1]),
        ({"$schema": DRAFT_7, "items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", "b"]),
        ({"$schema": DRAFT_7, "if": {"required": ["a"]}, "then": {"required": ["b"]}}, {}, {"a": 1}),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 3, "exclusiveMaximum": True},
            2,
            3,
        ),
        ({"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}, [1], ["a"]),
        ({"format": "email"}, "ada@example.org", "ada"),
        ({"format": "uuid"}, "123e4567-e89b-12d3-a456-426614174000", "123"),
        ({"format": "date"}, "2000-02-29", "2001-02-29"),
        ({"format": "date-time"}, "2000-01-01T00:00:00+00:00", "2000-01-01 00:00:00"),
        ({"format": "time"}, "00:00:00Z", "0 o'clock"),
        ({"format": "ipv4"}, "127.0.0.1", "127.0.0.256"),
        ({"format": "ipv6"}, "2001:db8::ff00:42:8329", "2001:db8:::1"),
        ({"format": "hostname"}, "sub.example.org", "-.example"),
        ({"format": "uri"}, "https://example.org", "example"),
        ({"format": "iso-time"}, "00:00:00", "0"),
        ({"x-note": "ours", "type": "string"}, "a", 1),
    ],
)
def test_a_schema_means_what_its_draft_says(schema: Any, valid: Any, invalid: Any) -> None:
    formats = {"iso-time": lambda text: len(text) == 8}
    through(validator(event_schema=schema, formats=formats), valid)
    assert refused(schema, invalid, formats=formats).status_code == 400


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "no such type"}, r"event_schema is not a JSON Schema: .* \(at /type\)"),
        ({"required": "name"}, r"is not a JSON Schema: .* \(at /required\)"),
        ({"$schema": "https://example.org/draft-99"}, "is not a JSON Schema: Unknown meta-schema"),
        ({"requird": ["name"]}, "has the keyword 'requird' at /, which JSON Schema 2020-12 does not know"),
        ({"properties": {"a": {"maxLenght": 1}}}, "'maxLenght' at /properties/a"),
        ({"anyOf": [{}, {"nullable": True}]}, "'nullable' at /anyOf/1"),
        ({"items": {"not": {"minn": 1}}}, "'minn' at /items/not"),
        ({"$schema": DRAFT_7, "unevaluatedProperties": False}, "'unevaluatedProperties' at /, .* draft-07"),
        ({"$schema": DRAFT_2020, "additionalItems": False}, "'additionalItems'"),
        ({"errorMessage": "no"}, "'errorMessage'"),
        ({"format": "emial"}, "emial"),
        ({"pattern": "("}, "is not a JSON Schema"),
        ({"$ref": "#/$defs/missing"}, "is not a JSON Schema"),
        ({"$ref": "http://127.0.0.1:1/schema"}, "is not a JSON Schema"),
    ],
)
def test_a_schema_that_would_check_less_than_it_says_is_refused(schema: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        validator(event_schema=schema)


def test_names_that_are_no_keywords_are_not_taken_for_some() -> None:
    schema = {
        "properties": {"requird": {"const": {"typ": 1}}},
        "patternProperties": {"^maxLenght$": {"default": {"x": 1}}},
        "$defs": {"whatever": {"enum": [{"y": 1}], "examples": [{"z": 1}]}},
        "dependentRequired": {"any": ["b"]},
    }
    through(validator(event_schema=schema), {"requird": {"typ": 1}})


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("event_schema", "schema.json"),
        ("context_schema", 3),
        ("response_schema", ["x"]),
        ("coerce", "yes"),
        ("defaults", 1),
        ("default_language", 42),
        ("languages", {"en": "not a function"}),
        ("languages", ["en"]),
        ("formats", {"iso-time": "x"}),
        ("input_schema", {}),
    ],
)
def test_a_wrong_option_is_refused(option: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"takes|unexpected keyword"):
        validator(**{option: wrong})


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "jsonschema_rs":
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'streamify\[validate\]'"):
        validator(event_schema={})
    handler = streaming_handler(middlewares=validator(event_schema=bool))(lambda event, context: "x")
    assert handler([1], None) == b"x"


SIZES = {
    "type": "object",
    "properties": {
        "size": {"type": "integer", "default": 10},
        "page": {"$ref": "#/$defs/page"},
        "ratio": {},
        "tags": {"type": "array", "items": {"type": "number"}},
        "deep": {"type": "object", "properties": {"on": {"type": "boolean", "default": False}}},
    },
    "$defs": {"page": {"type": ["integer", "null"], "default": None}},
    "allOf": [{"properties": {"ratio": {"type": "number"}}}],
    "additionalProperties": {"type": "string"},
}


def test_types_are_coerced_and_defaults_filled_in_where_asked_for() -> None:
    event = {"size": "20", "tags": "1.5", "deep": {"on": "true"}, "ratio": "2", "other": 7}
    original = json.dumps(event)
    prepared = through(validator(event_schema=SIZES, coerce=True, defaults=True), event)
    assert prepared == {
        "size": 20,
        "page": None,
        "tags": [1.5],
        "deep": {"on": True},
        "ratio": 2,
        "other": "7",
    }
    assert json.dumps(event) == original
    assert through(validator(event_schema=SIZES, defaults=True), {"deep": {}}) == {
        "size": 10,
        "page": None,
        "deep": {"on": False},
    }
    assert through(validator(event_schema=SIZES), {}) == {}
    assert refused(SIZES, event).status_code == 400


@pytest.mark.parametrize("reference", ["#/$defs/a%25b", "#page", "page"])
def test_references_of_every_kind_are_followed(reference: str) -> None:
    page = {
        "properties": {
            "size": {"type": "integer", "default": 10},
            "more": {"default": {}, "$ref": "#/$defs/more"},
        }
    }
    schema: Any = {
        "properties": {"page": {"$ref": reference}},
        "$defs": {
            "a%b": page,
            "b": {"$anchor": "page", **page},
            "c": {"$id": "page", **page, "$defs": {"more": {}}},
            "more": {"properties": {"on": {"default": True}}},
        },
    }
    prepared = through(validator(event_schema=schema, coerce=True, defaults=True), {"page": {"size": "5"}})
    assert prepared["page"]["size"] == 5
    assert prepared["page"]["more"] == {"on": True}  # a default is filled in as well


def operation(name: str) -> dict[str, Any]:
    sides = {"left": {"$ref": "#/$defs/expression"}, "right": {"$ref": "#/$defs/expression"}}
    return {"type": "object", "required": ["op"], "properties": {"op": {"const": name}, **sides}}


EXPRESSION = {
    "$defs": {"expression": {"oneOf": [{"type": "number"}, *map(operation, "+-*/")]}},
    "properties": {"sum": {"$ref": "#/$defs/expression"}, "name": {"type": "string"}},
}


def test_alternatives_within_themselves_are_not_gone_through_for_what_is_wrong() -> None:
    """Each level would take five times as long as the one above it: minutes, for two hundred bytes."""
    value: Any = "no number"
    for _ in range(20):
        value = {"op": "+", "left": value, "right": 1}
    assert problems(refused(EXPRESSION, {"sum": value})) == [("", "The value is none of its alternatives")]
    assert problems(refused(EXPRESSION, {"sum": value, "name": 1})) == [
        ("/name", 'The value is not of type "string"')
    ]
    assert through(validator(event_schema=EXPRESSION), {"sum": {"op": "*", "left": 2, "right": 3}})


def test_other_alternatives_are_told_by_their_place() -> None:
    schema = {
        "$defs": {"city": {"type": "object", "required": ["zip"]}},
        "properties": {"city": {"anyOf": [{"$ref": "#/$defs/city"}, {"type": "null"}]}},
    }
    ((place, said),) = problems(refused(schema, {"city": {}}))
    assert place == "/city"
    assert "anyOf" in said


def test_defaults_are_a_copy_for_each_event() -> None:
    schema: Any = {"properties": {"tags": {"default": []}}}
    check = validator(event_schema=schema, defaults=True)
    through(check, {})["tags"].append("mine")
    assert through(check, {}) == {"tags": []}


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        ("12", "integer", 12),
        ("-0.5e1", "number", -5.0),
        ("1_000", "integer", "1_000"),
        (" 1", "integer", " 1"),
        ("1.5", "integer", "1.5"),
        ("9" * 5000, "integer", "9" * 5000),
        ("NaN", "number", "NaN"),
        ("1e999", "number", "1e999"),
        ("٣", "integer", "٣"),
        ("true", "boolean", True),
        ("True", "boolean", "True"),
        ("1", "boolean", "1"),
        ("", "null", None),
        (True, "string", "true"),
        (1.5, "string", "1.5"),
        (True, "integer", True),
        ("a", "array", ["a"]),
        ({"a": 1}, "array", [{"a": 1}]),
        ("7", ["null", "integer"], 7),
        ("7", ["integer", "string"], "7"),
        ("x", "object", "x"),
    ],
)
def test_only_what_is_meant_becomes_another_type(value: Any, wanted: Any, found: Any) -> None:
    result = coerced(value, wanted)
    assert (result, type(result)) == (found, type(found))


@given(st.text(max_size=30), st.sampled_from(["integer", "number", "boolean", "null", "array", "object"]))
def test_any_text_is_coerced_to_json_or_left_alone(text: str, wanted: str) -> None:
    json.dumps(coerced(text, wanted), allow_nan=False)


def test_a_value_nested_too_deeply_is_refused_and_a_schema_that_refers_to_itself_ends() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    schema = {"items": {"$ref": "#"}, "allOf": [{"$ref": "#/$defs/loop"}], "$defs": {"loop": {"$ref": "#"}}}
    assert refused({"items": {"$ref": "#"}}, deep, coerce=True).status_code == 400
    assert through(validator(event_schema=schema, coerce=True), [[]]) == [[]]


def test_a_context_is_seen_with_all_its_attributes() -> None:
    attributes = {
        "function_name": {"const": "fn"},
        "log_group_name": {"type": "string"},
        "tenant_id": {"const": "t-1"},
        "identity": {"type": "null"},
        "get_remaining_time_in_millis": {"type": "integer", "minimum": 1},
    }

    def schema(**more: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {**attributes, **more}, "required": [*attributes]}

    through(validator(context_schema=schema()), {})
    with pytest.raises(HttpError) as error:
        through(validator(context_schema=schema(function_name={"const": "other"})), {})
    assert (error.value.status_code, error.value.expose) == (500, False)


RESPONSE = {
    "type": "object",
    "properties": {"statusCode": {"const": 200}, "body": {"type": "string", "pattern": "^ok"}},
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("response", "valid"),
    [
        (lambda: http("ok then"), True),
        (lambda: http("not ok"), False),
        (lambda: http(b"ok as well"), True),
        (lambda: http("ok", 201), False),
        (lambda: {"statusCode": 200, "body": "ok"}, True),
        (lambda: http(generated("not looked into")), True),
        (lambda: http(generated_async("not looked into"), 201), False),
        (lambda: generated("bare"), True),
        (lambda: "bare text", False),
    ],
)
def test_a_response_is_checked_as_far_as_it_is_whole(
    response: Callable[[], Any], valid: bool, is_async: bool
) -> None:
    by_schema = validator(response_schema=RESPONSE)

    async def check(seen: Any) -> bool:
        return seen["statusCode"] == 200 and str(seen.get("body", "ok")).startswith("ok")

    answer = answer_with(validator(response_schema=check) if is_async else by_schema, response, get())
    if isinstance(answer.error, HttpError):
        assert answer.error.status_code == 500
    assert (answer.error is None) is valid


def test_a_response_that_must_have_a_body_may_not_stream_it() -> None:
    schema = {"type": "object", "required": ["body"]}
    assert answer_with(validator(response_schema=schema), lambda: http("x")).error is None
    refused = answer_with(validator(response_schema=schema), lambda: http(generated("x"))).error
    assert isinstance(refused, HttpError)


@pytest.mark.parametrize(
    ("preferred", "message"),
    [
        ("fr-CH, en;q=0.5", "Nom manquant"),
        ("pt-BR", "Falta name"),
        ("de", "No name"),
        ("__proto__", "No name"),
    ],
)
def test_a_failed_check_speaks_the_callers_language(preferred: str, message: str) -> None:
    languages: dict[str, Callable[[Any], str]] = {
        "fr": lambda violation: "Nom manquant",
        "en": lambda violation: "No name",
        "pt-BR": lambda violation: f"Falta {violation.message.split(chr(34))[1]}" + violation.pointer,
    }
    negotiation = http_content_negotiation(available_languages=[*languages], fail_on_mismatch=False)
    for more in ([], [negotiation]):
        check = validator(event_schema={"required": ["name"]}, languages=languages)
        with pytest.raises(HttpError) as caught:
            through([*more, check], get(accept_language=preferred))
        assert problems(caught.value) == [("", message)]
