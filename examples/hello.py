"""The function in the README."""

from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Greet, one word at a time."""
    yield f"Hello {event['name']}, "
    for word in ["one", "word", "at", "a", "time"]:
        yield word + " "
