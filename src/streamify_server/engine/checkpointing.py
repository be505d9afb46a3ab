"""When a checkpoint is sent: at once, after a pause, or never because another one follows."""

from __future__ import annotations

import logging
from time import monotonic

from streamify_server.checkpoints import StreamHandedOver
from streamify_server.runtime import ticker as _ticker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from streamify_server.checkpoints import Checkpoint
    from streamify_server.middleware import Transform

    class Written(Protocol):
        """The output that a body is written to."""

        sink: Any
        empty: bool
        over: bool
        idle_since: float

        @property
        def lock(self) -> Any:
            """The lock that every writer holds."""

        def flush(self) -> None:
            """Flush the transforms."""


EVERY = 1.0  # seconds between two checkpoints, and of silence after a pending one
EVERY_BYTES = 1024 * 1024

_log = logging.getLogger("streamify_server")
_warned: set[str] = set()


class Checkpoints:
    """The checkpoints of one response. Its methods are called with the output's lock held.

    The ticker's thread sends a pending checkpoint, so every write must hold that lock; responses without
    checkpoints do not pay for it.

    Args:
        out: The output to send them to, between the chunks.
    """

    def __init__(self, out: Written) -> None:
        self._out = out
        self._sink: Any = out.sink
        self._sent_at: float | None = None
        self._sent_position = 0
        self._waiting: tuple[Checkpoint, float] | None = None
        self._watched = False

    @property
    def are_told(self) -> bool:
        """Whether a checkpoint reached now is sent, or hands over, without waiting."""
        return self._sink.hands_over or self._is_due(monotonic())

    def reached(self, at: Checkpoint) -> None:
        """Handle a checkpoint that the producer has reached.

        Raises:
            StreamHandedOver: The stream must continue from here in another invocation.
        """
        self._waiting = None
        if self._sink.hands_over and not self._out.empty:
            self._out.flush()
            if self._sink.is_new:
                raise StreamHandedOver(at)
        now = monotonic()
        if self._is_due(now):
            self._send(at, now)
        else:
            self.wait(at)

    def wait(self, at: Checkpoint) -> None:
        """Send this checkpoint if nothing follows it for a while."""
        self._waiting = at, self._out.idle_since
        if not self._watched:
            self._watched = True
            _ticker.watch(self)

    def tick(self, now: float) -> float | None:
        """Send the pending checkpoint if nothing has followed it; on the ticker's thread."""
        guard = self._out.lock
        if not guard.acquire(blocking=False):
            return now + EVERY / 10  # a write is in progress
        try:
            return self._tick(now)
        except BaseException:
            return None  # writing failed; the producer's next chunk will raise
        finally:
            guard.release()

    def _tick(self, now: float) -> float | None:
        if self._out.over or self._waiting is None:
            self._watched = False
            return None
        at, idle_since = self._waiting
        if self._out.idle_since != idle_since:  # data has followed it
            self._watched = False
            self._waiting = None
            return None
        if (due := max(idle_since, self._sent_at or 0.0) + EVERY) > now:
            return due
        if self._sink.full:
            return now + EVERY / 10
        self._waiting = None
        self._watched = False
        self._send(at, now)
        return None

    def _is_due(self, now: float) -> bool:
        if self._sent_at is None or now - self._sent_at >= EVERY:
            return True
        return bool(self._sink.position - self._sent_position >= EVERY_BYTES)

    def _send(self, at: Checkpoint, now: float) -> None:
        self._out.flush()
        self._sink.checkpoint(at.state)
        self._sent_at, self._sent_position = now, self._sink.position


def can_flush(transforms: Sequence[Transform]) -> bool:
    """Whether all transforms support flush(); logs once per process for each type that does not."""
    for transform in transforms:
        if not callable(getattr(transform, "flush", None)):
            name = type(transform).__name__
            if name not in _warned:
                _warned.add(name)
                _log.warning(
                    "Checkpoints are off, because the body passes %s, which has no flush(): the stream "
                    "cannot continue in another invocation",
                    name,
                )
            return False
    return True
