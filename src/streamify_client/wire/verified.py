"""Verified streams: a body in event-stream frames that says how it ended.

Both halves of Streamify speak it where the caller offered it. A response of the content type `CONTENT_TYPE`
is a sequence of frames with one header, ``:event-type``:

    head        first; JSON: contentType and contentEncoding of the body (null or absent: unknown), and in
                a part that goes on, state: the SHA-256 of the token that it was given
    data        any number; bytes of the body, one frame for each chunk
    checkpoint  anywhere between; JSON: token, and bytes: an invocation that is given the token produces what
                follows that many bytes of the body, all parts together
    keepalive   anywhere between; says that the function lives, and is not a part of the body
    end         last, for a body that is whole; JSON: bytes and chunks, the totals of the data frames; with
                continues: true, directly after a checkpoint, another part follows
    error       last, for a handler that failed; JSON: errorType, errorMessage, stackTrace
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from . import BytesLike, Mark
from .errors import CorruptInputError, TruncatedInputError, WireError
from .eventstream import FrameDecoder, FrameHead, Frames, encode_frame, encode_headers

CONTENT_TYPE = "application/vnd.streamify.eventstream"
_DATA_HEADERS = {":event-type": "data"}
_DATA, _DATA_OVERHEAD = encode_headers(_DATA_HEADERS), len(encode_frame(_DATA_HEADERS))  # bytes
LARGEST_TOKEN = 1536  # characters: a state of 1 KiB, a request id, and what goes with them


@dataclass(frozen=True, slots=True)
class Head:
    """What the body is."""

    content_type: str | None
    content_encoding: str | None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The body, or this part of it, is whole, and these were its totals."""

    bytes: int
    chunks: int
    continues: bool = False


class Checkpoint(Mark):
    """Stands in the body where an invocation that is given the token goes on.

    Attributes:
        token: For the next part.
        position: How many bytes of the body, all parts together, come before.
    """

    token: str
    position: int


@dataclass(frozen=True, slots=True)
class HandlerError:
    """The handler raised; what it raised, as its runtime saw it."""

    error_type: str
    message: str
    stack_trace: tuple[str, ...]


