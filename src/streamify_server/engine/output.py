"""The output that a body is written to: opens the response with the first chunk and counts the bytes."""

from __future__ import annotations

from time import monotonic

from streamify_server.checkpoints import Checkpoint, StreamHandedOver

from .chunks import BINARY, TEXT, pieces
from .interruption import Interruption, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from streamify_server.middleware import Transform
    from streamify_server.posting import Sink

    from .checkpointing import Checkpoints
    from .part import Part

    Open = Callable[[str], tuple[Sink, bytes]]


class Output:
    """Connects the producer of a body to a sink.

    `write` takes the next chunk; it is the sink's own method if nothing else needs to be done.

    Args:
        open: Opens the response with a content type, for a body that has none of its own; returns the sink,
            and the bytes to send for an empty body.
        transforms: Applied to the body.
        interruption: Set when the producer must stop.
        part: Which part of a stream the response is.
    """

    __slots__ = (
        "_can_flush",
        "_checkpoints",
        "_early",
        "_filler",
        "_guard",
        "_open",
        "_part",
        "_reason",
        "_transforms",
        "_unguarded",
        "empty",
        "first_byte_at",
        "idle_since",
        "interruption",
        "over",
        "sent",
        "sink",
        "transformed",
        "write",
    )

    sink: Sink
    _reason: BaseException

    def __init__(
        self,
        open: Open,
        transforms: Sequence[Transform],
        interruption: Interruption,
        part: Part | None = None,
    ) -> None:
        self._open: Open | None = open
        self._transforms = list(transforms)
        self.transformed: bool = bool(transforms)
        self._filler = b""
        self._guard: Any = None
        self._part = part
        self._checkpoints: Checkpoints | None = None
        self._early: Checkpoint | None = None  # one before the first byte
        self._can_flush: bool | None = None  # whether all transforms can; None until first asked
        self._unguarded: Callable[[bytes], None] = self._first
        self.interruption: Interruption = interruption
        self.empty: bool = True  # whether no chunk has been written
        self.over: bool = False
        self.first_byte_at: float | None = None  # monotonic clock
        self.sent: int = 0  # bytes of the body as sent
        self.idle_since: float = 0.0
        self.write: Callable[[bytes], None] = self._first

    # Opening.

    @property
    def begun(self) -> bool:
        """Whether the response has been opened."""
        return self._open is None

    def begin(self, content_type: str = TEXT) -> None:
        """Open the response if it is not open; use this content type if nothing else sets one."""
        if self._guard is None:
            self._begin(content_type)
        else:
            with self._guard:
                self._begin(content_type)

    def _begin(self, content_type: str) -> None:
        if self._open is None:
            return
        self.interruption.check()
        self.sink, self._filler = self._open(content_type)
        self._open = None

    # Writing.

    def put(self, chunk: Any) -> bool:
        """Write a chunk of any kind and size; skip an empty one. Return whether the response has begun."""
        if type(chunk) is Checkpoint:
            self.checkpoint(chunk)
            return not self.empty
        for piece in pieces(chunk):
            self._ready_for(chunk)
            self.write(piece)
            self.count(len(piece))
        return not self.empty

    async def put_async(self, chunk: Any) -> bool:
        """Like `put`, but wait while the sink is full."""
        if type(chunk) is Checkpoint:
            self.checkpoint(chunk)
            return not self.empty
        for piece in pieces(chunk):
            self._ready_for(chunk)
            self.write(piece)
            self.count(len(piece))
            if self.sink.full:
                await self.sink.drained()
        return not self.empty

    def _ready_for(self, chunk: Any) -> None:
        if self._open is not None:
            self.begin(TEXT if isinstance(chunk, str) else BINARY)

    def _first(self, data: bytes) -> None:
        if self._part is not None:
            self._part.check_asked()
        self.begin(BINARY)
        if self._early is not None:
            self.checkpoint(self._early)
        self._not_empty()
        self.write(data)

    def _not_empty(self) -> None:
        """Note that the first byte of the body has been written."""
        self.empty = False
        self.first_byte_at = monotonic()
        self._bind()

    def _bind(self) -> None:
        """Set `write` to the most direct method for the next chunk."""
        write = self._transformed if self._transforms else self.sink.write
        if self._guard is not None:
            self._unguarded, write = write, self._guarded
        self.write = write
        if (reason := self.interruption.error) is not None:  # set by another thread just now
            self._reason = reason
            self.write = self._refuse

    def _transformed(self, data: bytes) -> None:
        self._through(0, data)

    def _through(self, position: int, data: bytes) -> None:
        for transform in self._transforms[position:]:
            if not data:
                return
            data = transform.feed(data)
        if data:
            self.sink.write(data)
            self.sent += len(data)

    def count(self, size: int) -> None:
        """Count written bytes, unless transforms have already counted them."""
        if not self.transformed:
            self.sent += size

    @property
    def full(self) -> bool:
        """Whether the producer should wait."""
        return self._open is None and self.sink.full

    async def drained(self) -> None:
        """Wait until the sink has room; always give other tasks a turn."""
        if self.full:
            await self.sink.drained()
        else:
            from asyncio import sleep

            await sleep(0)

    # Continued streams.

    @property
    def goes_on(self) -> bool:
        """Whether checkpoints are sent to the caller."""
        if self._open is not None or not getattr(self.sink, "goes_on", False):
            return False
        if self._can_flush is None:
            from .checkpointing import can_flush

            self._can_flush = can_flush(self._transforms)
        return self._can_flush

    @property
    def tells(self) -> bool:
        """Whether a checkpoint reached now is sent without waiting."""
        if not self.goes_on:
            return False
        if hasattr(self.sink, "forward"):
            return getattr(self.sink, "tells", True)
        return self._checkpoints is None or self._checkpoints.are_told

    def checkpoint(self, at: Checkpoint, *, waits: bool = False) -> None:
        """Record the producer's position; it is sent now or later if the caller accepts checkpoints.

        Args:
            at: The checkpoint.
            waits: Send it only if nothing follows for a while; from any thread.

        Raises:
            StreamHandedOver: The stream must continue from here in another invocation.
        """
        if self._open is not None:
            self._early = at  # to be sent when the response begins
        if not self.goes_on:
            return
        if (forward := getattr(self.sink, "forward", None)) is not None:
            self.flush()
            forward(at, waits=waits)
            return
        if self._checkpoints is None:
            self._begin_checkpoints()
        assert self._checkpoints is not None
        with self._guard:
            if waits:
                self._checkpoints.wait(at)
            else:
                self._checkpoints.reached(at)

    def _begin_checkpoints(self) -> None:
        from .checkpointing import Checkpoints

        self._checkpoints = Checkpoints(self)
        if self._guard is None:
            import threading

            self.guard(threading.Lock())
        if not self.empty:
            self._bind()

    def flush(self) -> None:
        """Flush the transforms, so that everything written so far can be read."""
        for position, transform in enumerate(self._transforms):
            if (flush := getattr(transform, "flush", None)) is not None:
                self._through(position + 1, flush())

    def hand_over(self, at: Checkpoint) -> None:
        """End this part of the stream; the next part continues from here.

        Content codings end before the checkpoint, so that no state of a compressor has to be carried over.

        Raises:
            StreamHandedOver: The outer handler's response must be handed over.
        """
        self.finish()
        hand_over = getattr(self.sink, "hand_over", None)
        if hand_over is None:
            raise StreamHandedOver(at)
        with self._guard:
            hand_over(at.state)
            self.over = True  # nothing may be written between the checkpoint and the end

    # Keeping alive.

    @property
    def lock(self) -> Any:
        """The lock that every writer holds if more than one thread writes."""
        return self._guard

    def guard(self, lock: Any) -> None:
        """Let another thread write too; every writer holds this lock."""
        self._guard = lock

    def _guarded(self, data: bytes) -> None:
        with self._guard:
            self._unguarded(data)
            self.idle_since = monotonic()

    def beat(self, data: bytes) -> None:
        """Write from another thread, which must hold the lock."""
        self._begin(TEXT)
        if self.sink.full:
            return
        if self.goes_on and (keep_alive := getattr(self.sink, "keep_alive", None)) is not None:
            keep_alive()
            return
        if self.empty:
            self._not_empty()
        self._unguarded(data)
        self.count(len(data))

    # Ending.

    def finish(self) -> None:
        """Send what the transforms still hold, after the producer's last chunk."""
        self.interruption.check()
        if self._part is not None:
            self._part.check_asked()
        self.begin()
        for position, transform in enumerate(self._transforms):
            self._through(position + 1, transform.finish())

    def end(self) -> None:
        """End the response."""
        self.stop_beating()
        if self._nothing_sent and self._filler:
            self.sink.write(self._filler)
        self.sink.end()

    def fail(self, error: BaseException) -> None:
        """End the response with this error; from any thread."""
        self.over = True
        self.sink.fail(error, self._filler if self._nothing_sent else b"")

    @property
    def _nothing_sent(self) -> bool:
        # Without transforms bytes are counted only now and then; a transform may output nothing.
        return not self.sent and (self.empty or self.transformed)

    def stop_beating(self) -> None:
        """Stop writes from other threads."""
        if self._guard is None:
            self.over = True
        else:
            with self._guard:
                self.over = True

    def interrupt(self, reason: BaseException) -> None:
        """Refuse further chunks and wake a producer that waits for room; from any thread."""
        self._reason = reason
        self.over = True
        self.write = self._refuse
        expire = getattr(self.sink, "expire", None) if self.begun else None
        if expire is not None:
            expire(self.interruption.patience)

    def _refuse(self, data: bytes) -> None:
        self.interruption.raised = True
        raise Stopped(self._reason)
