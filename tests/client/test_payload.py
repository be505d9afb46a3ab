"""Payloads: what is sent as it is, what is encoded, what is refused and where."""

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import numpy
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_client import ConfigurationError
from streamify_client.request.payload import encode_payload


@dataclasses.dataclass
class Point:
    x: int
    label: str


class Color(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    name: str
    when: datetime.datetime
    point: Point


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON.filter(lambda value: value is not None and not isinstance(value, str)))
def test_json_values_come_back_as_they_were(value: Any) -> None:
    encoded = encode_payload(value)
    assert encoded is not None
    assert json.loads(encoded) == value


@given(JSON, st.booleans())
def test_json_text_is_sent_as_it_is(value: Any, as_bytes: bool) -> None:
    text = json.dumps(value, indent=1)
    assert encode_payload(text.encode() if as_bytes else text) == text.encode()


def test_none_sends_nothing() -> None:
    assert encode_payload(None) is None


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_in_any_shape_are_json_text(kind: Any) -> None:
    assert encode_payload(kind(b"[1]")) == b"[1]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1, "a"), {"x": 1, "label": "a"}),
        ({"p": [Point(1, "a")]}, {"p": [{"x": 1, "label": "a"}]}),
        (
            Model(name="n", when=datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), point=Point(1, "a")),
            {"name": "n", "when": "2026-01-02T03:00:00Z", "point": {"x": 1, "label": "a"}},
        ),
        ([datetime.date(2026, 1, 2), datetime.time(3, 4)], ["2026-01-02", "03:04:00"]),
        (
            {"at": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)},
            {"at": "2026-01-02T00:00:00+00:00"},
        ),
        ({"d": decimal.Decimal("0.10")}, {"d": "0.10"}),
        ({"u": uuid.UUID(int=1)}, {"u": "00000000-0000-0000-0000-000000000001"}),
        ({"c": Color.RED}, {"c": "red"}),
        ({"s": {1}}, {"s": [1]}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (OrderedDict(a=1), {"a": 1}),
        ({"n": numpy.int64(3), "a": numpy.arange(2)}, {"n": 3, "a": [0, 1]}),
        (0, 0),
        ("☃", None),
    ],
)
def test_what_becomes_json(value: Any, expected: Any) -> None:
    if expected is None:
        value, expected = [value], [value]
    encoded = encode_payload(value)
    assert encoded is not None
    assert json.loads(encoded) == expected


def test_text_is_sent_in_utf8_and_not_escaped() -> None:
    assert encode_payload(["☃"]) == '["☃"]'.encode()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('{"a": 1,}', "line 1, column [89]"),
        ('{"a": 1,\n x}', "line 2, column 2"),
        ("hello", "json.dumps"),
        ("", "line 1, column 1"),
        (b"\xff{}", "offset 0"),
        (b"[NaN]", "NaN"),
        ("\ud800", "UTF-8"),
        ("[" * 100_000, "nested"),
    ],
)
def test_text_that_is_no_json_is_refused_with_the_place(value: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        encode_payload(value)


@pytest.mark.parametrize("text", ["9" * 5000, "[-" + "9" * 5000 + "]", "1e999999999", "0." + "1" * 5000])
def test_numbers_of_any_length_in_text_are_sent_as_they_are(text: str) -> None:
    assert encode_payload(text) == text.encode()


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"rows": [1, float("nan")]}, r"payload\['rows'\]\[1\] is nan"),
        ([float("inf")], r"payload\[0\] is inf"),
        ({"o": {"p": Opaque()}}, r"payload\['o'\]\['p'\] is of type Opaque"),
        ({"b": b"raw"}, r"payload\['b'\] is bytes.*base64"),
        ({("a", 1): 2}, r"payload is a mapping with the key \('a', 1\)"),
        ({"t": ["\ud800"]}, r"payload\['t'\]\[0\] is text with a lone surrogate at index 0"),
        (Point(float("nan"), ""), r"payload\['x'\] is nan"),  # type: ignore[arg-type]
        (Point, "is of type type"),
        ({"n": [10**5000]}, r"payload\['n'\]\[0\] is an integer of more than 4,300 digits"),
        ({10**5000: 1}, r"a key of payload is an integer of more than 4,300 digits"),
        ({float("nan"): 1}, r"a key of payload is nan"),
    ],
)
def test_what_cannot_become_json_is_refused_with_the_place(value: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        encode_payload(value)


def test_a_payload_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ConfigurationError, match="Circular"):
        encode_payload(loop)
