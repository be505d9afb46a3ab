"""Streaming handlers that go wrong."""

from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler


@streaming_handler
def late(event: dict[str, Any], context: Any) -> Iterator[str]:
    yield "one row\n"
    raise KeyError("no such row")
