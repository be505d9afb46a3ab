"""Streams text, piece by piece, to callers of InvokeWithResponseStream."""

from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[str]:
    for word in str(event.get("prompt", "hello, world")).split():
        yield f"{word} "
