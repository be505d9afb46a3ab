"""Form bodies with files, multipart/form-data (RFC 7578).

python-multipart, FastAPI's parser, limits headers itself; parts, names and sizes are limited here, where the
whole body (6 MiB) is already in memory. The package `multipart` would need less code here, but
python-multipart installs a module of that name as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from streamify_server.errors import HttpError

from ._options import check, check_options, known, missing_extra
from ._request_body import (
    BODY_LIMIT,
    CHARSETS,
    MediaType,
    body_bytes,
    content_type_of,
    is_to_be_parsed,
    text_of,
    with_body,
)

if TYPE_CHECKING:
    from streamify_server.middleware import Request

_LIMITS = {
    "field_name_size": 100,
    "field_size": 1024 * 1024,
    "fields": 1000,
    "file_size": BODY_LIMIT,
    "files": 1000,
    "parts": 1000,
    "header_pairs": 100,
}
_MALFORMED = "The body is not valid multipart/form-data"
_MULTIPART = re.compile("multipart/form-data")


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a form.

    Attributes:
        filename: As sent by the caller, without directories; it may contain anything, so never use it as a
            path.
        mimetype: As sent by the caller.
        encoding: Its Content-Transfer-Encoding.
        content: The bytes.
    """

    filename: str
    mimetype: str
    encoding: str
    content: bytes


