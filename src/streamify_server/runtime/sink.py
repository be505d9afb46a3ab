"""The body of a streamed response on its way to the Runtime API: one buffer, one lock, one socket.

A chunk leaves at once; under load chunks share a send. Each sink has a few immediate sends, and gets one
more every 200 microseconds; when they are used up, chunks wait for the next one, for a full buffer, or for
the ticker's thread.
"""

from __future__ import annotations

import select
import threading
from time import monotonic

from streamify_server.errors import ResponseRefusedError, StreamClosedError
from streamify_server.wire.errors import error_trailers

from .api import RuntimeApiError, last_chunk, read_answer

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .api import Socket

_IMMEDIATE_SENDS = 16
_REFILL_SECONDS = 0.0002
_FAST_SECONDS = 0.000005  # chunks that come in less than this ...
_UNTIMED_WRITES = 15  # ... look at the clock once in so many and one
_FLUSH_SIZE = 64 * 1024  # unsent bytes that are sent whether or not there is an immediate send
_ROOM = 64 * 1024  # unsent bytes beyond which a producer waits
_PARTS_AT_ONCE = 512  # of one system call; Linux takes 1,024
# Bytes of one send. A segment of the loopback interface, where the Runtime API is, holds 65,483: a send of a
# little more becomes two segments, one of them tiny, and takes twice as long.
_SEND_SIZE = 48 * 1024
_LARGE = 128 * 1024  # bytes beyond which copying takes longer than sending in parts
_TICK_SECONDS = 0.0005  # what is unsent is sent after this time
_BLOCKED_TICK_SECONDS = 0.01
_LOOK_SECONDS = 0.05  # how often a blocked send looks whether it has been given up
_ANSWER_SECONDS = 1.0  # how long an early answer may take to be whole
_READABLE, _WRITABLE = select.POLLIN, select.POLLOUT
_SHUT_RDWR = 2


