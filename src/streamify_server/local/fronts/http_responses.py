"""Reads what functions return for HTTP events: a streamed prelude, or one JSON object."""

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

_DELIMITER = b"\0" * 8
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\r\n\0]*")
# Headers that belong to the connection; and Content-Length, which is that of the function's body only.
_DROPPED = {"connection", "keep-alive", "transfer-encoding", "content-length", "trailer", "upgrade", "te"}


class MalformedResponseError(Exception):
    """The function did not return a valid HTTP response."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a function's response; each cookie is a separate header."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)


def head_of(fields: Any, default_type: str = "application/json") -> Head:
    """Read `statusCode`, `headers`, `multiValueHeaders` and `cookies`.

    Raises:
        MalformedResponseError: One of them is invalid.
    """
    if not isinstance(fields, dict):
        raise MalformedResponseError("The metadata of a response is a JSON object.")
    status = fields.get("statusCode", 200)
    if isinstance(status, bool) or not str(status).isdecimal() or not 200 <= int(status) <= 599:
        raise MalformedResponseError(f"statusCode is 200 to 599 and cannot be {status!r}.")
    pairs = [(name, value) for name, value in _mapping(fields, "headers").items() if value is not None]
    for name, values in _mapping(fields, "multiValueHeaders").items():
        pairs = [pair for pair in pairs if pair[0].lower() != name.lower()]
        pairs += [(name, value) for value in values or ()]
    pairs += [("set-cookie", cookie) for cookie in fields.get("cookies") or ()]
    headers = [(name, _text(value)) for name, value in pairs if name.lower() not in _DROPPED]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise MalformedResponseError(f"The header {name!r} cannot be sent.")
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", default_type))
    return Head(int(status), headers)


def _mapping(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name) or {}
    if not isinstance(value, dict):
        raise MalformedResponseError(f"{name} is an object.")
    return value


def _text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # Heads are encoded as Latin-1; other characters are sent as UTF-8.
    return text.encode().decode("latin-1") if any(ord(letter) > 255 for letter in text) else text


def buffered_2_0(body: bytes) -> tuple[Head, bytes]:
    """Return the response of a Function URL in BUFFERED mode for what the function returned.

    An object with a status code is the whole response. Anything else, JSON or not, is the body of a 200.

    Raises:
        MalformedResponseError: A status code or header is invalid.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        return head_of({}), body
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return head_of({}), json.dumps(answer, separators=(",", ":")).encode() if body else b""
    return head_of(answer), _body(answer)


def buffered_1_0(body: bytes) -> tuple[Head, bytes]:
    """Return the response of a REST API with a buffered integration for what the function returned.

    Raises:
        MalformedResponseError: It is not an object with a status code, but for example a stream.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        raise MalformedResponseError("A buffered proxy integration needs one JSON object.") from None
    if not isinstance(answer, dict) or "statusCode" not in answer:
        raise MalformedResponseError("The object has no statusCode.")
    return head_of(answer), _body(answer)


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    if not answer.get("isBase64Encoded"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise MalformedResponseError("The body says that it is base64, and is not.") from None


class PreludeReader:
    """Separates the metadata (the prelude) from a streamed body, however the bytes are split."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen = bytearray()
        self.head: Head | None = None

    @property
    def begun(self) -> bool:
        """Whether any bytes were received."""
        return bool(self._seen)

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes and return the part that belongs to the body; `head` is set before that.

        Raises:
            MalformedResponseError: There is no delimiter within the limit, or no valid metadata before it.
        """
        if self.head is not None:
            return piece
        self._seen += piece
        end = self._seen.find(_DELIMITER)
        if end < 0 or end > self._limit:
            if len(self._seen) > self._limit:
                raise MalformedResponseError(f"No metadata within {self._limit} bytes.")
            return b""
        try:
            fields = json.loads(self._seen[:end])
        except ValueError:
            raise MalformedResponseError("The metadata is not JSON.") from None
        self.head = head_of(fields, "application/octet-stream")
        return bytes(self._seen[end + len(_DELIMITER) :])
