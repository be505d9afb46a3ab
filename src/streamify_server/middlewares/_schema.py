"""JSON Schema: strict compilation of schemas, and preparation of values: coerced types, default values.

jsonschema-rs knows all drafts and formats without further packages, limits the time of a pattern, refuses
unknown dialects, and is a single wheel. Coercion and defaults are a separate step before it, because a
validator must not change what it checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from itertools import islice
from typing import Any
from urllib.parse import unquote

from ._options import missing_extra

ERRORS_LIMIT = 100
VALUES_LIMIT = 10_000  # a larger value is only checked for its first error
TEXT_LIMIT = 200  # characters of one message or pointer; they contain names from the caller

_BY_DRAFT = {
    "draft-04": "$schema $ref id definitions title description default type enum multipleOf maximum minimum "
    "exclusiveMaximum exclusiveMinimum maxLength minLength pattern items additionalItems maxItems minItems "
    "uniqueItems maxProperties minProperties required properties patternProperties additionalProperties "
    "dependencies allOf anyOf oneOf not format",
    "draft-06": "$id examples const contains propertyNames",
    "draft-07": "$comment readOnly writeOnly contentMediaType contentEncoding if then else",
    "2019-09": "$anchor $recursiveRef $recursiveAnchor $vocabulary $defs deprecated dependentRequired "
    "dependentSchemas maxContains minContains unevaluatedItems unevaluatedProperties contentSchema",
    "2020-12": "prefixItems $dynamicRef $dynamicAnchor",
}
_GONE = {
    "draft-06": "id",
    "2019-09": "dependencies",
    "2020-12": "additionalItems $recursiveRef $recursiveAnchor",
}
_MAPS = ("properties", "patternProperties", "definitions", "$defs", "dependentSchemas")
_ALTERNATIVES = ("anyOf", "oneOf")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_NO_SCHEMAS = ("const", "enum", "default", "examples", "required", "dependentRequired", "$vocabulary")
_ANYTHING: dict[str, Any] = {}
_ABSENT = object()
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,99})?([eE][+-]?[0-9]{1,2})?")
_WORDS = {"true": True, "false": False}
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list, tuple),
    "object": (dict,),
}


class Violation:
    """One violation: where (a JSON pointer), of which keyword of the schema, and a message."""

    __slots__ = ("keyword", "message", "pointer")

    def __init__(self, pointer: str, keyword: str, message: str) -> None:
        self.pointer = pointer[:TEXT_LIMIT]
        self.keyword = keyword
        self.message = message[:TEXT_LIMIT]


class InvalidError(ValueError):
    """A value that its schema does not allow; `violations` lists at most 100 violations."""

    def __init__(self, violations: list[Violation]) -> None:
        self.violations = violations
        super().__init__("; ".join(f"{v.pointer or '/'}: {v.message}" for v in violations))


def compiled(
    option: str, schema: Mapping[str, Any], formats: Mapping[str, Callable[[str], bool]]
) -> Callable[[Any], None]:
    """Return a function that raises InvalidError for values that this schema does not allow.

    Raises:
        ModuleNotFoundError: jsonschema-rs is not installed.
        ValueError: It is not a JSON Schema of a known draft, or has a keyword or format that this draft does
            not define.
    """
    try:
        import jsonschema_rs
    except ModuleNotFoundError:
        raise missing_extra(f"{option} of validator", "jsonschema-rs", "validate") from None
    options: dict[str, Any] = {
        "formats": dict(formats),
        "validate_formats": True,
        "ignore_unknown_formats": False,
        "mask": "The value",
        "pattern_options": jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000),
        "offline": True,
    }
    try:
        checker = jsonschema_rs.validator_for(dict(schema), **options)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        place = "/".join(map(str, getattr(error, "instance_path", ())))
        raise ValueError(f"{option} is not a JSON Schema: {reason} (at /{place}).") from error
    _check_keywords(option, schema)
    explainer = checker
    if _has_alternatives_within_themselves(schema):
        # Errors would be collected for each alternative, and for each alternative nested in it: a small value
        # could take minutes.
        explainer = jsonschema_rs.validator_for(_without_alternatives(schema), **options)

    def check(value: Any) -> None:
        if checker.is_valid(value):
            return
        errors = islice(explainer.iter_errors(value), 1 if _is_large(value) else ERRORS_LIMIT)
        found = sorted(map(_violation, errors), key=lambda one: one.pointer)
        raise InvalidError(found or [Violation("", "anyOf", "The value is none of its alternatives")])

    return check


def _is_large(value: Any) -> bool:
    waiting, seen = [value], 0
    while waiting and seen <= VALUES_LIMIT:
        one = waiting.pop()
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list | tuple) else ()
        seen += len(inner)
        if seen <= VALUES_LIMIT:
            waiting.extend(inner)
    return seen > VALUES_LIMIT


def _violation(error: Any) -> Violation:
    place = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in error.instance_path)
    return Violation(place, str(error.schema_path[-1]) if error.schema_path else "", error.message)


def _check_keywords(option: str, schema: Mapping[str, Any]) -> None:
    """Refuse a keyword that would be ignored because it is misspelt or belongs to another draft."""
    draft = next((name for name in _BY_DRAFT if name in str(schema.get("$schema", ""))), "2020-12")
    known: set[str] = set()
    for name, keywords in _BY_DRAFT.items():
        known = (known | set(keywords.split())) - set(_GONE.get(name, "").split())
        if name == draft:
            break
    for pointer, one in _subschemas("", schema):
        for keyword in one:
            if keyword not in known and not keyword.startswith("x-"):
                raise ValueError(
                    f"{option} has the keyword {keyword!r} at {pointer or '/'}, which JSON Schema {draft} "
                    "does not know."
                )


def _subschemas(pointer: str, schema: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(schema, list):
        for index, one in enumerate(schema):
            yield from _subschemas(f"{pointer}/{index}", one)
    if not isinstance(schema, Mapping):
        return
    yield pointer, schema
    for keyword, value in schema.items():
        if keyword in _MAPS and isinstance(value, Mapping):
            for name, one in value.items():
                yield from _subschemas(f"{pointer}/{keyword}/{name}", one)
        elif keyword not in _NO_SCHEMAS and not keyword.startswith("x-"):
            yield from _subschemas(f"{pointer}/{keyword}", value)


class _References:
    """Resolves references within a schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._named = {
            prefix + str(one[name]): one
            for _, one in _subschemas("", root)
            for prefix, name in (("#", "$anchor"), ("#", "$dynamicAnchor"), ("", "$id"))
            if name in one
        }

    def __getitem__(self, reference: str) -> Any:
        if reference in self._named:
            return self._named[reference]
        found: Any = self._root
        kind, *steps = unquote(reference).split("/")
        if kind != "#":
            return None
        for step in steps:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found.get(key, _ANYTHING)
        return found


