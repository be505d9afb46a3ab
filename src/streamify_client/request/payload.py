"""What a caller hands in, as the JSON text that is sent."""

import dataclasses
import datetime
import decimal
import enum
import json
import sys
import uuid
from collections.abc import Mapping
from typing import Any, NoReturn

from streamify_client.errors import ConfigurationError

Payload = Any
"""None, JSON text as str or bytes, or anything that becomes JSON."""


def encode_payload(payload: Payload) -> bytes | None:
    """Return the payload as JSON text; None if it is None.

    str, bytes, bytearray and memoryview are JSON text already: they are checked and sent as they are.
    Everything else is encoded: dataclasses, pydantic models, named tuples as lists, dates and times as ISO
    8601, Decimal and UUID as strings, enumerations by value, sets as lists, numpy's scalars and arrays by
    value.

    Raises:
        ConfigurationError: It is not JSON, or cannot be encoded as JSON; the message says what and where.
    """
    if payload is None:
        return None
    if isinstance(payload, str | bytes | bytearray | memoryview):
        return _checked_text(payload)
    try:
        text = json.dumps(
            payload, default=_encode_special, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
        return text.encode("utf-8")
    except RecursionError:
        raise ConfigurationError("The payload is nested too deeply to be encoded as JSON.") from None
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The payload cannot be encoded as JSON: {_explain(payload, error)}."
        ) from error


def _checked_text(payload: str | bytes | bytearray | memoryview) -> bytes:
    try:
        data = payload.encode("utf-8") if isinstance(payload, str) else bytes(payload)
        text = payload if isinstance(payload, str) else data.decode("utf-8")
    except UnicodeError as error:
        raise ConfigurationError(
            f"The payload is not UTF-8: {error.reason} at offset {error.start}."  # type: ignore[attr-defined]
        ) from error
    try:
        _CHECKER.decode(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"The payload is not JSON: {error.msg} at line {error.lineno}, column {error.colno} "
            f"(offset {error.pos}). "
            "str and bytes are sent as they are; json.dumps() makes a JSON string of a text."
        ) from error
    except RecursionError as error:
        raise ConfigurationError("The payload is nested too deeply to be checked.") from error
    except ValueError as error:
        raise ConfigurationError(f"The payload is not JSON: {error}.") from error
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it contains {name}, which JSON does not have")


_CHECKER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=str)  # int() refuses long numbers


def _encode_special(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)  # a Decimal as a JSON number would become a float somewhere on the way
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, type):
        if callable(dump := getattr(value, "model_dump", None)):
            return dump(mode="json")
        if callable(as_list := getattr(value, "tolist", None)):
            return as_list()
    raise TypeError(_describe(value))


def _describe(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{type(value).__name__}, which JSON does not have (base64.b64encode makes text of it)"
    return f"of type {type(value).__qualname__}, which has no JSON form"


def _explain(payload: Any, error: Exception) -> str:
    try:
        found = _find_culprit(payload, "payload")
    except RecursionError:
        found = None
    return f"{found[0]} is {found[1]}" if found else str(error)


def _find_culprit(value: Any, path: str) -> tuple[str, str] | None:
    """Walk the payload as the encoder does, to name the place that it could not encode."""
    if isinstance(value, float) and value - value != 0:
        return path, f"{value!r}, which JSON does not have"
    if isinstance(value, str):
        return _find_surrogate(value, path)
    if isinstance(value, int):
        return _find_long_number(value, path)
    if value is None or isinstance(value, float):
        return None
    if isinstance(value, dict):
        return _find_in_mapping(value, path)
    if isinstance(value, list | tuple):
        return next((found for i, v in enumerate(value) if (found := _find_culprit(v, f"{path}[{i}]"))), None)
    try:
        return _find_culprit(_encode_special(value), path)
    except TypeError as error:
        return path, str(error)


def _find_in_mapping(value: dict[Any, Any], path: str) -> tuple[str, str] | None:
    for key, item in value.items():
        if not (key is None or isinstance(key, str | int | float)):
            return path, f"a mapping with the key {key!r}, and JSON's keys are strings"
        if found := _find_culprit(key, f"a key of {path}"):
            return found
        if found := _find_culprit(item, f"{path}[{key!r}]"):
            return found
    return None


def _find_long_number(value: int, path: str) -> tuple[str, str] | None:
    try:
        str(value)
    except ValueError:
        limit = sys.get_int_max_str_digits()
        return (
            path,
            f"an integer of more than {limit:,} digits, which Python does not write: send text instead",
        )
    return None


def _find_surrogate(value: str, path: str) -> tuple[str, str] | None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        return path, f"text with a lone surrogate at index {error.start}, which is not Unicode"
    return None
