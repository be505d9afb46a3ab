"""Form bodies with files, multipart/form-data (RFC 7578)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError

from ._options import known, missing_extra
from ._request_body import BODY_LIMIT, MediaType, body_bytes, content_type_of, text_of, with_body

if TYPE_CHECKING:
    from streamify_server.onion import Request

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


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a form.

    Attributes:
        filename: As the caller says; it may hold anything, so never use it as a path.
        mimetype: As the caller says.
        encoding: Its Content-Transfer-Encoding.
        content: The bytes.
    """

    filename: str
    mimetype: str
    encoding: str
    content: bytes


class http_multipart_body_parser:
    """Replaces the body of the event with a dict of its fields: text, or `FilePart`s.

    A field that is there several times is a list, and so is always one whose name ends with `[]` (the dict's
    key is without it). A request of another type is answered with 415, a body that is no such form with 422,
    one beyond a limit with 413 (all of them are `HttpError`, for `http_error_handler`). It comes with the
    extra `multipart`.

    Args:
        charset: The charset of fields that do not name one.
        disable_content_type_check: Leave it to the parser to find out; there has to be a boundary all the
            same.
        disable_content_type_error: Leave a request of another type alone instead of answering 415.
        limits: Any of `field_name_size`, `field_size` and `file_size` (bytes), `fields`, `files`, `parts`,
            `header_pairs` (for each part).
        max_bytes: Largest body in bytes, unpacked.

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
        known("limits of http_multipart_body_parser", limits or {}, _LIMITS)
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
        media_type = MediaType(content_type_of(request.event))
        if self._check and media_type.essence != "multipart/form-data":
            if self._refuse:
                raise HttpError(415)
            return
        boundary = media_type.parameters.get("boundary")
        body = body_bytes(request.event, self._max_bytes)
        if not boundary or body is None:
            raise HttpError(422, _MALFORMED)
        request.event = with_body(request.event, _Form(self._limits, self._charset).parse(boundary, body))


class _Form:
    """Collects the parts that python-multipart finds."""

    def __init__(self, limits: Mapping[str, int], charset: str) -> None:
        self._limits = limits
        self._charset = charset
        self._fields: dict[str, Any] = {}
        self._counts = {"parts": 0, "files": 0, "fields": 0}
        self._ended = False

    def parse(self, boundary: str, body: bytes) -> dict[str, Any]:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser

        try:
            parser = MultipartParser(
                boundary.encode("latin-1"),
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
                max_header_count=self._limits["header_pairs"],
            )
            parser.write(body)
            parser.finalize()
        except (FormParserError, UnicodeError):
            raise HttpError(422, _MALFORMED) from None
        if not self._ended:
            raise HttpError(422, _MALFORMED)
        return self._fields

    def _begin(self) -> None:
        self._count("parts")
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._content = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        from python_multipart.multipart import parse_options_header

        _, parameters = parse_options_header(self._headers.get(b"content-disposition"))
        self._field = parameters.get(b"name")
        self._filename = parameters.get(b"filename")
        if self._field is None:
            raise HttpError(422, "A part of the form has no name")
        if len(self._field) > self._limits["field_name_size"]:
            raise HttpError(
                413, f"A field of the form has a name of more than {self._limits['field_name_size']} bytes"
            )
        self._count("fields" if self._filename is None else "files")

    def _data(self, data: bytes, start: int, end: int) -> None:
        limit = "field_size" if self._filename is None else "file_size"
        if len(self._content) + end - start > self._limits[limit]:
            raise HttpError(413, f"A part of the form is larger than {self._limits[limit]} bytes")
        self._content += data[start:end]

    def _end(self) -> None:
        assert self._field is not None
        name = text_of(self._field, "utf-8")
        value = self._text() if self._filename is None else self._file(self._filename)
        always_list = name.endswith("[]") and name != "[]"
        key = name[:-2] if always_list else name
        there = self._fields.get(key)
        if isinstance(there, list):
            there.append(value)
        elif there is not None:
            self._fields[key] = [there, value]
        else:
            self._fields[key] = [value] if always_list else value

    def _finish(self) -> None:
        self._ended = True

    def _text(self) -> str:
        media_type = MediaType(self._headers.get(b"content-type", b"").decode("latin-1"))
        return text_of(bytes(self._content), media_type.parameters.get("charset", self._charset))

    def _file(self, filename: bytes) -> FilePart:
        return FilePart(
            text_of(filename, "utf-8"),
            self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1"),
            self._headers.get(b"content-transfer-encoding", b"7bit").decode("latin-1"),
            bytes(self._content),
        )

    def _count(self, kind: str) -> None:
        self._counts[kind] += 1
        if self._counts[kind] > self._limits[kind]:
            raise HttpError(413, f"The form has more than {self._limits[kind]} {kind}")
