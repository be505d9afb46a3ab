"""aiohttp's connections and responses with our time limits; functions by name and URLs share this.

What is different from aiohttp, and why: a request is sent only once (aiohttp sends it again if a
kept-alive connection dies before the head), a connection with unexpected bytes is not reused (aiohttp would
take them for the next response), and all limits are ours (aiohttp's start again with each byte).

These private parts of aiohttp are used: a connector's `connect`, which is wrapped; a protocol's
`should_close` and its parser, which knows whether a second response has begun; a StreamReader's buffer,
the methods that take from it, also before an error, and what waits for more data, with its future, so
that a read that timed out can be repeated. Many small pieces are joined in the buffer and taken as one,
since aiohttp checks for each whether to resume reading.
"""

import asyncio
import contextlib
import select
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from streamify_client.errors import CorruptStreamError, StreamClosedError, StreamTimeoutError

from .aio_waiting import Alarm, Cancellable, reset
from .causes import innermost_reason
from .connection_errors import is_no_http, late
from .deadlines import Allowance, Deadline
from .process import Process
from .seam import Opening, ResponseHead
from .sockets import keep_alive

NO_LIMITS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_LARGE = 64 * 1024  # bytes: smaller pieces are cheaper to copy than to take separately
MAX_FIELD = 64 * 1024  # bytes of one line of a head, as http.client has it


class AsyncExchange(Cancellable):
    """One request and the head of its response: a block in which they are awaited, within the limits.

    Raises:
        StreamTimeoutError: A time limit was exceeded.

    Attributes:
        connected: Whether a connection was made, so that the request may have been sent.
        alarm: Keeps its limits, and afterwards those of its response.
    """

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening.cancellation)
        self.connected: bool = False
        self.alarm: Alarm = Alarm(self.loop)
        self._opening = opening
        self._deadline = Deadline(opening.deadline)
        self._full_pool: int | None = None  # its size

    def __enter__(self) -> Self:
        super().__enter__()
        self._token = current_exchange.set(self)
        self._allow(None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.alarm.unset()
        else:
            self.alarm.stop()
        reset(current_exchange, self._token)
        del self._opening, self._token  # a new connection keeps its context, and so this
        super().__exit__(kind, error, trace)

    def connecting(self, full_pool: int | None) -> None:
        """A connection is about to be made, or to be waited for if all connections of a pool are in use."""
        self._full_pool = full_pool
        self._allow(self._opening.connect_timeout)

    def begin(self) -> None:
        """The request is about to be sent: the time limit for the first byte starts."""
        self.connected = True
        self._allow(self._opening.first_byte_timeout)

    def _allow(self, seconds: float | None) -> None:
        self.alarm.set(self._deadline.allow(seconds), self._strike)

    def _strike(self) -> None:
        self.interrupt(self._timed_out())

    def _timed_out(self) -> StreamTimeoutError:
        opening = self._opening
        is_total = opening.deadline is not None and opening.deadline - time.monotonic() < 0.02
        if self.connected or self._full_pool is None or is_total:
            return late(self.connected)
        return StreamTimeoutError(
            f"No connection came free within {opening.connect_timeout} s (connect_timeout): all "
            f"{self._full_pool} of the client's pool are in use. Read fewer streams at once, or make the "
            "client with a larger max_pool_connections.",
            phase="connect",
            limit=opening.connect_timeout,
        )


current_exchange: ContextVar[AsyncExchange | None] = ContextVar("streamify_async_exchange", default=None)


class GuardedConnector:
    """An aiohttp connector whose connections are safe for requests that must not be sent twice.

    Args:
        connector: The connector with the pool.
    """

    def __init__(self, connector: Any) -> None:
        self._guarded = connector
        self._used: weakref.WeakSet[Any] = weakref.WeakSet()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guarded, name)

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        """Return a connection: a new one, or a used one on which nothing unexpected has arrived."""
        exchange = current_exchange.get()
        assert exchange is not None
        if exchange.connected:
            raise aiohttp.ServerDisconnectedError("The connection ended before a response arrived")
        exchange.connecting(self._full_pool_size())
        while True:
            connection = await self._guarded.connect(*args, **kwargs)
            protocol = connection.protocol
            if protocol not in self._used:
                self._used.add(protocol)
                if (sock := connection.transport.get_extra_info("socket")) is not None:
                    keep_alive(sock)
                break
            if not (protocol.should_close or _has_begun(protocol) or _has_unread(connection.transport)):
                break
            connection.close()
        exchange.begin()
        return connection

    def _full_pool_size(self) -> int | None:
        limit: int = self._guarded.limit
        taken = len(getattr(self._guarded, "_acquired", ()))
        return limit if limit and taken >= limit else None


def _has_begun(protocol: Any) -> bool:
    """Return whether part of another response followed the last one, unknown to the next parser."""
    parser = getattr(protocol, "_parser", None)
    try:
        return parser is not None and parser.feed_eof() is not None
    except HttpProcessingError:
        return True


