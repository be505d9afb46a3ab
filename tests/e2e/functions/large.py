"""As many bytes as asked for, in chunks of 64 KiB."""

from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[bytes]:
    for number in range(event["chunks"]):
        yield number.to_bytes(4, "big") * (16 * 1024)
