"""Serialize values as bodies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from streamify_server.errors import HttpError
from streamify_server.events import header_of, is_http
from streamify_server.response import HttpResponse, from_dict

from . import _negotiate
from ._options import check, check_options, is_stream, known

if TYPE_CHECKING:
    from streamify_server.middleware import Request

Serialize = Callable[[HttpResponse], Any]
Serializer = Mapping[str, Any] | tuple["str | re.Pattern[str]", Serialize]

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*/[A-Za-z0-9][A-Za-z0-9.+-]*")
_LONGEST = 128  # characters


class http_response_serializer:
    """Serializes the body of an HTTP response, a value, in a format that the caller accepts.

    Streams, bytes, empty bodies and responses with a Content-Type are left unchanged. If an HTTP handler
    returns a bare dict, this is the body of a response with status 200.

    Args:
        serializers: In order of preference: `{"regex": ..., "serializer": ...}` or `(regex, serializer)`. The
            regex is searched in the media types that the caller accepts, best first; the serializer is
            called with the `HttpResponse` and returns the body, another `HttpResponse`, or a dict with a
            `body` or a `statusCode`.
        default_content_type: Tried after the media types that the caller accepts.

    Raises:
        TypeError: A serializer is not of this form.

    Example:
        >>> import json
        >>> from streamify_server import HttpResponse, streaming_handler
        >>> from streamify_server.middlewares import http_response_serializer
        >>> from streamify_server.testing import invoke
        >>> as_json = ("^application/json$", lambda response: json.dumps(response.body))
        >>> values = http_response_serializer(serializers=[as_json], default_content_type="application/json")
        >>> @streaming_handler(middlewares=[values])
        ... def handler(event, context):
        ...     return HttpResponse(200, body={"rows": 3})
        >>> answer = invoke(handler, {})
        >>> answer.headers["content-type"], answer.chunks
        ('application/json', [b'{"rows": 3}'])
    """

    def __init__(
        self, *, serializers: Sequence[Serializer] = (), default_content_type: str | None = None
    ) -> None:
        check_options(locals())
        self._serializers = [_pair(serializer) for serializer in serializers]
        self._default = default_content_type

    def after(self, request: Request) -> None:
        """Serialize the body.

        Raises:
            HttpError: 406 if the value cannot be sent unchanged and no serializer is acceptable.
        """
        if not self._serialize(request) and not isinstance(request.response.body, str):
            raise HttpError(406, "No acceptable media type")

    def on_error(self, request: Request) -> None:
        """Serialize the body of a response to an error."""
        self._serialize(request)

    def _serialize(self, request: Request) -> bool:
        """Serialize the body; return whether this was successful or unnecessary."""
        response = request.response
        if isinstance(response, Mapping) and is_http(request.event):
            response = request.response = HttpResponse(200, body=response)
        if not isinstance(response, HttpResponse) or not _is_value(response):
            return True
        for media_type in self._wanted(request):
            for pattern, serialize in self._serializers:
                if len(media_type) <= _LONGEST and pattern.search(media_type):
                    request.response = _serialized(response, media_type, serialize)
                    return True
        return False

    def _wanted(self, request: Request) -> list[str]:
        preferred = request.internal.get("preferred_media_types")
        if preferred is None:
            preferred = _negotiate.media_types(header_of(request.event, "accept"), None)
        return [*preferred, *([self._default] if self._default else [])]


def _is_value(response: HttpResponse) -> bool:
    body = response.body
    whole = body is None or isinstance(body, bytes | bytearray | memoryview)
    return not whole and not is_stream(body) and "content-type" not in response.headers


def _serialized(response: HttpResponse, media_type: str, serialize: Serialize) -> HttpResponse:
    if _MEDIA_TYPE.fullmatch(media_type):
        response.headers["Content-Type"] = media_type
    result = serialize(response)
    if isinstance(result, Mapping) and ("statusCode" in result or "body" in result):
        headers = {**response.headers, **(result.get("headers") or {})}
        result = from_dict({"statusCode": response.status, **result, "headers": headers})
    if isinstance(result, HttpResponse):
        return result
    response.body = result
    return response


def _pair(serializer: Serializer) -> tuple[re.Pattern[str], Serialize]:
    if isinstance(serializer, Mapping):
        known("A serializer", serializer, ("regex", "serializer"))
        pattern, serialize = serializer.get("regex"), cast(Serialize, serializer.get("serializer"))
    else:
        pattern, serialize = serializer
    check("A serializer", serialize, "Callable")
    if not isinstance(pattern, str | re.Pattern):
        raise TypeError(f"A serializer is a regex and a function of the response, not {serializer!r}.")
    return re.compile(pattern), serialize
