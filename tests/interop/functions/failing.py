"""Yields `after` chunks, then raises."""

from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[str]:
    for number in range(event["after"]):
        yield f"chunk {number}\n"
    raise ValueError(f"failed after {event['after']} chunks")
