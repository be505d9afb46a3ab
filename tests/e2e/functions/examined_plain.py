"""A function that does not stream."""

from typing import Any


def handler(event: Any, context: Any) -> Any:
    return {"ran": event}
