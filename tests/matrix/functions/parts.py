"""A stream of three parts: the function hands over at every checkpoint, however much time it has left."""

from collections.abc import Iterator
from typing import Any

from streamify_server import HttpResponse, checkpoint, last_checkpoint, streaming_handler

NUMBERS = range(6)


@streaming_handler(hand_over_margin=900.0)
def handler(event: dict[str, Any], context: Any) -> Any:
    """Two numbers in each part; as HTTP where it is called so."""
    body = numbers(last_checkpoint(context) or 0)
    return HttpResponse(200, {"content-type": "text/plain"}, body) if "requestContext" in event else body


def numbers(start: int) -> Iterator[Any]:
    """A line for each number, and a checkpoint behind the second and the fourth."""
    for number in NUMBERS[start:]:
        yield f"{number}\n"
        if number in (1, 3):
            yield checkpoint(number + 1)