class ResponseSink:
    """The body of a response under way.

    Args:
        connection: A connection on which the head of the request has been sent.
        path: What is posted, for errors.
    """

    __slots__ = (
        "_closing",
        "_connection",
        "_error",
        "_lock",
        "_looked",
        "_over",
        "_parts",
        "_path",
        "_patience",
        "_poll",
        "_progress",
        "_refilled",
        "_run",
        "_tokens",
        "_unsent",
        "_untimed",
        "_waiting",
        "_watched",
        "full",
    )

    def __init__(self, connection: Socket, path: str) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._path = path
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(connection, _READABLE)
        self._parts: list[bytes | memoryview] = []  # what is unsent
        self._unsent = 0  # bytes of it
        self._tokens = _IMMEDIATE_SENDS
        self._refilled = self._looked = monotonic()
        self._run = 0  # writes since then that did not look at the clock ...
        self._untimed = 0  # ... and how many more of them there will be
        self._progress = 0.0  # when something was sent last, by a send that had to wait
        self._patience: float | None = None  # seconds that a send may wait without progress
        self._watched = False
        self._waiting: list[Any] = []  # futures of tasks that wait for room
        self._over = False
        self._closing = False
        self._error: BaseException | None = None
        self.full: bool = False

    def write(self, data: bytes) -> None:
        """Take a chunk; wait until there is room for it if the sink is full.

        Raises:
            StreamClosedError: The response has ended, or a blocked send has been given up.
            ResponseRefusedError: The platform does not take it.
        """
        with self._lock:
            if self.full or self._over or self._error is not None:
                self._wait_for_room()
            size = len(data)
            if size >= _LARGE:
                self._send_large(data)
                return
            part = b"%x\r\n%b\r\n" % (size, data)
            self._parts.append(part)
            self._unsent += len(part)
            if self._tokens:
                self._tokens -= 1
                self._send()
            elif self._unsent >= _FLUSH_SIZE:
                self._send()
            elif self._untimed and self._watched:
                self._untimed -= 1
            else:
                self._defer()

    def flush(self) -> None:
        """Try to send what is unsent."""
        with self._lock:
            if self._unsent and self._error is None:
                self._send()

    async def drained(self) -> None:
        """Wait until there is room."""
        if not self.full:
            return
        import asyncio

        loop = asyncio.get_running_loop()
        room = loop.create_future()
        if not self._waiting:
            loop.add_writer(self._connection, self._make_room, loop)
            loop.add_reader(self._connection, self._make_room, loop)  # an early answer
        self._waiting.append(room)
        try:
            await room
        finally:
            if room in self._waiting:
                self._waiting.remove(room)
                if not self._waiting:
                    self._leave(loop)

    def end(self) -> None:
        """Send what is unsent and the terminator, and see what the Runtime API says.

        Raises:
            ResponseRefusedError: It has not taken the response.
        """
        with self._lock:
            if self._over:
                return
            self._over = True
            try:
                if self._error is not None:
                    raise self._error
                self._finish(last_chunk({}))
            finally:
                self._close()

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        """End the response with a last chunk and the trailers of this error."""
        with self._lock:
            if self._over:
                return
            self._over = True
            self._progress = monotonic()
            try:
                if self._error is None:
                    self._finish(last_chunk(error_trailers(error), last))
            except (OSError, RuntimeApiError):
                pass  # the platform does not listen, and what failed first is what counts
            finally:
                self._close()

    def expire(self, patience: float) -> None:
        """Wake a write that is blocked, and bound what ends the response; from any thread.

        Args:
            patience: Seconds that a send may wait without progress.
        """
        self._progress = monotonic()
        self._patience = patience

    def tick(self, now: float) -> float | None:
        """Send what has waited, on the ticker's thread."""
        if not self._lock.acquire(blocking=False):
            return now + _TICK_SECONDS
        try:
            if not self._unsent or self._over or self._error is not None:
                self._watched = False
                return None
            try:
                self._send()
            except BaseException:
                self._watched = False
                return None  # kept for the producer
            return now + (_BLOCKED_TICK_SECONDS if self._unsent else _TICK_SECONDS)
        finally:
            self._lock.release()

    # With the lock held.

    def _send(self) -> None:
        """Send as much as the socket takes; look for an early answer first."""
        # An answer before the end is a refusal (413, 410). Whoever does not look fills the buffers and waits
        # for ever.
        if self._poll.poll(0):
            self._refused()
        parts = self._parts
        try:
            if self._unsent >= _LARGE:
                self._sent(self._connection.sendmsg(parts[:_PARTS_AT_ONCE]))
                return
            if len(parts) > 1:
                parts[:] = [b"".join(parts)]  # cheaper than many parts
            while parts:
                data = parts[0]
                asked = len(data)
                if asked > _SEND_SIZE:
                    data, asked = memoryview(data)[:_SEND_SIZE], _SEND_SIZE
                sent = self._connection.send(data)
                self._sent(sent)
                if sent < asked:
                    return
        except BlockingIOError:
            self._sent(0)
        except OSError as error:
            self._broken(error)

    def _send_large(self, data: bytes) -> None:
        """Send a chunk without copying it."""
        size = b"%x\r\n" % len(data)
        self._parts += (size, data, b"\r\n")
        self._unsent += len(size) + len(data) + 2
        self._send()

    def _sent(self, size: int) -> None:
        """Forget what has been sent."""
        self._unsent -= size
        parts = self._parts
        if not self._unsent:
            parts.clear()
        elif size:
            whole = 0
            while size >= len(parts[whole]):
                size -= len(parts[whole])
                whole += 1
            del parts[:whole]
            if size:
                parts[0] = memoryview(parts[0])[size:]
        self.full = self._unsent >= _ROOM
        if self._unsent and not self._watched:
            self._watch()

    def _defer(self) -> None:
        """Leave a chunk unsent, unless it is time for one more immediate send."""
        now = monotonic()
        fast = now - self._looked < _FAST_SECONDS * (self._run + 1)
        self._looked, self._run = now, _UNTIMED_WRITES if fast else 0
        self._untimed = self._run
        waited = now - self._refilled
        if waited >= _REFILL_SECONDS:
            self._refilled = now
            self._tokens = min(_IMMEDIATE_SENDS, int(waited / _REFILL_SECONDS)) - 1
            self._send()
        elif not self._watched:
            self._watch()

    def _watch(self) -> None:
        from . import ticker as _ticker

        self._watched = True
        _ticker.watch(self)

    def _wait_for_room(self) -> None:
        while self._unsent and self.full and not self._over and self._error is None:
            self._wait(_WRITABLE)
            if self._patience is not None:
                raise StreamClosedError("The response could not be sent in time.")
        if self._error is not None:
            raise self._error
        if self._over:
            raise StreamClosedError("The response has ended: nothing more can be written.")

    def _finish(self, end: bytes) -> None:
        self._parts.append(end)
        self._unsent += len(end)
        while self._unsent:
            self._send()
            if self._unsent:
                self._wait(_WRITABLE)
        while not self._poll.poll(0):
            self._wait(0)
        self._answered()

    def _wait(self, writable: int) -> None:
        """Wait a moment for room or an answer, without the lock; send what fits."""
        before = self._unsent
        self._lock.release()
        try:
            poll = select.poll()
            poll.register(self._connection, _READABLE | writable)
            poll.poll(_LOOK_SECONDS * 1000)
        finally:
            self._lock.acquire()
        if self._unsent and self._error is None:
            self._send()
        if self._unsent < before:
            self._progress = monotonic()
        elif self._patience is not None and self._over and monotonic() - self._progress > self._patience:
            raise ResponseRefusedError("The response could not be sent in time: it has been cut off.")

    def _answered(self) -> None:
        self._connection.settimeout(self._patience)
        try:
            answer = read_answer(self._connection)
            if answer.status != 202:
                raise RuntimeApiError(self._path, answer.status, answer.body)
        except (OSError, RuntimeApiError) as error:
            raise refused(error) from error

    def _refused(self) -> NoReturn:
        """Raise what an early answer says."""
        try:
            self._connection.settimeout(_ANSWER_SECONDS)
            answer = read_answer(self._connection)
            raise RuntimeApiError(self._path, answer.status, answer.body)
        except (OSError, RuntimeApiError) as error:
            self._lost(error)

    def _broken(self, error: OSError) -> NoReturn:
        """Raise why nothing can be sent; the platform may have said it before it closed the connection."""
        if self._poll.poll(0):
            self._refused()
        self._lost(error)

    def _lost(self, error: Exception) -> NoReturn:
        self._error = refused(error)
        self.full = False  # a producer that waits for room learns it with the next chunk
        raise self._error from error

    def _close(self) -> None:
        self.full = False
        if not self._waiting:
            self._connection.close()
            return
        # The loop watches this socket: it closes it, once it has left off.
        self._closing = True
        try:
            self._connection.shutdown(_SHUT_RDWR)
        except OSError:
            pass

    # On the event loop of tasks that wait for room.

    def _make_room(self, loop: Any) -> None:
        try:
            self.flush()
        except ResponseRefusedError:
            pass  # kept for the next write
        if self.full and self._error is None and not self._over:
            return
        waiting, self._waiting = self._waiting, []
        self._leave(loop)
        for room in waiting:
            if not room.done():
                room.set_result(None)

    def _leave(self, loop: Any) -> None:
        loop.remove_writer(self._connection)
        loop.remove_reader(self._connection)
        if self._closing:
            self._connection.close()


def refused(error: Exception) -> ResponseRefusedError:
    """What to raise for an error of the connection, or for an answer that is a refusal."""
    if isinstance(error, RuntimeApiError) and error.status == 413:
        why = "The response is larger than Lambda takes (413): it has been cut off and its producer closed."
    elif isinstance(error, RuntimeApiError) and error.status == 410:
        why = "The invocation is over already (410): its response is no longer awaited."
    else:
        why = f"The response could not be sent to its end: {error}"
    return ResponseRefusedError(why)
