"""One server-side HTTP/1.1 connection, on asyncio's transports.

The data of one read is passed on together, and what is sent in reply goes out in one write, so that a
response of many small chunks does not need a system call for each of them.
"""

import asyncio
import select
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

from streamify_server.local.faults import CutKind

from .chunked import ChunkedDecoder, ChunkedError
from .head import Headers, MalformedRequestError, RequestHead, end_of_head, read_head, write_head
from .request import Request

# With more unread bytes than this, reading pauses.
_READ_AHEAD = 256 * 1024
_WRITE_BUFFER = 65536
_LINGER_SECONDS = 2.0
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class TruncatedBodyError(Exception):
    """The body is incomplete or malformed."""


class BodyTooLargeError(Exception):
    """The body exceeds the limit given to `read_body`."""


class Connection(asyncio.Protocol):
    """Reads requests and sends responses, one after the other, for one task.

    Args:
        idle_seconds: How long to wait for the start, or for more, of a request; None for no limit.

    Attributes:
        trailers: The trailers of the current request, once its body was read.
        was_reset: Whether the peer reset the connection.
        request_is_read: Whether the body of the current request has been read completely.
        responded: Whether the response to the current request is complete.
    """

    def __init__(self, idle_seconds: float | None = None) -> None:
        self._idle_seconds = idle_seconds
        self.trailers: dict[str, str] = {}
        self.was_reset: bool = False
        self.request_is_read: bool = True
        self.responded: bool = True
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._poll: select.poll | None = None
        self._data = bytearray()
        self._eof = False
        self._lost = self._loop.create_future()
        self._reading: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._closing = False
        self._head: RequestHead | None = None
        self._left = 0  # unread bytes of a request body with Content-Length
        self._decoder: ChunkedDecoder | None = None
        self._bare = False  # the response has no body
        self._chunked = False
        self._owed: int | None = None  # unsent bytes of a response with Content-Length

    # Callbacks of the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > _READ_AHEAD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self._eof = True
        self._wake_reader()
        # A peer that has finished sending may still read; TLS connections cannot be half-closed.
        return self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, error: Exception | None) -> None:
        self._eof = True
        self.was_reset = self.was_reset or isinstance(error, OSError)
        if not self._lost.done():
            self._lost.set_result(None)
        self._wake_reader()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._writable is None and not self._lost.done():
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        waiting, self._writable = self._writable, None
        if waiting and not waiting.done():
            waiting.set_result(None)

    def _wake_reader(self) -> None:
        if self._reading and not self._reading.done():
            self._reading.set_result(None)

    # Requests.

    async def next_request(self) -> Request | None:
        """Wait for the next request and return it; None at the end of the connection."""
        if self._closing or not (self.request_is_read and self.responded):
            return None
        try:
            head = await self._next_head()
        except MalformedRequestError as error:
            self.responded, self._closing = False, True
            await self.respond(error.status, [("connection", "close")], str(error).encode())
            await self.linger()
            return None
        if head is None:
            return None
        self._head, self.trailers = head, {}
        self._left, self._decoder = head.length or 0, None if head.length is not None else ChunkedDecoder()
        self.request_is_read, self.responded = head.length == 0, False
        self._closing = not head.keep_alive
        return head.request

    async def _next_head(self) -> RequestHead | None:
        seen = 0
        while True:
            while self._data.startswith(
                b"\r\n"
            ):  # RFC 9112, section 2.2: ignore an extra line end before a request
                del self._data[:2]
            if len(self._data) > seen:
                seen = len(self._data)
                if end := end_of_head(self._data):
                    head = read_head(bytes(self._data[:end]))
                    del self._data[:end]
                    return head
            if not await self._more(self._idle_seconds):
                if not self._data:
                    return None
                if self._eof:
                    raise MalformedRequestError("The request ended within its head.")
                raise MalformedRequestError("The rest of the request's head did not come in time.", 408)

    async def _more(self, seconds: float | None = None) -> bool:
        """Wait for more data; return False at the end of the data, or when the time is up."""
        if self._eof:
            return self._at_the_end()
        self._resume_reading()
        self._reading = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, self._wake_reader)
        held = len(self._data)
        try:
            await self._reading
        finally:
            self._reading = None
            if timer:
                timer.cancel()
        return len(self._data) > held or self._at_the_end()

    def _at_the_end(self) -> bool:
        self.was_reset = self.was_reset or _has_error(self._transport)
        return False

    def _resume_reading(self) -> None:
        if self._paused and len(self._data) <= _READ_AHEAD:
            self._paused = False
            self._transport.resume_reading()

    async def batch(self) -> list[bytes]:
        """Wait for data of the request's body and return all that is available; nothing at its end.

        At the end, `trailers` is set.

        Raises:
            TruncatedBodyError: The body is incomplete or malformed.
        """
        while not self.request_is_read:
            self._resume_reading()
            if not self._data and not await self._more_of_body():
                ended = "The connection ended before the body did."
                raise TruncatedBodyError(ended if self._eof else "The rest of the body did not come in time.")
            data = bytes(self._data)
            self._data.clear()
            if pieces := self._take(data):
                return pieces
        self._resume_reading()
        return []

    async def _more_of_body(self) -> bool:
        if self._head and self._head.expects_continue and not self._eof:
            self._head = None
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await self._more(self._idle_seconds)

    def _take(self, data: bytes) -> list[bytes]:
        if self._decoder is None:
            piece, rest = data[: self._left], data[self._left :]
            self._left -= len(piece)
            self.request_is_read = not self._left
            self._data[:0] = rest
            return [piece] if piece else []
        try:
            pieces = self._decoder.receive(data)
        except ChunkedError as error:
            raise TruncatedBodyError(f"The body is not chunked as its head says: {error}") from error
        if self._decoder.ended:
            self.request_is_read = True
            self.trailers = self._decoder.trailers
            self._data[:0] = self._decoder.rest
        return pieces

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the request's body as they arrive; otherwise like `batch`."""
        while batch := await self.batch():
            for piece in batch:
                yield piece

    async def read_body(self, limit: int) -> bytes:
        """Read the whole body and return it.

        Raises:
            BodyTooLargeError: It has more than `limit` bytes.
            TruncatedBodyError: It is incomplete or malformed.
        """
        if self.request_is_read:
            return b""
        pieces, size = [], 0
        while batch := await self.batch():
            size += sum(map(len, batch))
            if size > limit:
                raise BodyTooLargeError(limit)
            pieces += batch
        return b"".join(pieces)

    async def skip_body(self, limit: int) -> None:
        """Read and discard the rest of the body; stop if it exceeds the limit or is incomplete."""
        try:
            await self.read_body(limit)
        except (BodyTooLargeError, TruncatedBodyError):
            pass

    # Responses.

    async def respond(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Send a complete response; if the request was not read completely, the connection is then closed."""
        headers, length = list(headers), None
        if status != HTTPStatus.NO_CONTENT:
            length = len(body)
            headers.append(("content-length", str(length)))
        head = self._begin(status, headers, length)
        self.responded = True
        await self._write(head if self._bare else head + body)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of a response; without a Content-Length, the body is sent in HTTP chunks."""
        headers = list(headers)
        given = [int(value) for name, value in headers if name.lower() == "content-length"]
        await self._write(self._begin(status, headers, given[0] if given else None))

    def _begin(self, status: int, headers: list[tuple[str, str]], length: int | None) -> bytes:
        head = self._head
        self._bare = status in _WITHOUT_BODY or (head is not None and head.request.method == "HEAD")
        self._owed = None if self._bare else length
        self._chunked = not self._bare and length is None and (head is None or head.chunks_allowed)
        if self._chunked:
            headers.append(("transfer-encoding", "chunked"))
        elif not self._bare and length is None:
            self._closing = True  # HTTP/1.0: closing the connection ends the body
        if not self.request_is_read:
            self._closing = True
        if self._closing and not any(name.lower() == "connection" for name, _ in headers):
            headers.append(("connection", "close"))
        return write_head(status, headers)

    async def send(self, data: bytes) -> None:
        """Send a piece of the body immediately; wait while the peer does not read."""
        await self.send_all((data,))

    async def send_all(self, pieces: Sequence[bytes]) -> None:
        """Send pieces of the body in one write, each as a separate HTTP chunk."""
        if self._bare:
            return
        if self._chunked:
            await self._write(b"".join(_chunks(pieces)))
        else:
            data = b"".join(pieces)
            if self._owed is not None:
                self._owed -= len(data)
            await self._write(data)

    async def finish(self) -> None:
        """End the response; if it is shorter than its Content-Length, close the connection afterwards."""
        self.responded = True
        if self._owed:
            self._closing = True
        if self._chunked:
            await self._write(b"0\r\n\r\n")

    async def _write(self, data: bytes) -> None:
        if self._lost.done() or self._transport.is_closing():
            raise ConnectionResetError("The peer has closed the connection.")
        self._transport.write(data)
        if self._writable:
            await asyncio.shield(self._writable)
            if self._lost.done():
                raise ConnectionResetError("The peer has closed the connection.")

    # Closing.

    async def linger(self) -> None:
        """Half-close and discard further input, so that a reset does not destroy an early response."""
        try:
            self._transport.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                await self.wait_for_hang_up()
        except (OSError, TimeoutError, NotImplementedError):
            pass

    async def cut(self, kind: CutKind) -> None:
        """End a response early: close or reset the connection, or end the HTTP body properly."""
        if kind == "clean" and not self._owed:
            return await self.finish()
        # Not 0: that would wait forever over TLS.
        self._transport.set_write_buffer_limits(1)
        if self._writable:
            await asyncio.shield(self._writable)
        self._closing = True
        if kind == "rst":
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        else:
            self._transport.close()
        return None

    async def wait_for_hang_up(self) -> None:
        """Wait until the peer closes the connection; discard what it sends."""
        while not self._eof:
            self._data.clear()
            await self._more()

    def hung_up(self) -> bool:
        """Whether the peer has closed the connection. Call it only while the peer has nothing to send."""
        if self._eof or self._transport.is_closing():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(self._poll.poll(0))

    def abort(self) -> None:
        """Close the connection immediately, without sending what is buffered."""
        self._transport.abort()

    async def close(self) -> None:
        """Send what is buffered, close the connection, and wait until it is closed."""
        self._transport.close()
        await asyncio.shield(self._lost)


def _chunks(pieces: Iterable[bytes]) -> Iterable[bytes]:
    for piece in pieces:
        if piece:  # an empty chunk would end the body
            yield b"%x\r\n" % len(piece)
            yield piece
            yield b"\r\n"


def _has_error(transport: Any) -> bool:
    """Whether the socket has an error: a reset after the peer's end of stream is not seen by reading."""
    try:
        return bool(transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    except OSError:
        return True


Handler = Callable[[Request, Connection], Awaitable[None]]
