"""Functions for the doctor: one that uses streamify_server, and one in plain Python."""

from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler

RAN: list[Any] = []


@streaming_handler
def handler(event: Any, context: Any) -> Iterator[str]:
    RAN.append(event)
    yield f"ran {len(RAN)} times"
