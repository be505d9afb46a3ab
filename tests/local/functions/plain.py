"""A handler that knows nothing of streaming."""

import os
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if event.get("fail"):
        raise ValueError("as asked")
    return {"hello": event["name"]}


def context(event: dict[str, Any], context: Any) -> Any:
    return context.client_context.custom


def variables(event: dict[str, Any], context: Any) -> dict[str, str]:
    return dict(os.environ)
