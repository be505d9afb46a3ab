"""Makes a response readable: removes its HTTP prelude and verified frames, and decodes the text."""

import codecs
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from streamify_server.response import PRELUDE_CONTENT_TYPE
from streamify_server.wire.verified import CONTENT_TYPE as VERIFIED

from .timeline import Kind, most_telling

_NULS = bytes(8)
_MAX_PRELUDE = 16 * 1024
_MAX_FRAME = 2 * 1024 * 1024
_FRAME_OVERHEAD = 16
_MAX_FIELD = 4096
_EVENT_TYPE = b"\x0b:event-type\x07"
# Control characters except tab and line feed, as Unicode's pictures; then characters that move or hide text.
_VISIBLE: dict[int, int | str] = {code: 0x2400 + code for code in range(32) if code not in (9, 10)}
_VISIBLE |= {127: 0x2421}
_VISIBLE |= {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
_VISIBLE |= {
    code: f"\\u{code:04x}"
    for code in (
        0x061C, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0x2060, 0xFEFF,
        *range(0x202A, 0x202F), *range(0x2066, 0x206A),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Head:
    """The metadata of an HTTP response, from its prelude."""

    status: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the function or Lambda reported it, shortened for display."""

    error_type: str
    message: str
    trace: str


class Content:
    """Reads one response, chunk by chunk; it accepts any bytes.

    Args:
        content_type: The content type that the function posted.
        max_text: How many characters to decode; after that, `feed` returns empty text.

    Attributes:
        kind: The kind of the last chunk, or the most important one if it held several.
        handed_over: Whether the stream continues in another invocation, according to its end.
    """

    def __init__(self, content_type: str, max_text: int) -> None:
        self.content_type: str = content_type[:_MAX_FIELD]
        self.head: Head | None = None
        self.verified: bool = False
        self.failure: Failure | None = None
        self.truncated: bool = False
        self.handed_over: bool = False
        self.kind: Kind = "data"
        self._room = max_text
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._kinds: list[Kind] = []
        self._prelude: bytearray | None = None
        self._frames: bytearray | None = None
        if _media_type(content_type) == PRELUDE_CONTENT_TYPE:
            self._prelude = bytearray()
        self._begin_body(content_type)

    def feed(self, data: bytes) -> str:
        """Return the text that a chunk adds."""
        body = self._after_prelude(data)
        self.kind = "data" if body or not data else "head"
        if self._frames is not None:
            self._kinds = [] if body else ["head"]
            body = b"".join(self._unframed(body))
            # Part of an incomplete frame counts as data, since its type is not known yet.
            self.kind = most_telling(*self._kinds) if self._kinds else "data"
        return self._text(body) if body else ""

    def finish(self) -> str:
        """Return the remaining text, from a character, prelude or frame that was not completed."""
        rest = bytes(self._prelude or b"") + bytes(self._frames or b"")
        self._prelude = self._frames = None
        return self._text(rest, final=True)

    def _begin_body(self, content_type: str) -> None:
        if _media_type(content_type) == VERIFIED:
            self.verified = True
            self._frames = bytearray()

    def _after_prelude(self, data: bytes) -> bytes:
        if self._prelude is None:
            return data
        self._prelude += data
        end = self._prelude.find(_NULS)
        if end < 0 and len(self._prelude) <= _MAX_PRELUDE:
            return b""
        received, self._prelude = bytes(self._prelude), None
        head = _parse_head(received[:end]) if end >= 0 else None
        if head is None:
            return received
        self.head = head
        self.content_type = head.headers.get("content-type", "")
        self._begin_body(self.content_type)
        return received[end + len(_NULS) :]

    def _unframed(self, data: bytes) -> Iterator[bytes]:
        assert self._frames is not None
        self._frames += data
        while len(self._frames) >= _FRAME_OVERHEAD:
            total, headers = struct.unpack_from(">II", self._frames)
            if not headers + _FRAME_OVERHEAD <= total <= _MAX_FRAME:
                # Not a frame: show everything from here on unchanged.
                self._kinds.append("data")
                broken, self._frames = bytes(self._frames), None
                yield broken
                return
            if len(self._frames) < total:
                return
            frame = bytes(self._frames[:total])
            del self._frames[:total]
            yield self._event(frame[12 : 12 + headers], frame[12 + headers : -4])

    def _event(self, headers: bytes, payload: bytes) -> bytes:
        kind = _event_type(headers)
        if kind not in ("head", "checkpoint", "keepalive", "end", "error"):
            self._kinds.append("data")
            return payload
        fields = _json_object(payload)
        self.handed_over = kind == "end" and fields.get("continues") is True
        self._kinds.append("hand-over" if self.handed_over else cast(Kind, kind))
        if kind == "head":
            self.content_type = str(fields.get("contentType") or "")[:_MAX_FIELD]
        elif kind == "error":
            self.failure = failure(payload)
        return b""

    def _text(self, data: bytes, final: bool = False) -> str:
        if not self._room:
            self.truncated = self.truncated or bool(data)
            return ""
        text = self._decoder.decode(data, final).translate(_VISIBLE)
        self.truncated = len(text) > self._room
        text = text[: self._room]
        self._room -= len(text)
        return text


def visible(text: str) -> str:
    """Replace characters that are invisible, or that hide or reorder other text."""
    return text.translate(_VISIBLE)


def shown(data: bytes, max_text: int) -> tuple[str, bool]:
    """Return the beginning of some bytes as text, and whether anything was cut off."""
    # A character has at most four bytes.
    text = data[: max_text * 4].decode("utf-8", "backslashreplace").translate(_VISIBLE)
    return text[:max_text], len(text) > max_text or len(data) > max_text * 4


def failure(error: bytes) -> Failure | None:
    """Read the JSON of an error; return None if it is something else."""
    fields = _json_object(error)
    if "errorType" not in fields and "errorMessage" not in fields:
        return None
    # Node's runtime calls it `trace`.
    trace = fields.get("stackTrace") or fields.get("trace")
    lines = [str(line).rstrip("\n") for line in trace] if isinstance(trace, list) else []
    return Failure(
        str(fields.get("errorType") or "Unknown")[:_MAX_FIELD],
        str(fields.get("errorMessage") or "")[:_MAX_FIELD],
        "\n".join(lines)[:_MAX_FIELD],
    )


def _parse_head(data: bytes) -> Head | None:
    fields = _json_object(data)
    status = fields.get("statusCode", 200)
    if not fields or not isinstance(status, int):
        return None
    headers = fields.get("headers")
    named = headers.items() if isinstance(headers, dict) else ()
    return Head(status, {str(name).lower(): str(value) for name, value in named})


def _event_type(headers: bytes) -> str:
    """Return the event type, which is the only header of our frames; empty if it is missing."""
    if not headers.startswith(_EVENT_TYPE) or len(headers) < len(_EVENT_TYPE) + 2:
        return ""
    (length,) = struct.unpack_from(">H", headers, len(_EVENT_TYPE))
    start = len(_EVENT_TYPE) + 2
    return headers[start : start + length].decode("utf-8", "replace")


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
