"""The metadata in front of an HTTP response: a JSON object, eight NUL bytes, then the body.

Functions announce it by the content type `HTTP_INTEGRATION`. Source:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from . import BytesLike
from .errors import CorruptInputError, TooLargeError, TruncatedInputError, WireError, why_not_json

HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
SEPARATOR = b"\0" * 8


@dataclass(frozen=True, slots=True)
class Prelude:
    """Status, headers and cookies of a response; a header with several values is repeated."""

    status_code: int
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]


class PreludeDecoder:
    """Removes the prelude from the beginning of a response, and returns the bytes of the body.

    Args:
        max_size: How many bytes the JSON may have.

    Attributes:
        prelude: The prelude, once it is complete.
    """

    def __init__(self, *, max_size: int = 1024 * 1024) -> None:
        self.prelude: Prelude | None = None
        self.error: WireError | None = None
        self._max_size = max_size
        self._buffer = bytearray()

    def receive(self, data: BytesLike) -> list[bytes]:
        """Take bytes in; return those that are body."""
        if self.error:
            raise self.error
        if self.prelude is not None:
            return [bytes(data)] if len(data) else []
        try:
            end = self._find_end(self._buffer, data)
            if end < 0:
                return []
            self.prelude = parse_prelude(bytes(self._buffer[:end]))
        except WireError as error:
            self.error = error
            raise
        body = bytes(self._buffer[end + len(SEPARATOR) :])
        self._buffer.clear()
        return [body] if body else []

    def finish(self) -> list[bytes]:
        """The input has ended: raise TruncatedInputError if that was inside the prelude."""
        if self.error is None and self.prelude is None:
            size = len(self._buffer)
            self.error = TruncatedInputError(
                f"the response ended inside its HTTP prelude, after {size} bytes", size
            )
        if self.error:
            raise self.error
        return []

    def _find_end(self, buffer: bytearray, data: BytesLike) -> int:
        searched = max(0, len(buffer) - len(SEPARATOR) + 1)
        buffer += data
        if (first := buffer[:64].lstrip()) and first[0] != ord("{"):
            raise CorruptInputError(
                f"the response announces an HTTP prelude and begins with {bytes(first[:20])!r}", 0
            )
        end = buffer.find(SEPARATOR, searched)
        if end > self._max_size or (end < 0 and len(buffer) >= self._max_size + len(SEPARATOR)):
            raise TooLargeError(f"the HTTP prelude is longer than {self._max_size} bytes", self._max_size)
        return end


def parse_prelude(text: bytes) -> Prelude:
    """Read the JSON of a prelude as tolerantly as Lambda does.

    Raises:
        CorruptInputError: It is not a JSON object, or a field has a type that makes no sense.
    """
    try:
        fields = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptInputError(
            f"the HTTP prelude is not JSON ({why_not_json(error)}): {text[:60]!r}", 0
        ) from None
    if not isinstance(fields, dict):
        raise CorruptInputError(f"the HTTP prelude is not a JSON object: {text[:60]!r}", 0)
    return Prelude(_status_code(fields.get("statusCode")), tuple(_headers(fields)), tuple(_cookies(fields)))


def _status_code(value: object) -> int:
    if value is None:
        return 200
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:4])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 100 <= value <= 999:
        raise CorruptInputError(f"the HTTP prelude has the statusCode {value!r}", 0)
    return value


def _headers(fields: dict[str, object]) -> Iterator[tuple[str, str]]:
    # A pair that stands in both counts once, as in API Gateway.
    single = list(_pairs(fields.get("headers"), "headers"))
    multiple = list(_pairs(fields.get("multiValueHeaders"), "multiValueHeaders"))
    folded = {(name.lower(), value) for name, value in multiple}
    yield from (pair for pair in single if (pair[0].lower(), pair[1]) not in folded)
    yield from multiple


def _pairs(headers: object, field: str) -> Iterator[tuple[str, str]]:
    if headers is None:
        return
    if not isinstance(headers, dict):
        raise CorruptInputError(f"the HTTP prelude's {field} are not a JSON object", 0)
    for name, value in headers.items():
        for single in value if isinstance(value, list) else [value]:
            if single is not None:
                yield name, _scalar(single, f"header {name!r}")


def _cookies(fields: dict[str, object]) -> Iterator[str]:
    cookies = fields.get("cookies")
    if cookies is None:
        return
    for cookie in cookies if isinstance(cookies, list) else [cookies]:
        yield _scalar(cookie, "cookie")


def _scalar(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return json.dumps(value)
    raise CorruptInputError(f"the HTTP prelude has a {what} that is not a string", 0)
