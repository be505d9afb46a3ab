"""One HTTP/1.1 connection of a server: h11 for the protocol, asyncio streams for the bytes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from http import HTTPStatus

import h11

from .faults import CutKind
from .request import Request

_READ_SIZE = 65536
_MAX_HEAD = 128 * 1024
_WRITE_BUFFER = 65536
_LINGER_SECONDS = 2.0

Headers = Iterable[tuple[str, str]]


class TruncatedBodyError(Exception):
    """The peer went away before the end of the body it had announced."""


class BodyTooLargeError(Exception):
    """The body is larger than the caller of `read_body` takes."""


class Connection:
    """Requests in, responses out, one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._head_only = False
        self.trailers: dict[str, str] = {}
        self.was_reset: bool = False
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER)

    async def next_request(self) -> Request | None:
        """The next request, or None at the end of the connection."""
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        if self._h11.our_state is not h11.IDLE:
            return None
        self.trailers = {}
        try:
            event = await self._event()
        except h11.RemoteProtocolError as error:
            await self.respond(error.error_status_hint, [], str(error).encode())
            return None
        if not isinstance(event, h11.Request):
            return None
        self._head_only = event.method == b"HEAD"
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
        return Request(event.method.decode("latin-1"), event.target.decode("latin-1"), headers)

    async def body(self) -> AsyncIterator[bytes]:
        """The pieces of the request's body as they arrive; `trailers` is set after the last.

        Raises:
            TruncatedBodyError: The connection ended before the body did.
        """
        while not self.request_is_read:
            try:
                event = await self._event()
            except h11.RemoteProtocolError as error:
                raise TruncatedBodyError(str(error)) from error
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
                self.trailers = dict(pairs)

    async def read_body(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            BodyTooLargeError: It has more than `limit` bytes.
            TruncatedBodyError: The connection ended before the body did.
        """
        pieces, size = [], 0
        async for piece in self.body():
            size += len(piece)
            if size > limit:
                raise BodyTooLargeError(limit)
            pieces.append(piece)
        return b"".join(pieces)

    async def skip_body(self, limit: int) -> None:
        """Read the rest of the body and forget it, unless that is too much or it breaks off."""
        try:
            await self.read_body(limit)
        except (BodyTooLargeError, TruncatedBodyError):
            pass

    async def respond(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Send a whole response; a connection whose request was not read to its end closes after it."""
        headers = [*headers, *(() if self.request_is_read else [("connection", "close")])]
        if status != HTTPStatus.NO_CONTENT:
            headers.append(("content-length", str(len(body))))
        await self.start(status, headers)
        if body:
            await self.send(body)
        await self.finish()

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of a response; without a Content-Length its body goes out in HTTP chunks."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send(h11.Response(status_code=status, headers=raw, reason=_reason(status)))

    async def send(self, data: bytes) -> None:
        """Send a piece of the body, at once; wait while the peer does not read."""
        if not self._head_only:
            await self._send(h11.Data(data=data))

    async def finish(self) -> None:
        """End the response."""
        await self._send(h11.EndOfMessage())

    async def linger(self) -> None:
        """Half-close and discard what still comes, so that a response sent early is not lost to a reset."""
        try:
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self._reader.read(_READ_SIZE):
                    pass
        except (OSError, TimeoutError, NotImplementedError):
            pass

    async def cut(self, kind: CutKind) -> None:
        """End a response in the middle: close or reset the connection, or end the HTTP body in good order."""
        if kind == "clean":
            try:
                return await self.finish()
            except h11.LocalProtocolError:
                pass  # a body of announced length cannot end early: the connection has to close
        # Not 0: over TLS that would wait for ever.
        self._writer.transport.set_write_buffer_limits(1)
        await self._writer.drain()
        if kind == "rst":
            linger = struct.pack("ii", 1, 0)
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return self._writer.transport.abort()
        return self._writer.close()

    async def wait_for_hang_up(self) -> None:
        """Wait until the peer closes; what it sends until then is dropped."""
        try:
            while await self._reader.read(_READ_SIZE):
                pass
        except OSError:
            pass

    @property
    def responded(self) -> bool:
        """Whether the current request has been answered to the end."""
        return self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE, h11.SEND_BODY)

    @property
    def request_is_read(self) -> bool:
        return self._h11.their_state is not h11.SEND_BODY

    def hung_up(self) -> bool:
        """Whether the peer has closed; only to be asked while it has nothing to send."""
        return self._reader.at_eof() or self._writer.is_closing() or _readable(self._writer)

    def abort(self) -> None:
        """Drop the connection without another word."""
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            if self._h11.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                data = await self._reader.read(_READ_SIZE)
            except OSError:
                data, self.was_reset = b"", True
            self.was_reset = self.was_reset or (not data and _has_error(self._writer))
            self._h11.receive_data(data)

    async def _send(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            self._writer.write(data)
            try:
                await self._writer.drain()
            except OSError:
                self.was_reset = True
                raise


def _has_error(writer: asyncio.StreamWriter) -> bool:
    """Whether a reset followed the end of the peer's bytes, which hides it from whoever reads."""
    try:
        return bool(writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    except OSError:
        return True


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def _readable(writer: asyncio.StreamWriter) -> bool:
    import select

    poll = select.poll()
    poll.register(writer.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))


Handler = Callable[[Request, Connection], Awaitable[None]]
