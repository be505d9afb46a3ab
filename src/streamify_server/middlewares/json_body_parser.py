"""JSON request bodies."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError

from ._request_body import BODY_LIMIT, MediaType, body_bytes, content_type_of, text_of, with_body

if TYPE_CHECKING:
    from streamify_server.onion import Request

_JSON = re.compile(r"application/([a-z0-9.+-]+\+)?json")
_MALFORMED = "The body is not valid JSON"


class http_json_body_parser:
    """Replaces the body of the event with the JSON value that it holds.

    A request of another type is answered with 415, a body that is no JSON with 422, one that is too large
    with 413, and broken base64 or gzip with 400 (all of them are `HttpError`, for `http_error_handler`). NaN,
    Infinity and text that is no Unicode are no JSON.

    Args:
        reviver: Called with the key and value of every member, innermost first (an int in arrays, "" for the
            whole); what it returns takes the member's place.
        disable_content_type_check: Parse whatever the Content-Type says.
        disable_content_type_error: Leave a request of another type alone instead of answering 415.
        max_bytes: Largest body in bytes, unpacked.
        max_depth: Deepest nesting of arrays and objects.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_json_body_parser
        >>> @streaming_handler(middlewares=[http_json_body_parser()])
        ... def handler(event, context):
        ...     yield f"hello {event['body']['name']}"
        >>> handler({"headers": {"content-type": "application/json"}, "body": '{"name": "Ada"}'}, None)
        b'hello Ada'
    """

    def __init__(
        self,
        *,
        reviver: Callable[[str | int, Any], Any] | None = None,
        disable_content_type_check: bool = False,
        disable_content_type_error: bool = False,
        max_bytes: int = BODY_LIMIT,
        max_depth: int = 100,
    ) -> None:
        self._reviver = reviver
        self._check = not disable_content_type_check
        self._refuse = not disable_content_type_error
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    def before(self, request: Request) -> None:
        """Parse the body."""
        if self._check and not _JSON.fullmatch(MediaType(content_type_of(request.event)).essence):
            if self._refuse:
                raise HttpError(415)
            return
        body = body_bytes(request.event, self._max_bytes)
        if body is None:
            raise HttpError(422, "The request has no body")
        value = parsed(text_of(body, "utf-8"), self._max_depth)
        if self._reviver is not None:
            value = _revived(self._reviver, "", value)
        request.event = with_body(request.event, value)


def parsed(text: str, max_depth: int) -> Any:
    """The JSON value of this text.

    Raises:
        HttpError: 422 if it is no JSON, or nested too deeply.
    """
    import json

    try:
        value = json.loads(text, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(
                value, ensure_ascii=False
            ).encode()  # refuses lone surrogates, which no answer could carry
    except (ValueError, RecursionError):
        raise HttpError(422, _MALFORMED) from None
    level = [value]
    for _ in range(max_depth + 1):
        level = [inner for outer in level for inner in _members(outer) if isinstance(inner, dict | list)]
        if not level:
            return value
    raise HttpError(422, f"The body is nested more than {max_depth} levels deep")


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _members(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _revived(reviver: Callable[[str | int, Any], Any], key: str | int, value: Any) -> Any:
    if isinstance(value, dict):
        value = {name: _revived(reviver, name, member) for name, member in value.items()}
    elif isinstance(value, list):
        value = [_revived(reviver, index, item) for index, item in enumerate(value)]
    return reviver(key, value)
