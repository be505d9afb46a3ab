"""Parses the heads of HTTP/1.1 requests and encodes those of responses (RFC 9112), without I/O.

Ambiguous requests are rejected, since any web page or program may have sent them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from .request import Request

MAX_HEAD = 128 * 1024

_REQUEST = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.([01])")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\0]*)")
_BREAK = re.compile(r"[\r\n\0]")
_REASONS = {status.value: status.phrase for status in HTTPStatus}

Headers = Iterable[tuple[str, str]]


class MalformedRequestError(Exception):
    """The request is malformed; `status` is the status of the response."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request, the length of its body (None if it is chunked), and options of the connection."""

    request: Request
    length: int | None
    keep_alive: bool
    chunks_allowed: bool  # in the response; not in HTTP/1.0
    expects_continue: bool


def end_of_head(data: bytes | bytearray) -> int:
    """Return the position after the head's empty line; 0 if that was not received yet.

    Raises:
        MalformedRequestError: It is too long.
    """
    found = data.find(b"\r\n\r\n")
    if (found if found >= 0 else len(data)) > MAX_HEAD:
        raise MalformedRequestError("The head of the request is too long.", 431)
    return found + 4 if found >= 0 else 0


def read_head(data: bytes) -> RequestHead:
    """Parse the head of a request, including its empty line.

    Raises:
        MalformedRequestError: It is invalid or ambiguous.
    """
    first, *lines = data[:-4].decode("latin-1").split("\r\n")
    match = _REQUEST.fullmatch(first)
    if match is None:
        raise MalformedRequestError("The first line is not that of an HTTP/1.1 request.")
    fields = tuple([_field(line) for line in lines])
    request = Request(match[1], match[2], fields)
    newer = match[3] == "1"
    if newer and [name for name, _ in fields].count("host") != 1:
        raise MalformedRequestError("A request of HTTP/1.1 has one Host header.")
    wishes = (request.header("connection") or "").lower()
    return RequestHead(
        request=request,
        length=_length(request),
        keep_alive=newer and "close" not in wishes,
        chunks_allowed=newer,
        expects_continue=newer and (request.header("expect") or "").lower() == "100-continue",
    )


def _field(line: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise MalformedRequestError(f"{line[:40]!r} is not a header.")
    return match[1].lower(), match[2].strip(" \t")


def _length(request: Request) -> int | None:
    """Return the length of the request's body; None if it is chunked."""
    coding = request.header("transfer-encoding")
    if coding is None and request.header("content-length") is None:
        return 0
    lengths = {value for name, value in request.headers if name == "content-length"}
    if coding is not None:
        if lengths:
            raise MalformedRequestError("A body has a Content-Length or a Transfer-Encoding, not both.")
        if coding.lower() != "chunked":
            raise MalformedRequestError(f"The transfer encoding {coding[:40]} is not implemented.", 501)
        return None
    length = lengths.pop()
    if lengths or not length.isascii() or not length.isdecimal() or len(length) > 18:
        raise MalformedRequestError("The Content-Length is not a number.")
    return int(length)


def write_head(status: int, headers: Headers) -> bytes:
    """Encode the head of a response, including its empty line.

    Raises:
        ValueError: A header contains a line break or a NUL.
    """
    lines = [f"{name}: {value}" for name, value in headers]
    if _BREAK.search("".join(lines)):
        broken = next(line for line in lines if _BREAK.search(line))
        raise ValueError(f"The header {broken.partition(':')[0][:40]!r} has a line break or a NUL.")
    return "\r\n".join((f"HTTP/1.1 {status} {_REASONS.get(status, '')}", *lines, "", "")).encode("latin-1")
