"""A CSV report behind a Function URL: status and headers are sent first, then one row after the other."""

from collections.abc import Iterator
from typing import Any

from streamify_server import HttpResponse, streaming_handler


def rows(count: int) -> Iterator[str]:
    yield "row,square\r\n"
    for number in range(count):
        yield f"{number},{number * number}\r\n"


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> HttpResponse:
    query = event.get("queryStringParameters") or {}
    if not query.get("rows", "10").isdecimal():
        return HttpResponse(400, {"content-type": "text/plain"}, body="rows= takes a number\n")
    return HttpResponse(200, {"content-type": "text/csv"}, body=rows(int(query.get("rows", "10"))))
