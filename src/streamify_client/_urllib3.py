"""What boto3 rides on: reading what is there, waking a reader, time limits for one request only."""

import contextlib
import io
import socket
import threading
import weakref
from contextvars import ContextVar
from typing import Any

from ._deadlines import Allowance, Deadline
from ._sockets import keep_alive, shut_down
from .transport import Opening, ResponseHead

_READ_SIZE = 64 * 1024


class Exchange:
    """One request and its response on a connection of urllib3, watched from outside.

    Attributes:
        sock: The connection's socket, once there is one.
        connected: Whether a connection came about, so that the request may have been sent.
        deadline: Of what is waited for now.
    """

    def __init__(self, opening: Opening) -> None:
        self.sock: socket.socket | None = None
        self.connected = False
        self.tracked = False
        self.deadline = Deadline(opening.deadline)
        self._opening = opening

    def run(self, make_request: Any, connection: Any, args: Any, kwargs: Any) -> Any:
        """Make a request as urllib3 does, within our time limits, and so that a cancel ends it."""
        from urllib3.util import Timeout

        self.tracked = True
        opening = self._opening
        kwargs["timeout"] = Timeout(connect=opening.connect_timeout, read=opening.first_byte_timeout)
        if connection.sock is not None:
            connection.sock.settimeout(opening.connect_timeout)  # not what an earlier stream left there
            self.watch(connection.sock)
        connect, get_response = connection.connect, connection.getresponse
        connection.connect = lambda: self._connect(connection, connect)
        connection.getresponse = lambda: self._get_response(connection, get_response)
        try:
            return make_request(connection, *args, **kwargs)
        finally:
            del connection.connect, connection.getresponse

    def watch(self, sock: socket.socket) -> None:
        """Shut this socket down if the stream is cancelled; nothing is sent on it if that was already."""
        self.sock = sock
        self.connected = True
        keep_alive(sock)
        self._opening.cancellation.on_request(lambda: shut_down(sock))

    def _connect(self, connection: Any, connect: Any) -> None:
        connect()
        self.watch(connection.sock)

    def _get_response(self, connection: Any, get_response: Any) -> Any:
        """Read the headers, all of them within the limit, and let the body's reads have theirs."""
        make, sock = connection.response_class, connection.sock

        def made(*args: Any, **kwargs: Any) -> Any:
            response = make(*args, **kwargs)
            response.fp = io.BufferedReader(_TimedReads(response.fp.detach(), sock, self.deadline))
            return response

        self.deadline.allow(self._opening.first_byte_timeout)
        connection.response_class = made
        try:
            return get_response()
        finally:
            connection.response_class = make


class _TimedReads(io.RawIOBase):
    """A socket's file: each read may take what is left, where a socket's own limit would begin anew."""

    def __init__(self, inner: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._inner = inner
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        with contextlib.suppress(OSError):  # closed by another thread: the read says so
            self._sock.settimeout(self._deadline.left)
        return self._inner.readinto(buffer)

    def close(self) -> None:
        super().close()
        self._inner.close()


current_exchange: ContextVar[Exchange | None] = ContextVar("streamify_exchange", default=None)


def track_pool(pool: Any) -> None:
    """Let requests through this urllib3 pool be watched by the current exchange; other requests are not
    touched.

    urllib3 has no public way to reach a connection before its response is there.
    """
    if getattr(pool, "_streamify_tracks", False):
        return
    make_request, reference = (
        type(pool)._make_request,
        weakref.ref(pool),
    )  # no cycle: it must die by reference count

    def tracked(connection: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange.get()
        target = reference()
        if exchange is None or target is None:
            return make_request(target, connection, *args, **kwargs)
        return exchange.run(make_request.__get__(target), connection, args, kwargs)

    pool._make_request = tracked
    pool._streamify_tracks = True


class Urllib3Response:
    """A response of urllib3 as a RawResponse."""

    def __init__(self, head: ResponseHead, raw: Any, exchange: Exchange) -> None:
        self.head = head
        self._raw = raw
        self._exchange = exchange
        self._sock = exchange.sock or _socket_of(raw)
        self._stream: Any = None
        self._timeout: float | None = -1.0  # as set for the headers
        self._lock = threading.Lock()
        if self._sock is not None and exchange.sock is None:
            exchange.watch(self._sock)

    def read(self, timeout: float | None) -> list[bytes]:
        """Return what is there."""
        from urllib3.exceptions import ReadTimeoutError

        self._set_timeout(timeout)
        try:
            data = self._read_some()
            return [data] if data else []
        except (ReadTimeoutError, TimeoutError) as error:
            raise TimeoutError from error
        except Exception as error:
            # HTTPError mostly; ValueError and AttributeError when another thread has closed the response
            raise ConnectionError from error

    def _read_some(self) -> bytes:
        if hasattr(self._raw, "read1"):
            return self._raw.read1(_READ_SIZE) or b""
        inner: Any = getattr(self._raw, "_fp", None)
        if hasattr(inner, "read1"):  # urllib3 1.26
            data: bytes = inner.read1(_READ_SIZE)
            if not data:
                self._raw.release_conn()
            return data
        if self._stream is None:  # doubles
            self._stream = self._raw.stream(_READ_SIZE)
        return next(self._stream, b"")

    def finish(self) -> None:
        """Read to the end of HTTP's framing, upon which urllib3 takes the connection back."""
        allowance = Allowance()
        try:
            while wait := allowance.wait:
                pieces = self.read(wait)
                if not pieces:
                    return
                allowance.took(pieces)
        except (TimeoutError, ConnectionError):
            pass
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._sock is not None:
            shut_down(self._sock)  # a thread that reads holds a lock which close would wait for
        with self._lock, contextlib.suppress(Exception):
            self._raw.close()
            if hasattr(self._raw, "release_conn"):
                self._raw.release_conn()

    def _set_timeout(self, timeout: float | None) -> None:
        self._exchange.deadline.allow(timeout)
        if not self._exchange.tracked and self._sock is not None and timeout != self._timeout:
            self._timeout = timeout
            with contextlib.suppress(OSError):
                self._sock.settimeout(timeout if timeout is None else max(timeout, 0.001))


def _socket_of(raw: Any) -> socket.socket | None:
    connection = getattr(raw, "connection", None) or getattr(raw, "_connection", None)
    sock = getattr(connection, "sock", None)
    if (
        sock is None
    ):  # the server closes after this response: http.client has given up the connection, not its file
        sock = getattr(getattr(getattr(getattr(raw, "_fp", None), "fp", None), "raw", None), "_sock", None)
    return sock if isinstance(sock, socket.socket) else None
