"""Answers with only the fields that a caller asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streamify_server._events import query_of
from streamify_server.errors import HttpError
from streamify_server.response import HttpResponse

from . import _field_mask

if TYPE_CHECKING:
    from streamify_server.onion import Request


class http_partial_response:
    """Cuts a JSON body down to the fields that the query names, as in `?fields=name,items(id,author/name)`.

    It looks at successful HTTP responses whose body is whole: JSON text or bytes, a dict, or a list of dicts.
    Streams, other bodies and bare responses are left alone. A mask that is none is answered with 400.

    Args:
        filtering_key_name: The query parameter.

    Example:
        >>> from streamify_server import HttpResponse, streaming_handler
        >>> from streamify_server.middlewares import http_partial_response
        >>> from streamify_server.testing import invoke
        >>> @streaming_handler(middlewares=[http_partial_response()])
        ... def handler(event, context):
        ...     return HttpResponse(200, body='{"name": "Ada", "works": [{"id": 1, "note": "G"}]}')
        >>> invoke(handler, {"queryStringParameters": {"fields": "works/id"}}).chunks
        [b'{"works": [{"id": 1}]}']
    """

    def __init__(self, *, filtering_key_name: str = "fields") -> None:
        self._key = filtering_key_name

    def after(self, request: Request) -> None:
        """Cut the body down."""
        response = request.response
        if not isinstance(response, HttpResponse) or not 200 <= response.status < 300:
            return
        fields = query_of(request.event, self._key)
        value = _json_of(response.body) if fields else None
        if not fields or value is None:
            return
        try:
            mask = _field_mask.parse(fields)
        except ValueError as error:
            raise HttpError(400, f"The query parameter {self._key} is wrong: {error}") from None
        picked = _field_mask.apply(mask, value)
        if isinstance(response.body, str | bytes):
            text = json.dumps(picked, ensure_ascii=False)
            picked = text if isinstance(response.body, str) else text.encode()
        response.body = picked
        response.headers.pop("Content-Length", None)
        response.headers.pop("ETag", None)


def _json_of(body: Any) -> Any:
    """The dict or list that this body is; None if it is something else."""
    if isinstance(body, str | bytes) and body[:1] in ("{", "[", b"{", b"["):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return None
    elif isinstance(body, list) and not all(isinstance(item, dict) for item in body):
        return None  # a list of chunks
    return body if isinstance(body, dict | list) else None
