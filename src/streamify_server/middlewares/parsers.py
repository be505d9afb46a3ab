"""Parse request bodies of JSON and forms, and decode path parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError

from ._options import check_options
from ._request_body import BODY_LIMIT, body_bytes, is_to_be_parsed, text_of, with_body

if TYPE_CHECKING:
    from streamify_server.middleware import Request

_JSON = re.compile(r"application/([a-z0-9.+-]+\+)?json")
_FORM = re.compile(r"application/x-www-form-urlencoded")
_LONGEST_PARAMETER = 16 * 1024  # characters; no event source accepts a longer path
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class http_json_body_parser:
    """Replaces the body of the event with its JSON value.

    The middleware raises an `HttpError` (for `http_error_handler`): 415 for another media type, 422 for a
    body that is not JSON, 413 for one that is too large, 400 for invalid base64 or gzip. NaN, Infinity and
    text that is not Unicode are not JSON. Requests without body and Content-Type, or with a method that has
    no body, are left unchanged.

    Args:
        reviver: Called with the key and value of every member, innermost first (the key is an int in arrays,
            and "" for the whole value); its return value replaces the member.
        disable_content_type_check: Parse regardless of the Content-Type.
        disable_content_type_error: Leave requests of another media type unchanged instead of raising 415.
        max_bytes: The largest body in bytes, decompressed.
        max_depth: The deepest nesting of arrays and objects.

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
        check_options(locals())
        self._reviver = reviver
        self._check = not disable_content_type_check
        self._refuse = not disable_content_type_error
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    def before(self, request: Request) -> None:
        """Parse the body."""
        if not is_to_be_parsed(request.event, _JSON, check=self._check, refuse=self._refuse):
            return
        body = body_bytes(request.event, self._max_bytes)
        if body is None:
            raise HttpError(422, "The request has no body")
        value = parsed(text_of(body, "utf-8"), self._max_depth)
        if self._reviver is not None:
            try:
                value = _revived(self._reviver, "", value)
            except RecursionError as error:
                raise HttpError(422, "The body is nested too deeply") from error
        request.event = with_body(request.event, value)


class http_urlencode_body_parser:
    """Replaces the body of the event with a dict of its form fields.

    A repeated field becomes a list.

    The middleware raises an `HttpError` (for `http_error_handler`): 415 for another media type, 422 for a
    malformed form, 413 for one that is too large. Requests without body and Content-Type, or with a method
    that has no body, are left unchanged.

    Args:
        disable_content_type_check: Parse regardless of the Content-Type.
        disable_content_type_error: Leave requests of another media type unchanged instead of raising 415.
        max_bytes: The largest body in bytes, decompressed.
        max_fields: The largest number of fields.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_urlencode_body_parser
        >>> @streaming_handler(middlewares=[http_urlencode_body_parser()])
        ... def handler(event, context):
        ...     yield f"{event['body']}"
        >>> form = {"content-type": "application/x-www-form-urlencoded"}
        >>> handler({"headers": form, "body": "tag=a&tag=b&name=Ada+L"}, None)
        b"{'tag': ['a', 'b'], 'name': 'Ada L'}"
    """

    def __init__(
        self,
        *,
        disable_content_type_check: bool = False,
        disable_content_type_error: bool = False,
        max_bytes: int = BODY_LIMIT,
        max_fields: int = 1000,
    ) -> None:
        check_options(locals())
        self._check = not disable_content_type_check
        self._refuse = not disable_content_type_error
        self._max_bytes = max_bytes
        self._max_fields = max_fields

    def before(self, request: Request) -> None:
        """Parse the body."""
        if is_to_be_parsed(request.event, _FORM, check=self._check, refuse=self._refuse):
            body = body_bytes(request.event, self._max_bytes) or b""
            request.event = with_body(request.event, fields(text_of(body, "utf-8"), self._max_fields))


class http_urlencode_path_parser:
    """Decodes the percent-encoded `pathParameters` of the event.

    For anything but percent-encoded UTF-8 it raises a 400 (an `HttpError`, for `http_error_handler`). HTTP
    APIs decode path parameters themselves; use it for REST APIs and inside `http_router`.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_router, http_urlencode_path_parser
        >>> @streaming_handler(middlewares=[http_urlencode_path_parser()])
        ... def city(event, context):
        ...     yield event["pathParameters"]["name"]
        >>> handler = streaming_handler(http_router([("GET", "/cities/{name}", city)]))
        >>> handler({"httpMethod": "GET", "path": "/cities/Z%C3%BCrich"}, None).decode()
        'Zürich'
    """

    def before(self, request: Request) -> None:
        """Decode the parameters."""
        given = request.event.get("pathParameters") if isinstance(request.event, Mapping) else None
        if isinstance(given, Mapping):
            decoded = {name: _unquoted(name, value) for name, value in given.items()}
            request.event = {**request.event, "pathParameters": decoded}


def parsed(text: str, max_depth: int) -> Any:
    """Return the value of this JSON text.

    Raises:
        HttpError: 422 if it is not JSON, or nested too deeply.
    """
    import json

    try:
        value = json.loads(text, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates: no answer carries them
    except (ValueError, RecursionError) as error:
        raise HttpError(422, "The body is not valid JSON") from error
    level = [value]
    for _ in range(max_depth + 1):
        level = [inner for outer in level for inner in _members(outer) if isinstance(inner, dict | list)]
        if not level:
            return value
    raise HttpError(422, f"The body is nested more than {max_depth} levels deep")


def fields(form: str, max_fields: int) -> dict[str, str | list[str]]:
    """Return the fields of a form, in order.

    Raises:
        HttpError: 413 if there are more than `max_fields`, 422 if one is not percent-encoded UTF-8.
    """
    from urllib.parse import parse_qsl

    if form.count("&") >= max_fields:
        raise HttpError(413, f"The form has more than {max_fields} fields")
    found: dict[str, str | list[str]] = {}
    try:
        for name, value in parse_qsl(form, keep_blank_values=True, errors="strict"):
            there = found.get(name)
            if there is None:
                found[name] = value
            elif isinstance(there, list):
                there.append(value)
            else:
                found[name] = [there, value]
    except ValueError as error:
        raise HttpError(422, "The form is not percent-encoded UTF-8") from error
    return found


def _unquoted(name: str, value: Any) -> Any:
    from urllib.parse import unquote

    if not isinstance(value, str):
        return value
    if len(value) > _LONGEST_PARAMETER or _BROKEN_PERCENT.search(value):
        raise HttpError(400, f"The path parameter {name} is too long, or not percent-encoded")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise HttpError(400, f"The path parameter {name} is not UTF-8") from error


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
