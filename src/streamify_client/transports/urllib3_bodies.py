"""Responses of urllib3 as RawResponses: the body is read in bulk, and the connection is returned once."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from http.client import HTTPException, IncompleteRead
from typing import Any, Protocol

from urllib3.exceptions import HTTPError, ReadTimeoutError

from streamify_client.errors import CorruptStreamError, StreamClosedError
from streamify_client.wire import BytesLike
from streamify_client.wire.chunked import ChunkedDecoder
from streamify_client.wire.errors import TruncatedInputError, WireError

from .deadlines import Allowance
from .process import Process
from .seam import ResponseHead
from .sockets import shut_down
from .urllib3_connections import Exchange, TimedResponse

_READ = 64 * 1024
_LARGE_READ = 256 * 1024  # allocating this much costs more than reading a few bytes
_LIVE = 1024  # bytes: a smaller TLS record is a token, and no record follows it
_SKIPPED = 15


class Body(Protocol):
    """The body of a response."""

    def read(self, timeout: float | None, wanted: int) -> Sequence[BytesLike]:
        """Return what has arrived; nothing at the end."""

    @property
    def leaves_nothing(self) -> bool:
        """Whether all of it was read, and nothing behind it has come."""


class Urllib3Response:
    """A response of urllib3 as a RawResponse.

    Args:
        head: Status and headers.
        raw: urllib3's response, or a test double.
        exchange: The exchange of its request.
        check_end: Called at the end of the body; raises if that end proves nothing.
    """

    def __init__(
        self,
        head: ResponseHead,
        raw: Any,
        exchange: Exchange,
        check_end: Callable[[], object] | None = None,
    ) -> None:
        self.head = head
        self._check_end = check_end
        self._exchange = exchange
        self._process = Process.id
        self._lease = Lease(raw, exchange)
        self.survives_timeout: bool = _is_chunked(raw)  # urllib3's public methods close the connection
        self._body: Body = (
            ChunkedBody(raw, exchange, views=head.framing == "eventstream")
            if self.survives_timeout
            else PublicBody(raw, exchange)
        )

    def read(self, timeout: float | None, wanted: int = 0) -> Sequence[BytesLike]:
        """Return what is there."""
        if self._process != Process.id:
            raise StreamClosedError("The stream was opened before a fork: its connection is the parent's.")
        try:
            if timeout is not None or self._exchange.timed:
                self._exchange.wait(timeout)
            pieces = self._body.read(timeout, wanted)
            if not pieces and self._check_end is not None:
                self._check_end()
            return pieces
        except TimeoutError:
            raise
        except TruncatedInputError as error:
            raise ConnectionError from error
        except WireError as error:
            raise CorruptStreamError(f"The response breaks HTTP's framing: {error.message}.") from error
        except (OSError, HTTPException, HTTPError) as error:
            raise (TimeoutError if isinstance(error, ReadTimeoutError) else ConnectionError) from error

    def finish(self) -> None:
        """Read to the end of HTTP's framing, and return the connection to its pool."""
        allowance = Allowance()
        with contextlib.suppress(TimeoutError, ConnectionError, CorruptStreamError, StreamClosedError):
            while not self._body.leaves_nothing and (wait := allowance.wait):
                pieces = self.read(wait)
                if not pieces:
                    break
                allowance.took(pieces)
            if self._body.leaves_nothing:
                self._lease.give_back()
                return
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._lease.close()


class Lease:
    """A connection of urllib3, from its response until it is returned to the pool or closed."""

    def __init__(self, raw: Any, exchange: Exchange) -> None:
        self._raw = raw
        self._exchange = exchange
        self._process = Process.id
        if exchange.sock is None and (sock := _socket_of(raw)) is not None:
            exchange.begin(sock)
        # urllib3 would pool it as soon as the last byte is read, while a cancel still reaches its socket
        self._connection: Any = getattr(raw, "_connection", None)
        if self._connection is not None:
            raw._connection = None

    def give_back(self) -> None:
        """Return the connection to its pool."""
        if self._process != Process.id:
            self.close()
            return
        self._exchange.unwatch()
        raw, connection = self._raw, self._connection
        self._connection = self._exchange.sock = None
        with contextlib.suppress(Exception):
            raw.close()
            if connection is not None:
                raw._connection = connection
                raw.release_conn()

    def close(self) -> None:
        """Close the connection; in the child of a fork, close only the descriptor."""
        connection, sock = self._connection, self._exchange.sock
        self._connection = self._exchange.sock = None
        if self._process == Process.id:
            self._exchange.unwatch()
            if sock is not None:
                shut_down(sock)
        with contextlib.suppress(Exception):
            self._raw.close()
        if connection is not None:
            connection.close()
            if self._process == Process.id:
                self._raw._connection = connection
                self._raw.release_conn()