class VerifiedDecoder:
    """Decodes the bytes of a verified stream into its body, and detects any difference from what was sent.

    Any other order than head, data..., end or error is corrupt, and so are wrong totals and any byte after
    the last event; a stream without a last event is truncated. Checkpoints become empty chunks at their
    places.

    Args:
        base: How many bytes of the body came in earlier parts.

    Attributes:
        head: The head, once it came.
        last: The last event, once it came.
        frames: The decoder of the frames.
    """

    __slots__ = ("_at_checkpoint", "_base", "_bytes", "_chunks", "_end", "error", "frames", "head", "last")

    def __init__(self, base: int = 0) -> None:
        self.head: Head | None = None
        self.last: End | HandlerError | None = None
        self.error: WireError | None = None
        self.frames: FrameDecoder = FrameDecoder()
        self._end = 0  # where in the input the last event ended
        self._bytes = self._chunks = 0
        self._base = base
        self._at_checkpoint = False  # the last frame was one

    def receive(self, data: BytesLike) -> list[bytes]:
        """Take bytes in; return the chunks that are complete by now."""
        return self.receive_each([data])

    def receive_each(self, pieces: Sequence[BytesLike]) -> list[bytes]:
        """Decode pieces; return the chunks that are complete by now."""
        if self.error:
            raise self.error
        chunks: list[bytes] = []
        before = self.head, self.last
        try:
            for frames in self.frames.receive_each(pieces):
                found = self._read(frames)
                chunks = chunks + found if chunks else found
            if self.last is not None and (self.frames.inside_frame or self.frames.error):
                raise self._more()
            self.error = self.frames.error
        except WireError as error:
            self.error = error
            if not chunks and (self.head, self.last) == before:
                raise
        return chunks

    def finish(self) -> list[bytes]:
        """The input has ended: raise TruncatedInputError if that was before the last event."""
        if self.error:
            raise self.error
        try:
            self.frames.finish()
            if self.last is None:
                raise TruncatedInputError(
                    "the verified stream ended without its end event", self.frames.offset
                )
        except WireError as error:
            self.error = error
            raise
        return []

    def is_data(self, head: FrameHead) -> bool:
        """Return whether a frame with this head, which comes next, has data."""
        return self.head is not None and self.last is None and head.block == _DATA

    def passed(self, chunks: Sequence[bytes]) -> None:
        """Count chunks whose frames another decoder has read and checked, and go on behind them."""
        size = sum(map(len, chunks))
        self._bytes += size
        self._chunks += len(chunks)
        self._at_checkpoint = False
        self.frames.passed(size + len(chunks) * _DATA_OVERHEAD)

    def _more(self) -> CorruptInputError:
        return CorruptInputError("bytes came after the end of the verified stream", self._end)

    def _read(self, frames: Frames) -> list[bytes]:
        """Read frames of one kind."""
        kind = frames.headers.get(":event-type")
        if self.last is not None:
            raise self._more()
        if kind == "data" and self.head is not None:
            self._bytes += sum(map(len, frames.payloads))
            self._chunks += len(frames.payloads)
            self._at_checkpoint = False
            return frames.payloads
        if kind in ("checkpoint", "keepalive") and self.head is not None:
            return self._read_between(kind, frames)
        self._read_one(kind, frames)
        if len(frames.payloads) > 1:  # neither of a head nor of a last event there are two
            raise self._more() if self.last is not None else _second_head(kind, frames.offset(1))
        return []

    def _read_between(self, kind: object, frames: Frames) -> list[bytes]:
        self._at_checkpoint = kind == "checkpoint"
        if not self._at_checkpoint:
            return []
        positions = map(frames.offset, range(len(frames.payloads)))
        return [self._checkpoint(*each) for each in zip(frames.payloads, positions, strict=True)]

    def _checkpoint(self, payload: bytes, position: int) -> Checkpoint:
        fields = _read_fields(payload, "checkpoint", position)
        token, count = fields.get("token"), fields.get("bytes")
        if not isinstance(token, str) or not token.isascii() or not 0 < len(token) <= LARGEST_TOKEN:
            raise CorruptInputError(
                "a checkpoint of the verified stream has no token that can be sent", position
            )
        if count != self._base + self._bytes:
            raise CorruptInputError(
                f"a checkpoint is after {self._base + self._bytes} bytes, and says {count}", position
            )
        checkpoint = Checkpoint()
        checkpoint.token, checkpoint.position = token, self._base + self._bytes
        return checkpoint

    def _read_one(self, kind: object, frames: Frames) -> None:
        position = frames.start
        if (kind == "head") is (self.head is not None):
            raise _second_head(kind, position)
        fields = _read_fields(frames.payloads[0], kind, position)
        if kind == "head":
            self.head = Head(
                _string(fields, "contentType", position),
                _string(fields, "contentEncoding", position),
                _string(fields, "state", position),
            )
            return
        if kind == "end":
            self.last = self._read_end(fields, position)
        elif kind == "error":
            self.last = read_error(fields)
        else:
            raise CorruptInputError(f"a verified stream has no event {kind!r}", position)
        self._end = frames.offset(1)

    def _read_end(self, fields: dict[str, object], position: int) -> End:
        announced = fields.get("bytes"), fields.get("chunks")
        if announced != (self._bytes, self._chunks):
            raise CorruptInputError(
                f"the verified stream ends with other totals than it had: bytes and chunks were "
                f"{self._bytes}, {self._chunks}, and the end says {announced[0]}, {announced[1]}",
                position,
            )
        continues = fields.get("continues", False)
        if continues not in (True, False) or (continues and not self._at_checkpoint):
            raise CorruptInputError(
                "another part follows only where a checkpoint stands before the end", position
            )
        return End(self._bytes, self._chunks, bool(continues))


def _second_head(kind: object, position: int) -> CorruptInputError:
    return CorruptInputError(f"a verified stream has one head, first: {kind!r} arrived instead", position)


def _read_fields(payload: bytes, kind: object, position: int) -> dict[str, object]:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise CorruptInputError(f"the {kind} event of the verified stream is not a JSON object", position)
    return fields


def _string(fields: dict[str, object], key: str, position: int) -> str | None:
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    raise CorruptInputError(f"the head of the verified stream has a {key} that is not a string", position)


def read_error(fields: dict[str, object]) -> HandlerError:
    """Read an error as Lambda's runtimes write it down."""
    trace = fields.get("stackTrace")
    return HandlerError(
        str(fields.get("errorType") or "Error"),
        str(fields.get("errorMessage") or ""),
        tuple(str(line) for line in trace) if isinstance(trace, list) else (),
    )
