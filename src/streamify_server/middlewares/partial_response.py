"""Responses with only the fields that a caller asks for.

The syntax is that of Google's partial responses
(https://developers.google.com/gmail/api/guides/performance#partial): commas between fields, `a/b` or `a(b)`
for nested fields, `*` for every field; in arrays the mask applies to each item.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError
from streamify_server.events import query_of
from streamify_server.response import HttpResponse

from ._options import check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request

FIELDS_LIMIT = 2048  # characters
DEPTH_LIMIT = 100

# The names of fields and the masks to apply to their values; None keeps the whole value.
Mask = dict[str, "Mask | None"]

_TOKEN = re.compile(r"[,/()]|[^,/()\s]+|\s+")


class http_partial_response:
    """Reduces a JSON body to the fields in the query, as in `?fields=name,items(id,author/name)`.

    It applies to successful HTTP responses with a complete body: JSON text or bytes, a dict, or a list of
    dicts. Streams, other bodies and bare responses are left unchanged. A malformed mask gets a 400.

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
        check_options(locals())
        self._key = filtering_key_name

    def after(self, request: Request) -> None:
        """Reduce the body."""
        response = request.response
        if not isinstance(response, HttpResponse) or not 200 <= response.status < 300:
            return
        fields = query_of(request.event, self._key)
        value = _json_of(response.body) if fields else None
        if not fields or value is None:
            return
        try:
            mask = parse(fields)
        except ValueError as error:
            raise HttpError(400, f"The query parameter {self._key} is wrong: {error}") from None
        try:
            picked = apply(mask, value)
            if isinstance(response.body, str | bytes):
                text = _text_of(picked)
                picked = text if isinstance(response.body, str) else text.encode()
        except RecursionError:
            return  # deeply nested lists
        response.body = picked
        response.headers.pop("Content-Length", None)
        response.headers.pop("ETag", None)


def _json_of(body: Any) -> Any:
    """Return the dict or list in this body; None if it has none."""
    if isinstance(body, str | bytes) and body[:1] in ("{", "[", b"{", b"["):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return None
    elif isinstance(body, list) and not all(isinstance(item, dict) for item in body):
        return None  # a list of chunks
    return body if isinstance(body, dict | list) else None


def _text_of(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which was escaped in the input
        return json.dumps(value)
    return text


def parse(fields: str) -> Mask:
    """Parse a mask.

    Raises:
        ValueError: It is too long, nested too deeply, or malformed.
    """
    if len(fields) > FIELDS_LIMIT:
        raise ValueError(f"a field mask has at most {FIELDS_LIMIT} characters")
    tokens = [token for token in _TOKEN.findall(fields) if not token.isspace()]
    mask, end = _members(tokens, 0, 0)
    if end != len(tokens):
        raise ValueError(f"a field mask has no {tokens[end]!r} here")
    return mask


def apply(mask: Mask, value: Any) -> Any:
    """Return the part of a JSON value that the mask selects."""
    if isinstance(value, list):
        return [apply(mask, item) for item in value if isinstance(item, dict | list)]
    if not isinstance(value, dict):
        return value
    every = mask.get("*", _ABSENT)
    picked = {}
    for key, member in value.items():
        inner = mask.get(key, every)
        if every is not _ABSENT and inner is not every:
            inner = _joined(inner, every)
        if inner is None:
            picked[key] = member
        elif inner is not _ABSENT and isinstance(member, dict | list):
            picked[key] = apply(inner, member)
    return picked


_ABSENT: Any = object()


def _members(tokens: list[str], at: int, depth: int) -> tuple[Mask, int]:
    mask: Mask = {}
    while True:
        name, inner, at = _member(tokens, at, depth)
        mask[name] = _joined(mask[name], inner) if name in mask else inner
        if at == len(tokens) or tokens[at] != ",":
            return mask, at
        at += 1


def _member(tokens: list[str], at: int, depth: int) -> tuple[str, Mask | None, int]:
    if depth > DEPTH_LIMIT:
        raise ValueError(f"a field mask is at most {DEPTH_LIMIT} levels deep")
    if at == len(tokens) or tokens[at] in ",/()":
        raise ValueError(
            "a field mask needs a name " + (f"before {tokens[at]!r}" if at < len(tokens) else "at its end")
        )
    name = tokens[at]
    following = tokens[at + 1] if at + 1 < len(tokens) else ""
    if following == "/":
        inner_name, inner, at = _member(tokens, at + 2, depth + 1)
        return name, {inner_name: inner}, at
    if following == "(":
        mask, at = _members(tokens, at + 2, depth + 1)
        if at == len(tokens) or tokens[at] != ")":
            raise ValueError("a field mask has a ( without its )")
        return name, mask, at + 1
    return name, None, at + 1


def _joined(one: Mask | None, other: Mask | None) -> Mask | None:
    if one is None or other is None:
        return None
    joined = dict(one)
    for name, inner in other.items():
        joined[name] = _joined(joined[name], inner) if name in joined else inner
    return joined