class ChunkedBody:
    """A chunked body, read directly from the socket: one system call per read, not two per HTTP chunk.

    Args:
        raw: urllib3's response to a request over one of our connections.
        exchange: The exchange of its request.
        views: Whether large pieces may be memoryviews.
    """

    def __init__(self, raw: Any, exchange: Exchange, *, views: bool) -> None:
        self._sock = exchange.sock
        self._exchange = exchange
        self._decoder = ChunkedDecoder(views=views)
        self._buffered: Any = raw._fp.fp  # it may hold what came along with the head
        self._tls = isinstance(exchange.sock, ssl.SSLSocket)
        self._skipped = 0  # reads to go until we look for further TLS records again
        self._failure: OSError | None = None
        self._size = _READ

    def read(self, timeout: float | None, wanted: int) -> Sequence[BytesLike]:
        """Return what is there."""
        decoder = self._decoder
        if decoder.over:
            return decoder.receive(b"")
        while True:
            data = self._receive()
            if not data:
                return decoder.finish()
            pieces = decoder.receive(data)
            if len(data) < wanted:
                self._wait_for_more(pieces, len(data), timeout, wanted)
            if pieces or decoder.complete:
                return pieces

    @property
    def leaves_nothing(self) -> bool:
        """Whether all of it was read, and nothing behind it has come."""
        return self._decoder.complete and not self._decoder.rest and not _has_pending(self._sock)

    def _receive(self) -> bytes:
        if self._buffered is not None:
            buffered, self._buffered = self._buffered, None
            data: bytes = buffered.read1(_READ)
            return data
        if self._failure is not None:
            raise self._failure
        if self._exchange.timed:
            self._exchange.before_read()
        data = self._sock.recv(self._size)
        if self._tls and len(data) >= _LIVE:
            return self._with_records_here(data)
        if len(data) == self._size:
            self._size = _LARGE_READ
        elif len(data) < _READ // 4:
            self._size = _READ
        return data

    def _wait_for_more(
        self, pieces: list[bytes | memoryview], size: int, timeout: float | None, wanted: int
    ) -> None:
        """Wait for the rest of a large frame here, which is cheaper than a step of the reader each time.

        The body may end before the frame does: then nothing more arrives, although the connection stays open.
        """
        decoder = self._decoder
        try:
            while size < wanted and not decoder.over:
                self._exchange.wait(timeout)
                if not (data := self._receive()):
                    break
                pieces += decoder.receive(data)
                size += len(data)
        except OSError as error:
            self._failure = error  # raised after the data that have arrived
        except WireError:
            pass  # the decoder keeps it and raises it after the data

    def _with_records_here(self, first: bytes) -> bytes:
        """TLS returns one record at a time, at most 16 KiB: also take further ones that have arrived."""
        if self._skipped:
            self._skipped -= 1
            return first
        found, size = [first], len(first)
        self._exchange.do_not_wait()
        try:
            while size < _READ and (data := self._sock.recv(_READ)):
                found.append(data)
                size += len(data)
        except (BlockingIOError, ssl.SSLWantReadError):
            if len(found) == 1:  # the sender is slower than we are: checking costs more than it saves
                self._skipped = _SKIPPED
        except OSError as error:
            self._failure = error  # raised after the data that have arrived
        return b"".join(found)


class PublicBody:
    """A body that urllib3 reads: one with a Content-Length, or of a test double."""

    def __init__(self, raw: Any, exchange: Exchange) -> None:
        self._raw = raw
        self._sock = exchange.sock
        self._stream: Any = None
        self._over = False

    def read(self, timeout: float | None, wanted: int) -> list[bytes]:
        """Return what is there."""
        data = b"" if self._over else self._read_some()
        self._over = not data
        return [data] if data else []

    @property
    def leaves_nothing(self) -> bool:
        """Whether all of it was read, and nothing behind it has come."""
        if not self._over:
            return False
        inner = getattr(self._raw, "_fp", None)
        if isinstance(inner, TimedResponse):
            inner.close()  # sets left_over; urllib3 before 2.3 leaves it open
            return not inner.left_over and not _has_pending(self._sock)
        return True

    def _read_some(self) -> bytes:
        if hasattr(self._raw, "read1"):
            return self._raw.read1(_READ) or b""
        inner: Any = getattr(self._raw, "_fp", None)
        if hasattr(inner, "read1"):  # urllib3 before 2.3
            data: bytes = inner.read1(_READ)
            if not data and getattr(inner, "length", None):  # http.client's read1 does not check this
                raise IncompleteRead(data, inner.length)
            return data
        if self._stream is None:  # doubles
            self._stream = self._raw.stream(_READ)
        return next(self._stream, b"")


def _is_chunked(raw: Any) -> bool:
    """Return whether the body is chunked and arrives over one of our connections."""
    ours = isinstance(getattr(raw, "_fp", None), TimedResponse)
    return ours and raw.chunked and raw.length_remaining is None


def _has_pending(sock: Any) -> bool:
    """Return whether TLS has decrypted bytes that were not read yet."""
    pending = getattr(getattr(sock, "sslobj", sock), "pending", None)
    return pending is not None and pending() > 0


def _socket_of(raw: Any) -> socket.socket | None:
    """Return the socket of a response whose connection is not ours, if there is one."""
    connection = getattr(raw, "connection", None) or getattr(raw, "_connection", None)
    sock = getattr(connection, "sock", None)
    if sock is None:  # the server closes after this response: http.client has given up the connection
        sock = getattr(getattr(getattr(getattr(raw, "_fp", None), "fp", None), "raw", None), "_sock", None)
    return sock if isinstance(sock, socket.socket) else None
