"""Three measurements, row by row, in the format that the event asks for."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from streamify_server import streaming_handler

ROWS = [
    {"city": "Zürich", "celsius": 21.5},
    {"city": "東京", "celsius": 27.0},
    {"city": "Quito", "celsius": 14.5},
]


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[str] | Iterator[bytes]:
    """Return CSV, JSON Lines, one JSON document, server-sent events or an Arrow stream."""
    return FORMATS[event["format"]]()


def as_csv() -> Iterator[str]:
    yield "city,celsius\n"
    for row in ROWS:
        yield f"{row['city']},{row['celsius']}\n"


def as_json_lines() -> Iterator[str]:
    for row in ROWS:
        yield json.dumps(row) + "\n"


def as_json() -> Iterator[str]:
    yield '{"unit": "celsius", "rows": ['
    for number, row in enumerate(ROWS):
        yield (", " if number else "") + json.dumps(row)
    yield "]}"


def as_events() -> Iterator[str]:
    for number, row in enumerate(ROWS, 1):
        yield f"id: {number}\nevent: measured\ndata: {json.dumps(row)}\n\n"


def as_arrow() -> Iterator[bytes]:
    import pyarrow

    sink = BytesIO()
    schema = pyarrow.schema({"city": pyarrow.string(), "celsius": pyarrow.float64()})
    with pyarrow.ipc.new_stream(sink, schema) as writer:
        for row in ROWS:
            writer.write_batch(pyarrow.RecordBatch.from_pylist([row], schema))
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


FORMATS: dict[str, Callable[[], Iterator[str] | Iterator[bytes]]] = {
    "csv": as_csv,
    "jsonl": as_json_lines,
    "json": as_json,
    "sse": as_events,
    "arrow": as_arrow,
}