class http_multipart_body_parser:
    """Replaces the body of the event with a dict of its fields: text, or `FilePart`s.

    A repeated field is a list, and a field whose name ends with `[]` always is (the dict's key is without
    it). A request of another type raises 415, a body that is not a valid form 422, and one beyond a limit 413
    (all are `HttpError`, for `http_error_handler`). It needs the extra `multipart`.

    Args:
        charset: The charset of fields that do not specify one.
        disable_content_type_check: Let the parser decide; a boundary is still required.
        disable_content_type_error: Ignore a request of another type instead of raising 415.
        limits: Any of `field_name_size`, `field_size` and `file_size` (bytes), `fields`, `files`, `parts`,
            `header_pairs` (for each part).
        max_bytes: Largest body in bytes, decompressed.

    Raises:
        ModuleNotFoundError: python-multipart is not installed.

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_multipart_body_parser
        >>> @streaming_handler(middlewares=[http_multipart_body_parser()])
        ... def handler(event, context):
        ...     yield event["body"]["report"].content
        >>> part = 'Content-Disposition: form-data; name="report"; filename="a.csv"\\r\\n\\r\\na,b\\r\\n'
        >>> body = f"--cut\\r\\n{part}--cut--\\r\\n"
        >>> handler({"headers": {"content-type": "multipart/form-data; boundary=cut"}, "body": body}, None)
        b'a,b'
    """

    def __init__(
        self,
        *,
        charset: str = "utf-8",
        disable_content_type_check: bool = False,
        disable_content_type_error: bool = False,
        limits: Mapping[str, int] | None = None,
        max_bytes: int = BODY_LIMIT,
    ) -> None:
        check_options(locals())
        known("limits of http_multipart_body_parser", limits or {}, _LIMITS)
        for name, limit in (limits or {}).items():
            check(f"{name} of http_multipart_body_parser", limit, "int")
        if charset.lower() not in CHARSETS:
            raise ValueError(f"charset takes {', '.join(sorted(CHARSETS))}, not {charset!r}.")
        try:
            import python_multipart  # noqa: F401
        except ModuleNotFoundError:
            raise missing_extra("http_multipart_body_parser", "python-multipart", "multipart") from None
        self._charset = charset
        self._check = not disable_content_type_check
        self._refuse = not disable_content_type_error
        self._limits = {**_LIMITS, **(limits or {})}
        self._max_bytes = max_bytes

    def before(self, request: Request) -> None:
        """Parse the body."""
        if not is_to_be_parsed(request.event, _MULTIPART, check=self._check, refuse=self._refuse):
            return
        boundary = MediaType(content_type_of(request.event)).parameters.get("boundary")
        body = body_bytes(request.event, self._max_bytes)
        if not boundary or body is None:
            raise HttpError(422, _MALFORMED)
        request.event = with_body(request.event, self._fields(boundary, body))

    def _fields(self, boundary: str, body: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        counts = {"files": 0, "fields": 0}
        for headers, content in _parts(boundary, body, self._limits["parts"], self._limits["header_pairs"]):
            disposition = MediaType(headers.get("content-disposition", "")).parameters
            filename = _filename(disposition, headers.get("content-type", ""))
            kind, size_of = ("fields", "field_size") if filename is None else ("files", "file_size")
            counts[kind] += 1
            _within(counts[kind], self._limits[kind], f"The form has more than {{}} {kind}")
            _within(len(content), self._limits[size_of], "A part of the form is larger than {} bytes")
            name = disposition.get("name")
            if name is None:
                raise HttpError(422, "A part of the form has no name")
            too_long = "A field of the form has a name of more than {} bytes"
            _within(len(name.encode()), self._limits["field_name_size"], too_long)
            if filename is None:
                charset = MediaType(headers.get("content-type", "")).parameters.get("charset", self._charset)
                _add(found, name, text_of(content, charset))
            else:
                _add(found, name, _file(filename, headers, content))
        return found


def _within(number: int, limit: int, problem: str) -> None:
    if number > limit:
        raise HttpError(413, problem.format(limit))


def _parts(
    boundary: str, body: bytes, most: int, most_headers: int
) -> Iterator[tuple[dict[str, str], bytes]]:
    """Return the header fields and content of each part."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser

    parts: list[tuple[list[tuple[bytearray, bytearray]], bytearray]] = []
    ended = []

    def begin() -> None:
        _within(len(parts) + 1, most, "The form has more than {} parts")
        parts.append(([], bytearray()))

    try:
        delimiter = b"--" + boundary.encode("latin-1")
        parser = MultipartParser(
            delimiter[2:],
            {
                "on_part_begin": begin,
                "on_header_begin": lambda: parts[-1][0].append((bytearray(), bytearray())),
                "on_header_field": lambda data, start, end: parts[-1][0][-1][0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: parts[-1][0][-1][1].extend(data[start:end]),
                "on_part_data": lambda data, start, end: parts[-1][1].extend(data[start:end]),
                "on_end": lambda: ended.append(True),
            },
            max_header_count=most_headers,
        )
        if not body.startswith(delimiter):  # a preamble (RFC 2046, 5.1.1)
            body = body[body.find(b"\r\n" + delimiter) + 2 :]
        parser.write(body)
        parser.finalize()
        for fields, content in parts:
            yield {name.decode().lower(): value.decode().strip() for name, value in fields}, bytes(content)
    except (FormParserError, UnicodeError) as error:
        raise HttpError(422, _MALFORMED) from error
    if not ended:
        raise HttpError(422, _MALFORMED)


def _filename(disposition: Mapping[str, str], content_type: str) -> str | None:
    """Return the name of a file, without directories; None if the part is text."""
    name = disposition.get("filename")
    extended = disposition.get("filename*", "").split("'", 2)
    if len(extended) == 3:  # charset'language'percent-encoded (RFC 8187)
        name = text_of(unquote_to_bytes(extended[2]), extended[0])
    if name is None:
        return "" if content_type.lower().startswith("application/octet-stream") else None
    return name.replace("\\", "/").rpartition("/")[2]


def _file(filename: str, headers: Mapping[str, str], content: bytes) -> FilePart:
    mimetype = headers.get("content-type", "text/plain")  # RFC 7578, 4.4
    return FilePart(filename, mimetype, headers.get("content-transfer-encoding", "7bit"), content)


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    always_list = name.endswith("[]") and name != "[]"
    key = name[:-2] if always_list else name
    there = found.get(key)
    if isinstance(there, list):
        there.append(value)
    elif there is not None:
        found[key] = [there, value]
    else:
        found[key] = [value] if always_list else value
