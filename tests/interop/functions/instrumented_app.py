"""The function of `instrumented.py`."""

from typing import Any

from streamify_server import HttpResponse, streaming_handler


@streaming_handler
def handler(event: Any, context: Any) -> Any:
    body = iter(["one", "two"])
    return HttpResponse(200, body=body) if event else body
