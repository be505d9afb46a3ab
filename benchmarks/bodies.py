"""The responses to read: text in frames as AWS sends them, each frame in its own HTTP chunk.

The frames are encoded here, not by the measured code.
"""

import json
from binascii import crc32
from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack

LINE = (
    b"All human beings are born free and equal in dignity and rights; they have reason and conscience, so\n"
)
STREAM_TYPE = "application/vnd.amazon.eventstream"
VERIFIED_TYPE = "application/vnd.streamify.eventstream"
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Body:
    """A body of `count` chunks of `size` bytes.

    Attributes:
        size: Bytes of each chunk.
        count: How many chunks.
        verified: Whether it is framed as a verified stream.
        live: Seconds between two chunks; 0 for back to back.
        together: How many streams wait for each other in the middle, so that all are open at once.
    """

    size: int
    count: int
    verified: bool = False
    live: float = 0.0
    together: int = 1

    @property
    def name(self) -> str:
        """The function's name and the URL's path; `from_name` parses it."""
        return "_".join(map(str, (self.size, self.count, int(self.verified), self.live, self.together)))

    @classmethod
    def from_name(cls, name: str) -> "Body":
        size, count, verified, live, together = name.split("_")
        return cls(int(size), int(count), verified == "1", float(live), int(together))

    @property
    def total(self) -> int:
        return self.size * self.count

    def chunks(self) -> Iterator[bytes]:
        """Yield the chunks as a function would."""
        text = LINE * (self.size // len(LINE) + 2)
        for number in range(self.count):
            start = number * self.size % len(LINE)
            yield text[start : start + self.size]


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Encode one event-stream message with string headers."""
    block = b"".join(
        pack(">B", len(name)) + name.encode() + b"\7" + pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = pack(">II", len(block) + len(payload) + 16, len(block))
    message = prelude + pack(">I", crc32(prelude)) + block + payload
    return message + pack(">I", crc32(message))


def event(kind: str, content_type: str, payload: bytes) -> bytes:
    return frame({":event-type": kind, ":content-type": content_type, ":message-type": "event"}, payload)


def verified(body: Body) -> Iterator[bytes]:
    """Yield the body's chunks in the frames of a verified stream."""
    yield frame({":event-type": "head"}, json.dumps({"contentType": TEXT_TYPE}).encode())
    for chunk in body.chunks():
        yield frame({":event-type": "data"}, chunk)
    yield frame({":event-type": "end"}, json.dumps({"bytes": body.total, "chunks": body.count}).encode())


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def by_name(body: Body) -> Iterator[bytes]:
    """Yield a response of InvokeWithResponseStream: its head, then its HTTP chunks."""
    inner = VERIFIED_TYPE if body.verified else TEXT_TYPE
    yield head({"Content-Type": STREAM_TYPE, "X-Amzn-Remapped-Content-Type": inner})
    for chunk in verified(body) if body.verified else body.chunks():
        yield http_chunk(event("PayloadChunk", "application/octet-stream", chunk))
    yield http_chunk(event("InvokeComplete", "application/json", b"{}")) + b"0\r\n\r\n"


def by_url(body: Body) -> Iterator[bytes]:
    """Yield a response of a Function URL."""
    yield head({"Content-Type": VERIFIED_TYPE if body.verified else TEXT_TYPE})
    for chunk in verified(body) if body.verified else body.chunks():
        yield http_chunk(chunk)
    yield b"0\r\n\r\n"


def head(headers: dict[str, str]) -> bytes:
    fields = {
        "Date": "Thu, 26 Nov 2026 00:00:00 GMT",
        "Transfer-Encoding": "chunked",
        "Connection": "keep-alive",
        "x-amzn-RequestId": "6a5c1c5f-0b6e-4f0e-9d0e-0d8f7c0c4b1a",
        "X-Amz-Executed-Version": "$LATEST",
        "X-Amzn-Trace-Id": "Root=1-6a5c1c5f-0b6e4f0e9d0e0d8f7c0c4b1a;Parent=1;Sampled=0",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()