def _has_unread(transport: Any) -> bool:
    """Return whether the kernel has bytes, or the end, of a connection on which nothing is expected."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return True
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN)
        return bool(poller.poll(0))
    return bool(select.select([sock.fileno()], [], [], 0)[0])


def make_session(connector: Any, *, owned: bool, **options: Any) -> aiohttp.ClientSession:
    """Create a session that adds nothing to requests and keeps nothing of responses."""
    guarded: Any = GuardedConnector(connector)
    return aiohttp.ClientSession(
        connector=guarded,
        connector_owner=owned,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=NO_LIMITS,
        max_line_size=MAX_FIELD,
        max_field_size=MAX_FIELD,
        **options,
    )


class AiohttpResponse:
    """A response of aiohttp as an AsyncRawResponse.

    Args:
        head: Status and headers.
        raw: aiohttp's response, or a test double.
        alarm: That of its request, in the event loop to which it belongs.
        check_end: Called at the end of the body; raises if that end proves nothing.
    """

    def __init__(
        self,
        head: ResponseHead,
        raw: Any,
        alarm: Alarm,
        check_end: Callable[[], object] | None = None,
    ) -> None:
        self.head = head
        self._raw = raw
        self._content: Any = raw.content
        self._is_double = not hasattr(self._content, "_read_nowait")
        self.survives_timeout: bool = hasattr(self._content, "_waiter")
        self._is_framed = head.framing == "eventstream"  # so that the boundaries of pieces do not matter
        self._check_end = check_end
        self._process = Process.id
        self._alarm = alarm

    async def read(self, timeout: float | None, wanted: int = 0) -> list[bytes]:
        """Return what has arrived."""
        try:
            if self._is_double:
                async with asyncio.timeout(timeout):
                    pieces = [data] if (data := await self._content.readany()) else []
            else:
                pieces = self._take()
                if not pieces and not self._content.is_eof():
                    pieces = await self._wait(timeout)
            if not pieces and self._check_end is not None:
                self._check_end()
            return pieces
        except TimeoutError:
            raise
        except (OSError, aiohttp.ClientError, HttpProcessingError) as error:
            raise _body_error(error) from error
        except RuntimeError as error:
            if asyncio.get_running_loop() is self._alarm.loop:
                raise
            raise StreamClosedError(
                "The stream belongs to another event loop: read it in the loop in which it was opened."
            ) from error

    def _take(self) -> list[bytes]:
        """Return what is in memory, including data before an error, which the next read raises."""
        content = self._content
        buffer = getattr(content, "_buffer", None)  # that of an answer without a body has none
        if not buffer:
            return []
        pieces = list(buffer)
        if len(pieces) == 1 or sum(map(len, pieces)) >= len(pieces) * _LARGE:
            return [content._read_nowait_chunk(-1) for _ in pieces]
        buffer.clear()  # taking one piece takes a dozen calls
        buffer.append(b"".join(pieces))
        joined = content._read_nowait_chunk(-1)
        return [joined] if self._is_framed else pieces

    async def _wait(self, timeout: float | None) -> list[bytes]:
        """Wait for more; return nothing at the end."""
        content = self._content
        if timeout is not None:
            self._alarm.set(timeout, self._wake)
        try:
            while not (pieces := self._take()) and not content.is_eof():
                if (error := content.exception()) is not None:
                    raise error
                await content._wait("read")  # aiohttp has no public way to wait without taking
            return pieces
        finally:
            self._alarm.unset()

    def _wake(self) -> None:
        """Make the current read raise; with the public method this would end the response."""
        error = TimeoutError("nothing came in time")
        if not self.survives_timeout:
            self._content.set_exception(error)
        elif (waiter := self._content._waiter) is not None and not waiter.done():
            waiter.set_exception(error)

    async def finish(self) -> None:
        """Read to the end of HTTP's framing, so that aiohttp returns the connection to its pool."""
        allowance = Allowance()
        with contextlib.suppress(TimeoutError, ConnectionError, CorruptStreamError):
            while wait := allowance.wait:
                pieces = await self.read(wait)
                if not pieces:
                    break
                allowance.took(pieces)
        if self._process == Process.id:
            self._abort()  # nothing, where aiohttp has returned it

    def close(self) -> None:
        """Close the connection, from any thread; at the end of a response it has already been pooled."""
        if self._process != Process.id:
            return  # the loop and the connection are those of the parent
        try:
            here = asyncio.get_running_loop() is self._alarm.loop
        except RuntimeError:
            here = False
        if here:
            self._abort()
            return
        with contextlib.suppress(Exception):
            if not self._alarm.loop.is_closed():
                self._alarm.loop.call_soon_threadsafe(self._abort)
            elif self._raw.connection is not None:
                self._raw.connection.close()  # its transport went with the loop

    def _abort(self) -> None:
        """Close without TLS's closing handshake, for which asyncio would keep the socket up to 30 seconds."""
        self._alarm.stop()
        transport = getattr(self._raw.connection, "transport", None)
        if transport is not None:
            transport.abort()
        self._raw.close()


def _body_error(error: Exception) -> Exception:
    """Return what an AsyncRawResponse raises for an error of aiohttp while the body is read."""
    if is_no_http(error) and "not completed" not in str(error):
        return CorruptStreamError(f"The response breaks HTTP's framing: {innermost_reason(error)}.")
    return ConnectionError(str(error) or type(error).__name__)
