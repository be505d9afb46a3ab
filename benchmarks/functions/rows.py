"""Rows of about 40 bytes, only their encoders, and chunks with a given number of bytes."""

import csv as csv_module
import json as json_module
from collections.abc import Iterator
from typing import Any

from streamify_server import csv_rows, ndjson, streaming_handler

SEQUENCE = ["abcdefgh", "12345678", "ijklmnop", 1234567, "xy"]
MAPPING = {"name": "abcdefghij", "number": 1234567}


def many(row: Any, count: int) -> Iterator[Any]:
    for _ in range(count):
        yield row


@streaming_handler
def csv(event: dict[str, int], context: Any) -> Any:
    return csv_rows(many(SEQUENCE, event["rows"]))


@streaming_handler
def json(event: dict[str, int], context: Any) -> Any:
    return ndjson(many(MAPPING, event["rows"]))


class Nowhere:
    """A file for csv.writer that discards everything."""

    write = staticmethod(len)


def encode_csv(event: dict[str, int], context: Any) -> None:
    write_row = csv_module.writer(Nowhere).writerow
    for row in many(SEQUENCE, event["rows"]):
        write_row(row)


def encode_json(event: dict[str, int], context: Any) -> None:
    encode = json_module.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    for row in many(MAPPING, event["rows"]):
        len(encode(row) + "\n")


@streaming_handler
def chunks(event: dict[str, int], context: Any) -> Iterator[bytes]:
    chunk = bytes(64 * 1024)
    for left in range(event["bytes"], 0, -len(chunk)):
        yield chunk[:left]
