"""Form bodies, application/x-www-form-urlencoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamify_server.errors import HttpError

from ._request_body import BODY_LIMIT, MediaType, body_bytes, content_type_of, text_of, with_body

if TYPE_CHECKING:
    from streamify_server.onion import Request


class http_urlencode_body_parser:
    """Replaces the body of the event with a dict of its fields; a field that is there several times is a
    list.

    A request of another type is answered with 415, a body that is no form with 422, one that is too large
    with 413 (all of them are `HttpError`, for `http_error_handler`).

    Args:
        disable_content_type_check: Parse whatever the Content-Type says.
        disable_content_type_error: Leave a request of another type alone instead of answering 415.
        max_bytes: Largest body in bytes, unpacked.
        max_fields: Most fields in a form.

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
        self._check = not disable_content_type_check
        self._refuse = not disable_content_type_error
        self._max_bytes = max_bytes
        self._max_fields = max_fields

    def before(self, request: Request) -> None:
        """Parse the body."""
        media_type = MediaType(content_type_of(request.event))
        if self._check and media_type.essence != "application/x-www-form-urlencoded":
            if self._refuse:
                raise HttpError(415)
            return
        body = body_bytes(request.event, self._max_bytes) or b""
        request.event = with_body(request.event, fields(text_of(body, "utf-8"), self._max_fields))


def fields(form: str, max_fields: int) -> dict[str, str | list[str]]:
    """The fields of a form, in order.

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
    except ValueError:
        raise HttpError(422, "The form is not percent-encoded UTF-8") from None
    return found
