"""A CSV report with an HTTP prelude: all airports in the package airportsdata, 3 MB."""

from importlib.resources import files
from typing import Any

from streamify_server import HttpResponse, streaming_handler


@streaming_handler
def handler(event: Any, context: Any) -> HttpResponse:
    """Return the open file; the runtime streams it in pieces and closes it."""
    body = files("airportsdata").joinpath("airports.csv").open("rb")
    return HttpResponse(200, {"content-type": "text/csv; charset=utf-8"}, body=body)
