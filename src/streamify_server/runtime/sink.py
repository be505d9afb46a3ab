"""The body of a streamed response to the Runtime API: one buffer, one lock, one socket.

A chunk is sent at once; under load, chunks share a send. Each sink has a few immediate sends and gets one
more every 200 microseconds; when they are used up, chunks wait for the next one, for a full buffer, or for
the ticker's thread, which async producers that block cannot stop. A fixed delay would make every chunk late;
sending each at once would cost a fast producer a system call per chunk.
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
_FAST_SECONDS = 0.000005  # if writes come faster than this on average ...
_UNTIMED_WRITES = 15  # ... this many writes skip the clock before the next one that reads it
_FLUSH_SIZE = 64 * 1024  # unsent bytes that are sent even without an immediate send
_ROOM = 64 * 1024  # unsent bytes beyond which a producer waits
_PARTS_AT_ONCE = 512  # per system call; Linux allows 1,024
# Bytes per send. A segment of the loopback interface, where the Runtime API is, holds 65,483 bytes: a larger
# send, such as 64 KiB, becomes two segments, one of them tiny, and takes twice as long.
_SEND_SIZE = 48 * 1024
_LARGE = 128 * 1024  # bytes beyond which copying is slower than sending in parts
_TICK_SECONDS = 0.0005  # delay after which unsent bytes are sent
_BLOCKED_TICK_SECONDS = 0.01
_LOOK_SECONDS = 0.05  # how often a blocked send checks whether it has been given up
_ANSWER_SECONDS = 1.0  # time limit for receiving an early answer
_READABLE, _WRITABLE = select.POLLIN, select.POLLOUT
_SHUT_RDWR = 2


class ResponseSink:
    """The body of one streamed response.

    Args:
        connection: A connection on which the head of the request has been sent.
        path: The path of the request, for error messages.
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
        self._parts: list[bytes | memoryview] = []  # unsent data
        self._unsent = 0  # bytes of unsent data
        self._tokens = _IMMEDIATE_SENDS
        self._refilled = self._looked = monotonic()
        self._run = 0  # writes since then that did not read the clock ...
        self._untimed = 0  # ... and how many more will not
        self._progress = 0.0  # when a send that had to wait last made progress
        self._patience: float | None = None  # seconds that a send may wait without progress
        self._watched = False
        self._waiting: list[Any] = []  # futures of tasks that wait for room
        self._over = False
        self._closing = False
        self._error: BaseException | None = None
        self.full: bool = False

    def write(self, data: bytes) -> None:
        """Accept a chunk; if the sink is full, wait until there is room.

        Raises:
            StreamClosedError: The response has ended, or a blocked send has been given up.
            ResponseRefusedError: The platform has refused the response.
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
        """Try to send the unsent data."""
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
        """Send the unsent data and the terminator, and read the Runtime API's answer.

        Raises:
            ResponseRefusedError: The Runtime API has refused the response.
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
                pass  # the platform no longer reads the response; the first error counts
            finally:
                self._close()

    def expire(self, patience: float) -> None:
        """Wake a blocked write, and limit the time for ending the response; from any thread.

        Args:
            patience: Seconds that a send may wait without progress.
        """
        self._progress = monotonic()
        self._patience = patience

    def tick(self, now: float) -> float | None:
        """Send the data that has waited; on the ticker's thread."""
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
                return None  # raised to the producer later
            return now + (_BLOCKED_TICK_SECONDS if self._unsent else _TICK_SECONDS)
        finally:
            self._lock.release()

    # With the lock held.

    def _send(self) -> None:
        """Send as much as the socket accepts; check for an early answer first."""
        # An answer before the end is a refusal (413, 410). A sender that does not check for it fills the
        # buffers and waits forever.
        if self._poll.poll(0):
            self._refused()
        parts = self._parts
        try:
            if self._unsent >= _LARGE:
                self._sent(self._connection.sendmsg(parts[:_PARTS_AT_ONCE]))
                return
            if len(parts) > 1:
                parts[:] = [b"".join(parts)]  # cheaper than sending many parts
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
        """Drop the sent bytes from the buffer."""
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
        """Leave a chunk unsent, unless another immediate send is available."""
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
        """Wait briefly for room or an answer, without the lock; send what fits."""
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
        """Raise the error of an early answer."""
        try:
            self._connection.settimeout(_ANSWER_SECONDS)
            answer = read_answer(self._connection)
            raise RuntimeApiError(self._path, answer.status, answer.body)
        except (OSError, RuntimeApiError) as error:
            self._lost(error)

    def _broken(self, error: OSError) -> NoReturn:
        """Raise why nothing can be sent; the platform may have answered before it closed the connection."""
        if self._poll.poll(0):
            self._refused()
        self._lost(error)

    def _lost(self, error: Exception) -> NoReturn:
        self._error = refused(error)
        self.full = False  # wakes a producer that waits for room; its next chunk will raise
        raise self._error from error

    def _close(self) -> None:
        self.full = False
        if not self._waiting:
            self._connection.close()
            return
        # The loop still watches this socket and closes it when it has stopped.
        self._closing = True
        try:
            self._connection.shutdown(_SHUT_RDWR)
        except OSError:
            pass

    # On the event loop of the tasks that wait for room.

    def _make_room(self, loop: Any) -> None:
        try:
            self.flush()
        except ResponseRefusedError:
            pass  # raised by the next write
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
    """Return the error to raise for a connection error or a refusal."""
    if isinstance(error, RuntimeApiError) and error.status == 413:
        why = "The response is larger than Lambda takes (413): it has been cut off and its producer closed."
    elif isinstance(error, RuntimeApiError) and error.status == 410:
        why = "The invocation is over already (410): its response is no longer awaited."
    else:
        why = f"The response could not be sent to its end: {error}"
    return ResponseRefusedError(why)
