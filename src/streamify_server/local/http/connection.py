"""One HTTP/1.1 connection of a server, on asyncio's transports.

All that one read brought is handed over together, and what is answered to it goes out in one write: a
response of many small chunks then costs the reads and writes of the kernel, not those of its chunks.
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

# More than this unread, and the peer has to wait.
_READ_AHEAD = 256 * 1024
_WRITE_BUFFER = 65536
_LINGER_SECONDS = 2.0
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class TruncatedBodyError(Exception):
    """The body did not come as its head says: it broke off, or is malformed."""


class BodyTooLargeError(Exception):
    """The body is larger than the caller of `read_body` takes."""


class Connection(asyncio.Protocol):
    """Requests in, responses out, one after the other; used by one task.

    Args:
        idle_seconds: How long the peer may take until it begins or goes on with a request; None: as long as
            it likes.

    Attributes:
        trailers: Those of the current request, once its body was read.
        was_reset: Whether the peer reset the connection.
        request_is_read: Whether the current request has been read to the end of its body.
        responded: Whether the current request has been answered to the end.
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
        self._left = 0  # bytes of a request's body of announced length
        self._decoder: ChunkedDecoder | None = None
        self._bare = False  # the response has no body
        self._chunked = False
        self._owed: int | None = None  # bytes of the response's announced length

    # What the transport says.

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
        # A peer that has sent all may still read; TLS has no such half.
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
        """The next request, or None at the end of the connection."""
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
            ):  # RFC 9112, section 2.2: clients that send one line end more
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
        """Wait for data that were not there yet; False at the end of what the peer sends."""
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
        """The next pieces of the request's body, all that are there together; none at its end.

        `trailers` is set then.

        Raises:
            TruncatedBodyError: The body broke off, or is malformed.
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
        """The pieces of the request's body as they arrive; as `batch`."""
        while batch := await self.batch():
            for piece in batch:
                yield piece

    async def read_body(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            BodyTooLargeError: It has more than `limit` bytes.
            TruncatedBodyError: It broke off, or is malformed.
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
        """Read the rest of the body and forget it, unless that is too much or it breaks off."""
        try:
            await self.read_body(limit)
        except (BodyTooLargeError, TruncatedBodyError):
            pass

    # Responses.

    async def respond(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Send a whole response; a connection whose request was not read to its end closes after it."""
        headers, length = list(headers), None
        if status != HTTPStatus.NO_CONTENT:
            length = len(body)
            headers.append(("content-length", str(length)))
        head = self._begin(status, headers, length)
        self.responded = True
        await self._write(head if self._bare else head + body)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of a response; without a Content-Length its body goes out in HTTP chunks."""
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
            self._closing = True  # HTTP/1.0: the end of the connection ends the body
        if not self.request_is_read:
            self._closing = True
        if self._closing and not any(name.lower() == "connection" for name, _ in headers):
            headers.append(("connection", "close"))
        return write_head(status, headers)

    async def send(self, data: bytes) -> None:
        """Send a piece of the body, at once; wait while the peer does not read."""
        await self.send_all((data,))

    async def send_all(self, pieces: Sequence[bytes]) -> None:
        """Send pieces of the body, each an HTTP chunk of its own, in one write."""
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
        """End the response; one that is shorter than its Content-Length closes the connection."""
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

    # The end.

    async def linger(self) -> None:
        """Half-close and discard what still comes, so that a response sent early is not lost to a reset."""
        try:
            self._transport.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                await self.wait_for_hang_up()
        except (OSError, TimeoutError, NotImplementedError):
            pass

    async def cut(self, kind: CutKind) -> None:
        """End a response in the middle: close or reset the connection, or end the HTTP body in good order."""
        if kind == "clean" and not self._owed:
            return await self.finish()
        # Not 0: over TLS that would wait for ever.
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
        """Wait until the peer closes; what it sends until then is dropped."""
        while not self._eof:
            self._data.clear()
            await self._more()

    def hung_up(self) -> bool:
        """Whether the peer has closed; only to be asked while it has nothing to send."""
        if self._eof or self._transport.is_closing():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return bool(self._poll.poll(0))

    def abort(self) -> None:
        """Drop the connection without another word."""
        self._transport.abort()

    async def close(self) -> None:
        """Send what is still to be sent, close, and wait until that is done."""
        self._transport.close()
        await asyncio.shield(self._lost)


def _chunks(pieces: Iterable[bytes]) -> Iterable[bytes]:
    for piece in pieces:
        if piece:  # an empty one would end the body
            yield b"%x\r\n" % len(piece)
            yield piece
            yield b"\r\n"


def _has_error(transport: Any) -> bool:
    """Whether a reset followed the end of the peer's bytes, which hides it from whoever reads."""
    try:
        return bool(transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    except OSError:
        return True


Handler = Callable[[Request, Connection], Awaitable[None]]
