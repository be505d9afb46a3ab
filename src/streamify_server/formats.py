"""Bodies in common formats: server-sent events, JSON Lines, CSV; from sync and async iterables alike."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

from ._body import TypedBody

_SSE_FIELDS = ("comment", "event", "id", "retry", "data")


def sse(events: Iterable[Any] | AsyncIterable[Any], *, keepalive: float | None = 15.0) -> TypedBody:
    """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Args:
        events: Strings, each the data of an event; or dicts with some of `data`, `event`, `id`, `retry`
            (milliseconds) and `comment`. Data that is not a string is encoded as JSON.
        keepalive: After this many seconds without an event a comment is sent, so that nothing on the way
        takes the
            connection for dead: CloudFront waits 30 s, an API Gateway 5 minutes. None sends none.

    Raises:
        ValueError: `keepalive` is not positive; in mid-stream: an event has an unknown key, or a line break
        where
            none can be.

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
    encoded = _mapped(_sse_event, events)
    if keepalive is not None:
        from ._keepalive import with_pauses, with_pauses_async

        comment = ": keepalive\n\n"
        if isinstance(encoded, AsyncIterator):
            return TypedBody(with_pauses_async(encoded, keepalive, comment), "text/event-stream")
        return TypedBody(with_pauses(encoded, keepalive, comment), "text/event-stream")
    return TypedBody(encoded, "text/event-stream")


def ndjson(
    rows: Iterable[Any] | AsyncIterable[Any], *, default: Callable[[Any], Any] | None = None
) -> TypedBody:
    """JSON Lines: one JSON text and a line feed for each row.

    Args:
        rows: What `json.dumps` takes.
        default: For objects that JSON does not know, as in `json.dumps`; `default=str` is a good start.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.formats import ndjson
        >>> handler = streaming_handler(lambda event, context: ndjson({"n": n} for n in range(2)))
        >>> handler({}, None)
        b'{"n": 0}\\n{"n": 1}\\n'
    """

    def line(row: Any) -> str:
        return json.dumps(row, default=default, ensure_ascii=False, allow_nan=False) + "\n"

    return TypedBody(_mapped(line, rows), "application/x-ndjson")


def csv_rows(
    rows: Iterable[Iterable[Any]] | AsyncIterable[Iterable[Any]],
    *,
    header: Iterable[str] | None = None,
    **format_parameters: Any,
) -> TypedBody:
    """Comma-separated values (RFC 4180), a line for each row.

    Args:
        rows: Sequences of values; with `header`, dicts with those keys as well.
        header: Names of the columns, sent as first line.
        **format_parameters: What `csv.writer` takes: delimiter, quoting...

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.formats import csv_rows
        >>> @streaming_handler
        ... def handler(event, context):
        ...     return csv_rows([{"a": 1, "b": "x,y"}], header=["a", "b"])
        >>> handler({}, None)
        b'a,b\\r\\n1,"x,y"\\r\\n'
    """
    import csv
    import io

    names = None if header is None else list(header)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, **format_parameters)

    def line(row: Any) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow([row.get(name, "") for name in names or row] if isinstance(row, Mapping) else row)
        return buffer.getvalue()

    content_type = "text/csv; charset=utf-8"
    first = [] if names is None else [line(names)]
    return TypedBody(_mapped(line, rows, first), content_type)


def _mapped(
    encode: Callable[[Any], str], items: Iterable[Any] | AsyncIterable[Any], first: Iterable[str] = ()
) -> Iterator[str] | AsyncIterator[str]:
    return (
        _each_async(encode, items, first) if isinstance(items, AsyncIterable) else _each(encode, items, first)
    )


def _each(encode: Callable[[Any], str], items: Iterable[Any], first: Iterable[str]) -> Iterator[str]:
    try:
        yield from first
        for item in items:
            yield encode(item)
    finally:
        if callable(close := getattr(items, "close", None)):
            close()


async def _each_async(
    encode: Callable[[Any], str], items: AsyncIterable[Any], first: Iterable[str]
) -> AsyncIterator[str]:
    try:
        for line in first:
            yield line
        async for item in items:
            yield encode(item)
    finally:
        if callable(close := getattr(items, "aclose", None)):
            await close()


def _sse_event(event: Any) -> str:
    fields = event if isinstance(event, Mapping) else {"data": event}
    unknown = [key for key in fields if key not in _SSE_FIELDS]
    if unknown or not fields:
        raise ValueError(f"An event has some of the keys {', '.join(_SSE_FIELDS)}, not {list(fields)!r}.")
    return (
        "".join(_sse_field(name, fields[name]) for name in _SSE_FIELDS if fields.get(name) is not None) + "\n"
    )


def _sse_field(name: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if name == "data":
        return "".join(f"data: {line}\n" for line in lines)
    if name == "comment":
        return "".join(f": {line}\n" for line in lines)
    if len(lines) > 1 or "\0" in text:
        raise ValueError(f"The {name} of a server-sent event must be one line without NUL, not {text!r}.")
    return f"{name}: {text}\n"
