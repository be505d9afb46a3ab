"""Read the body of a request as bytes, within limits, and its Content-Type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from streamify_server.errors import HttpError
from streamify_server.events import header_of, method_of
from streamify_server.shadowing import unshadowed

BODY_LIMIT = 6 * 1024 * 1024  # bytes; Lambda accepts no larger event


_PARAMETER = re.compile(r""";[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;"]*)""")

# Some of Python's decoders take quadratic time (punycode, idna), so a caller may not choose among all of
# them.
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252", "utf-16"})


_LONGEST_HEADER = 4096  # characters; a longer one has no parameters
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


class MediaType:
    """A Content-Type or Content-Disposition: `essence` in lower case, and its parameters."""

    __slots__ = ("essence", "parameters")

    def __init__(self, value: str) -> None:
        self.essence = value.partition(";")[0].strip().lower()
        found = _PARAMETER.findall(value) if len(value) <= _LONGEST_HEADER else []
        self.parameters = {name.lower(): _unquoted(text) for name, text in found}


def content_type_of(event: Any) -> str:
    """Return the request's Content-Type, empty if it has none."""
    return header_of(event, "content-type") or ""


def is_to_be_parsed(event: Any, essence: re.Pattern[str], *, check: bool, refuse: bool) -> bool:
    """Return whether the body has this media type and so must be parsed.

    Raises:
        HttpError: 415 if the body has another type and this must be refused.
    """
    content_type = content_type_of(event)
    has_body = isinstance(event, Mapping) and event.get("body") is not None
    if not has_body and (not content_type or method_of(event) in _WITHOUT_BODY):
        return False
    if not check or essence.fullmatch(MediaType(content_type).essence):
        return True
    if refuse:
        raise HttpError(415) from ValueError(f"Content-Type: {content_type[:100]}")
    return False


def body_bytes(event: Any, max_bytes: int) -> bytes | None:
    """Return the request's body, decoded from base64 and gzip; None if the request has none.

    Raises:
        HttpError: 413 if it has, or decompresses to, more than `max_bytes`; 400 if it is not valid base64 or
            gzip although it claims to be; 415 for another content coding.
    """
    body = event.get("body") if isinstance(event, Mapping) else None
    if body is None:
        return None
    if not isinstance(body, str | bytes):
        raise HttpError(400, "The body was parsed already")
    encoded = bool(event.get("isBase64Encoded") or event.get("is_base64_encoded"))
    if len(body) > (max_bytes * 4 // 3 + 4 if encoded else max_bytes):
        raise HttpError(413)
    data = (
        _from_base64(body)
        if encoded
        else body.encode("utf-8", "surrogatepass")
        if isinstance(body, str)
        else body
    )
    data = _decoded(data, (header_of(event, "content-encoding") or "identity").strip().lower(), max_bytes)
    if len(data) > max_bytes:
        raise HttpError(413)
    return data


def with_body(event: Mapping[str, Any], parsed: Any) -> dict[str, Any]:
    """Return a copy of the event with its body parsed."""
    changed = {**event, "body": parsed}
    for key in ("isBase64Encoded", "is_base64_encoded"):
        if key in changed:
            changed[key] = False
    return changed


def text_of(data: bytes, charset: str) -> str:
    """Decode these bytes.

    Raises:
        HttpError: 415 if the charset is unknown, 422 if the bytes cannot be decoded with it.
    """
    if charset.lower() not in CHARSETS:
        raise HttpError(415, "The charset of the request is not supported")
    try:
        return data.decode(charset)
    except UnicodeError as error:
        raise HttpError(422, f"The body is not {charset}") from error


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return re.sub(r'\\(["\\])', r"\1", value[1:-1])


def _from_base64(body: str | bytes) -> bytes:
    with unshadowed():
        import base64

    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise HttpError(400, "The body is not valid base64") from error


def _decoded(data: bytes, coding: str, max_bytes: int) -> bytes:
    if coding in ("", "identity"):
        return data
    if coding not in ("gzip", "x-gzip"):
        raise HttpError(
            415, "The content coding of the request is not supported", headers={"accept-encoding": "gzip"}
        )
    import zlib

    decompressor = zlib.decompressobj(wbits=31)
    try:
        unpacked = decompressor.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise HttpError(400, "The body is not valid gzip") from error
    if len(unpacked) <= max_bytes and (not decompressor.eof or decompressor.unused_data):
        raise HttpError(400, "The body is not valid gzip")
    return unpacked