def _has_alternatives_within_themselves(schema: Mapping[str, Any]) -> bool:
    references = _References(schema)

    def contains_itself(one: Mapping[str, Any]) -> bool:
        waiting, seen = [one], set[int]()
        while waiting:
            for _, part in _subschemas("", waiting.pop()):
                for reference in (part[name] for name in _REFERENCES if name in part):
                    found = references[reference]
                    if found is one:
                        return True
                    if id(found) not in seen:
                        seen.add(id(found))
                        waiting.append(found)
                    if any(inner is one for _, inner in _subschemas("", found)):
                        return True
        return False

    return any(
        contains_itself(one) for _, one in _subschemas("", schema) if any(k in one for k in _ALTERNATIVES)
    )


def _without_alternatives(schema: Mapping[str, Any]) -> dict[str, Any]:
    copy = deepcopy(dict(schema))
    for _, one in _subschemas("", copy):
        assert isinstance(one, dict)
        for keyword in (*_ALTERNATIVES, "unevaluatedProperties", "unevaluatedItems"):
            one.pop(keyword, None)
    return copy


class Preparation:
    """Prepares a value for its schema: coerces types and fills in defaults, in a copy where it changes.

    It uses `type`, `default`, `properties`, `additionalProperties`, `items`, `prefixItems`, `allOf` and
    `$ref` within the schema, but not alternatives such as `anyOf`, which may not apply.
    """

    def __init__(self, schema: Mapping[str, Any], *, coerce: bool, defaults: bool) -> None:
        self._root = schema
        self._references = _References(schema)
        self._known_parts: dict[int, list[Mapping[str, Any]]] = {id(_ANYTHING): []}
        self._coerce = coerce
        self._defaults = defaults

    def __call__(self, value: Any) -> Any:
        """Return the prepared value.

        Raises:
            InvalidError: The value is nested too deeply.
        """
        try:
            return self._prepared(value, self._root)
        except RecursionError:
            raise InvalidError([Violation("", "", "The value is nested too deeply")]) from None

    def _prepared(self, value: Any, schema: Any) -> Any:
        for part in self._parts(schema):
            if self._coerce and "type" in part:
                value = coerced(value, part["type"])
            if isinstance(value, dict):
                value = self._members(value, part)
            elif isinstance(value, list):
                value = self._items(value, part)
        return value

    def _members(self, value: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", _ANYTHING)
        closed = "patternProperties" in schema
        others = _ANYTHING if closed else schema.get("additionalProperties", _ANYTHING)
        prepared = {key: self._prepared(member, properties.get(key, others)) for key, member in value.items()}
        if self._defaults:
            for key, member in properties.items():
                default = next(
                    (part["default"] for part in self._parts(member) if "default" in part), _ABSENT
                )
                if key not in prepared and default is not _ABSENT:
                    prepared[key] = self._prepared(deepcopy(default), member)
        return prepared

    def _items(self, value: list[Any], schema: Mapping[str, Any]) -> list[Any]:
        items = schema.get("items", _ANYTHING)
        first = items if isinstance(items, list) else schema.get("prefixItems", [])
        rest = _ANYTHING if isinstance(items, list) else items
        return [
            self._prepared(item, first[index] if index < len(first) else rest)
            for index, item in enumerate(value)
        ]

    def _parts(self, schema: Any) -> list[Mapping[str, Any]]:
        """Return a schema and all schemas that apply together with it."""
        if (known := self._known_parts.get(id(schema))) is not None:
            return known
        waiting: list[Any] = [schema]
        found: list[Mapping[str, Any]] = []
        while waiting:
            part = waiting.pop(0)
            if not isinstance(part, Mapping) or any(part is one for one in found):
                continue
            found.append(part)
            waiting += part.get("allOf", [])
            if isinstance(reference := part.get("$ref"), str):
                waiting.append(self._references[reference])
        self._known_parts[id(schema)] = found
        return found


def coerced(value: Any, wanted: str | list[str]) -> Any:
    """Coerce the value to the first possible of these JSON types; leave it if it has one or none fits."""
    types = [wanted] if isinstance(wanted, str) else wanted
    if any(_is(value, name) for name in types):
        return value
    for name in types:
        found = _as(value, name)
        if _is(found, name):
            return found
    return [value] if "array" in types else value


def _is(value: Any, name: str) -> bool:
    kinds = _TYPES.get(name, (object,))
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (name == "integer" and isinstance(value, float) and value.is_integer())


def _as(value: Any, name: str) -> Any:
    if isinstance(value, str):
        if name == "boolean":
            return _WORDS.get(value, value)
        if name in ("integer", "number") and (number := _NUMBER.fullmatch(value)):
            return float(value) if number[2] or number[3] else int(value)
        return None if name == "null" and value == "" else value
    if name == "string" and isinstance(value, bool | int | float):
        return str(value).lower()
    return value
