"""A small HTTP API behind a Function URL: two routes, one of them a stream that is compressed on the fly.

curl --compressed "$URL/measurements/zurich"
curl -X POST -H 'content-type: application/json' -d '{"celsius": 21.5}' "$URL/fahrenheit"
"""

import json
from collections.abc import Iterator
from typing import Any

from streamify_server import HttpError, HttpResponse, streaming_handler
from streamify_server.middlewares import (
    http_content_encoding,
    http_cors,
    http_error_handler,
    http_json_body_parser,
    http_router,
    http_security_headers,
    validator,
)

CITIES = {"zurich": [21.5, 22.0, 19.5], "quito": [14.5, 15.0, 13.0]}
TEMPERATURE = {
    "type": "object",
    "required": ["body"],
    "properties": {
        "body": {
            "type": "object",
            "required": ["celsius"],
            "properties": {"celsius": {"type": "number"}},
        }
    },
}


def measurements(event: dict[str, Any], context: Any) -> HttpResponse:
    """Stream a JSON line for each measurement of a city."""
    city = event["pathParameters"]["city"]
    if city not in CITIES:
        raise HttpError(404, f"There is no city {city}")
    return HttpResponse(200, {"content-type": "application/x-ndjson"}, lines(city))


def lines(city: str) -> Iterator[str]:
    for celsius in CITIES[city]:
        yield json.dumps({"city": city, "celsius": celsius}) + "\n"


@streaming_handler(middlewares=[http_json_body_parser(), validator(event_schema=TEMPERATURE)])
def fahrenheit(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Convert the temperature in the body to Fahrenheit."""
    value = event["body"]["celsius"] * 9 / 5 + 32
    body = json.dumps({"fahrenheit": value})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}


handler = streaming_handler(
    middlewares=[
        http_content_encoding(),
        http_cors(origin="*"),
        http_security_headers(),
        http_error_handler(fallback_message="Something went wrong"),
    ]
)(http_router([("GET", "/measurements/{city}", measurements), ("POST", "/fahrenheit", fahrenheit)]))
