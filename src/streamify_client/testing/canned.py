"""The bytes of canned streams, and responses of HTTP libraries that return them without a server."""

import base64
import io
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from streamify_client.wire.eventstream import encode_frame
from streamify_client.wire.prelude import SEPARATOR


def event_frame(event_type: str, content_type: str, payload: bytes) -> bytes:
    """Return a frame with Lambda's headers, in Lambda's order."""
    headers = {":event-type": event_type, ":content-type": content_type, ":message-type": "event"}
    return encode_frame(headers, payload)


def payload_frame(data: bytes) -> bytes:
    """Return a PayloadChunk frame."""
    return event_frame("PayloadChunk", "application/octet-stream", data)


def complete_frame(error: Mapping[str, Any] | None, code: str | None, log_tail: str | None) -> bytes:
    """Return an InvokeComplete frame."""
    fields: dict[str, str] = {}
    if error is not None:
        fields |= {"ErrorCode": code or str(error["errorType"]), "ErrorDetails": json.dumps(error)}
    if log_tail is not None:
        fields["LogResult"] = base64.b64encode(log_tail.encode()).decode("ascii")
    return event_frame("InvokeComplete", "application/json", json.dumps(fields).encode())


def corrupted(frame: bytes) -> bytes:
    """Return a frame with one flipped bit in its payload."""
    return frame[:-5] + bytes([frame[-5] ^ 1]) + frame[-4:]


def prelude(status_code: int, headers: Mapping[str, str], cookies: Iterable[str]) -> bytes:
    """Return the prelude of an HTTP response."""
    fields = {"statusCode": status_code, "headers": dict(headers), "cookies": list(cookies)}
    return json.dumps(fields).encode() + SEPARATOR


def verified_frames(
    chunks: Iterable[bytes], content_type: str | None, error: Mapping[str, Any] | None
) -> Iterator[bytes]:
    """Return the frames of a verified stream; without an error it has an end frame."""
    yield _verified("head", {"contentType": content_type})
    size = count = 0
    for chunk in chunks:
        size, count = size + len(chunk), count + 1
        yield encode_frame({":event-type": "data"}, chunk)
    if error is not None:
        yield _verified("error", error)
    else:
        yield _verified("end", {"bytes": size, "chunks": count})


def _verified(kind: str, fields: Mapping[str, Any]) -> bytes:
    return encode_frame({":event-type": kind}, json.dumps(fields).encode())


class CannedUrllib3Response:
    """The part of urllib3's response that botocore and we use."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._closed = False

    def read1(self, amt: int | None = None) -> bytes:
        """Return the next part; nothing at the end."""
        if self._closed:
            raise ValueError("read of closed response")
        return next(self._parts, b"")

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:
        """Return all parts, one by one."""
        return iter(self._parts)

    def read(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Return everything."""
        return b"".join(self._parts)

    def close(self) -> None:
        """Nothing can be read any more."""
        self._closed = True

    def release_conn(self) -> None:
        """There is no connection."""


class _CannedContent:
    """The part of aiohttp's StreamReader that aiobotocore and we use."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)

    async def readany(self) -> bytes:
        """Return the next part; nothing at the end."""
        return next(self._parts, b"")

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Return all parts, one by one."""
        for part in self._parts:
            yield part, True


class CannedAiohttpResponse:
    """The part of aiohttp's response that aiobotocore and we use."""

    connection = None

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.content: _CannedContent = _CannedContent(parts)

    async def read(self) -> bytes:
        """Return everything."""
        buffer = io.BytesIO()
        while part := await self.content.readany():
            buffer.write(part)
        return buffer.getvalue()

    def close(self) -> None:
        """There is no connection."""
