"""Bodies in common formats: server-sent events, JSON Lines, CSV; from sync or async iterables."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

from streamify_server.engine.body import TypedBody
from streamify_server.engine.rows import Rows, WriteRow, WriteText
from streamify_server.shadowing import unshadowed

from .checkpoints import Checkpoint

_SSE_FIELDS = ("comment", "event", "id", "retry", "data")
_KEEPALIVE = b": keepalive\n\n"

Default = Callable[[Any], Any]


def sse(
    events: Iterable[Any] | AsyncIterable[Any],
    *,
    keepalive: float | None = 15.0,
    default: Default | None = None,
) -> TypedBody:
    """Encode server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Args:
        events: Strings, each the data of an event; dicts with any of `data`, `event`, `id`, `retry`
            (milliseconds) and `comment`; or other values, each the data of an event. Data that is not a
            string is encoded as JSON, including dataclasses and pydantic models.
        keepalive: Send a comment after this many seconds without an event, so that no proxy closes the idle
            connection: CloudFront waits 30 s, API Gateway 5 minutes. None sends no comments.
        default: Encodes data that JSON does not support, as in `json.dumps`.

    Raises:
        ValueError: `keepalive` is not positive; or, in mid-stream, an event has an unknown key, a line break
            where none is allowed, or a number that JSON does not support, such as NaN.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.formats import sse
        >>> @streaming_handler
        ... def handler(event, context):
        ...     return sse([{"event": "tick", "data": {"n": 1}}, "bye"])
        >>> print(handler({}, None).decode(), end="")
        event: tick
        data: {"n": 1}
        <BLANKLINE>
        data: bye
        <BLANKLINE>
    """
    if keepalive is not None and not keepalive > 0:
        raise ValueError(f"keepalive takes a number of seconds above 0, or None, not {keepalive!r}.")
    encode = json.JSONEncoder(default=_default(default), ensure_ascii=False, allow_nan=False).encode
    mapped = _MappedAsync if isinstance(events, AsyncIterable) else _Mapped
    body = mapped(lambda event: _sse_event(event, encode), events)
    return TypedBody(body, "text/event-stream", keepalive=keepalive, filler=_KEEPALIVE)


def ndjson(rows: Iterable[Any] | AsyncIterable[Any], *, default: Default | None = None) -> TypedBody:
    """Encode JSON Lines: one JSON text and a line feed for each row.

    Rows that are produced quickly are sent together; a row is delayed for only a moment.

    Args:
        rows: Values that `json.dumps` accepts, dataclasses and pydantic models.
        default: Encodes objects that JSON does not support, as in `json.dumps`; try `default=str`.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.formats import ndjson
        >>> handler = streaming_handler(lambda event, context: ndjson({"n": n} for n in range(2)))
        >>> handler({}, None)
        b'{"n": 0}\\n{"n": 1}\\n'
    """

    encode = json.JSONEncoder(default=_default(default), ensure_ascii=False, allow_nan=False).encode

    def encoder(write: WriteText) -> WriteRow:
        return lambda row: write(encode(row) + "\n")

    return TypedBody(Rows(rows, encoder), "application/x-ndjson")


def csv_rows(
    rows: Iterable[Iterable[Any]] | AsyncIterable[Iterable[Any]],
    *,
    header: Iterable[str] | None = None,
    **format_parameters: Any,
) -> TypedBody:
    """Comma-separated values (RFC 4180), one line for each row.

    Rows that are produced quickly are sent together; a row is delayed for only a moment.

    Args:
        rows: Sequences of values; with `header`, also dicts with those keys.
        header: The names of the columns, sent as the first line.
        **format_parameters: Those of `csv.writer`: delimiter, quoting...

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.formats import csv_rows
        >>> @streaming_handler
        ... def handler(event, context):
        ...     return csv_rows([{"a": 1, "b": "x,y"}], header=["a", "b"])
        >>> handler({}, None)
        b'a,b\\r\\n1,"x,y"\\r\\n'
    """
    with unshadowed():
        import csv

    names = None if header is None else list(header)

    def values(row: Any) -> Any:
        return [row.get(name, "") for name in names or row] if isinstance(row, Mapping) else row

    def encoder(write: WriteText) -> WriteRow:
        write_row = csv.writer(_Writable(write), **format_parameters).writerow
        return lambda row: write_row(row if type(row) is list or type(row) is tuple else values(row))

    return TypedBody(Rows(rows, encoder, names), "text/csv; charset=utf-8")


class _Writable:
    """The file for csv.writer."""

    def __init__(self, write: WriteText) -> None:
        self.write = write


class _Mapped:
    """The results of a function for each item."""

    def __init__(self, function: Callable[[Any], Any], items: Any) -> None:
        self._function = function
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return map(self._function, self._items)

    def close(self) -> Any:
        """Close the items."""
        return close() if callable(close := getattr(self._items, "close", None)) else None


class _MappedAsync:
    def __init__(self, function: Callable[[Any], Any], items: Any) -> None:
        self._function = function
        self._items = items

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for item in self._items:
            yield self._function(item)

    async def aclose(self) -> None:
        """Close the items."""
        if callable(close := getattr(self._items, "aclose", None)):
            await close()


def _default(default: Default | None) -> Default:
    """Encode dataclasses and pydantic models; for the rest, ask the caller's function."""

    def encode(value: Any) -> Any:
        kind = type(value)
        if hasattr(kind, "__dataclass_fields__"):
            return {name: getattr(value, name) for name in kind.__dataclass_fields__}
        if hasattr(kind, "model_dump"):
            return value.model_dump(mode="json")
        if default is not None:
            return default(value)
        raise TypeError(f"Object of type {kind.__name__} is not JSON serializable; give a default=")

    return encode


def _sse_event(event: Any, encode: Callable[[Any], str]) -> str | Checkpoint:
    if type(event) is str and "\n" not in event and "\r" not in event:
        return f"data: {event}\n\n"
    if type(event) is Checkpoint:
        return event
    fields = event if isinstance(event, Mapping) else {"data": event}
    unknown = [key for key in fields if key not in _SSE_FIELDS]
    if unknown or not fields:
        raise ValueError(
            f"An event has some of the keys {', '.join(_SSE_FIELDS)}, not {list(fields)!r}: "
            "your own value goes under 'data'."
        )
    said = [name for name in _SSE_FIELDS if name in fields and (name == "data" or fields[name] is not None)]
    return "".join(_sse_field(name, fields[name], encode) for name in said) + "\n"


def _sse_field(name: str, value: Any, encode: Callable[[Any], str]) -> str:
    text = value if isinstance(value, str) else encode(value)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if name == "data":
        return "".join(f"data: {line}\n" for line in lines)
    if name == "comment":
        return "".join(f": {line}\n" for line in lines)
    if len(lines) > 1 or "\0" in text:
        raise ValueError(f"The {name} of a server-sent event must be one line without NUL, not {text!r}.")
    return f"{name}: {text}\n"
