"""A handler that knows nothing of streaming."""

from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if event.get("fail"):
        raise ValueError("as asked")
    return {"hello": event["name"]}


def context(event: dict[str, Any], context: Any) -> Any:
    return context.client_context.custom
