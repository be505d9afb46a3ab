"""A body of which every byte is known, or its beginning and an error."""

from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[bytes]:
    for number in range(event["chunks"]):
        if number == event.get("fail_at"):
            raise LookupError("as asked")
        yield b"%d:%d;" % (event["number"], number) + b"x" * 100
