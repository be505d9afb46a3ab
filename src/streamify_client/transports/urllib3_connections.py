"""urllib3's connections with our time limits: every step is bounded, and another thread can end it.

boto3 and Function URLs share these classes. A connection finds its current request in `current_exchange`; it
connects, sends and reads within that request's limits.
"""

import contextlib
import http.client
import io
import socket
import time
from collections.abc import Iterable
from contextvars import ContextVar
from functools import partial
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3 import exceptions as urllib3_errors
from urllib3.connection import HTTPConnection, HTTPSConnection

from .deadlines import Deadline
from .process import Process
from .seam import Opening
from .sockets import keep_alive, shut_down

_HEAD_BUFFER = 16 * 1024
_ONE_SEND = 64 * 1024


class Exchange:
    """One request and its response on a connection.

    Attributes:
        sock: The connection's socket, once there is one.
        connected: Whether a connection was made, so that the request may have been sent.
        deadline: The deadline of the current step.
        opening: What the caller asked for.
        target: The target in the request line, instead of urllib3's spelling of the URL; None: urllib3's.
        timed: Whether the socket has a time limit, so that it must be updated before each read.
    """

    __slots__ = ("_fresh", "_socket_limit", "connected", "deadline", "opening", "sock", "target", "timed")

    def __init__(self, opening: Opening, target: str | None = None) -> None:
        self.sock: Any = None
        self.connected: bool = False
        self.deadline: Deadline = Deadline(opening.deadline)
        self.opening: Opening = opening
        self.target: str | None = target
        self.timed: bool = True
        self._fresh = False  # the socket has the limit that the next read needs
        self._socket_limit: float | None = -1.0

    def watch(self, sock: Any) -> None:
        """Shut this socket down if the stream is cancelled; at once, if it was already."""
        self.opening.cancellation.on_request(partial(shut_down, sock))

    def unwatch(self) -> None:
        """Do not shut the socket down on cancellation any more."""
        self.opening.cancellation.on_request(None)

    def begin(self, sock: Any) -> None:
        """A request is about to be sent: the time limit for the first byte starts."""
        self.sock = sock
        self.connected = True
        self.watch(sock)
        self.deadline.allow(self.opening.first_byte_timeout)

    def wait(self, seconds: float | None) -> None:
        """Set the time limit of the next step, however many reads it takes."""
        limit = self.deadline.allow(seconds)
        if limit != self._socket_limit:
            self._limit_socket(limit)
        self._fresh = True

    def before_read(self) -> None:
        """Limit the next read to the time that is left."""
        if self._fresh:
            self._fresh = False
        else:
            self._limit_socket(self.deadline.left)

    def do_not_wait(self) -> None:
        """Make the next reads return what has arrived, or raise."""
        self._limit_socket(0.0)

    def _limit_socket(self, seconds: float | None) -> None:
        self._socket_limit = seconds
        self.timed = seconds is not None
        if self.sock is not None:
            self.sock.settimeout(seconds)  # a system call: made only where the limit changes


current_exchange: ContextVar[Exchange] = ContextVar("streamify_exchange")


class TimedResponse(http.client.HTTPResponse):
    """Reads within the limits of the exchange: a socket's own limit would start again at each read.

    Attributes:
        left_over: Whether there were bytes after the response when it was closed.
    """

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        self.left_over: bool = False
        self._reads = TimedReads(sock, current_exchange.get())
        super().__init__(_File(self._reads), *args, **kwargs)  # type: ignore[arg-type]

    def _close_conn(self) -> None:
        self._reads.stopped = True  # so that the peek returns what is in memory
        with contextlib.suppress(ValueError):
            self.left_over = bool(self.fp.peek(1))
        super()._close_conn()  # type: ignore[misc]


class _File:
    """The part of a socket that `http.client.HTTPResponse` uses."""

    def __init__(self, reads: "TimedReads") -> None:
        self._reads = reads

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reads, _HEAD_BUFFER)


class TimedReads(io.RawIOBase):
    """A socket's file whose reads share one time limit; once stopped, it returns nothing."""

    def __init__(self, sock: Any, exchange: Exchange) -> None:
        exchange.sock = sock
        self.stopped = False
        self._file: Any = sock.makefile("rb", buffering=0)  # holds the descriptor as long as we are open
        self._sock = sock
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.stopped:
            return None
        self._exchange.before_read()
        return int(self._sock.recv_into(buffer))

    def close(self) -> None:
        super().close()
        self._file.close()


class _Connects:
    """What both kinds of connections have in common; the mixin precedes urllib3's class."""

    idle_since: float = 0.0
    _unsent: list[Any] | None = None
    sock: Any
    timeout: Any
    port: int
    socket_options: Any
    source_address: Any

    def connect(self) -> None:
        """Connect, through a proxy if necessary, with the TLS handshake: all within the connect timeout."""
        exchange = current_exchange.get()
        exchange.deadline.allow(exchange.opening.connect_timeout)
        with Waking(exchange) as waking:
            self._waking = waking
            try:
                super().connect()  # type: ignore[misc]
            finally:
                del self._waking

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Send a request, as urllib3 does."""
        exchange = current_exchange.get()
        exchange.begin(self.sock)
        self.timeout = exchange.deadline.left
        unsent: list[bytes] = []
        self._unsent = unsent
        try:
            super().request(method, exchange.target or url, *args, **kwargs)  # type: ignore[misc]
        finally:
            self._unsent = None
        size = sum(len(data) for data in unsent)
        for data in unsent if size > _ONE_SEND else [b"".join(unsent)]:
            self.send(data)

    def send(self, data: Any) -> None:
        """Send data; the parts of one request are sent together, to save packets."""
        if self._unsent is None:
            super().send(data)  # type: ignore[misc]
        else:
            self._unsent.append(data)

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        """Read the response's head, all of it within the first-byte timeout."""
        exchange = current_exchange.get()
        self.timeout = exchange.deadline.left
        exchange.wait(self.timeout)
        return super().getresponse(*args, **kwargs)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        exchange = current_exchange.get()
        host = getattr(self, "_dns_host", None) or self.host  # type: ignore[attr-defined]
        try:
            # A name lookup can be neither limited nor cancelled: the operating system does it.
            addresses = socket.getaddrinfo(host.strip("[]"), self.port, 0, socket.SOCK_STREAM)
            return self._connect_to_one(addresses, exchange)
        except socket.gaierror as error:
            raise _unresolved(host, self, error) from error
        except TimeoutError as error:
            raise urllib3_errors.ConnectTimeoutError(self, "No connection in time") from error
        except OSError as error:
            message = f"Failed to establish a new connection: {error}"
            raise urllib3_errors.NewConnectionError(self, message) from error  # type: ignore[arg-type]

    def _connect_to_one(self, addresses: list[Any], exchange: Exchange) -> socket.socket:
        """Try the addresses in turn; each but the last gets half of the time that is left."""
        failure: OSError = OSError("the name has no address")
        for tried, (family, kind, protocol, _, address) in enumerate(addresses, start=1):
            sock = socket.socket(family, kind, protocol)
            try:
                self._waking.hold(sock)
                left = exchange.deadline.left
                sock.settimeout(left if left is None or tried == len(addresses) else left / 2)
                set_up(sock, self.socket_options or (), self.source_address)
                sock.connect(address)
                sock.settimeout(exchange.deadline.left)
            except OSError as error:
                sock.close()
                failure = error
                if exchange.opening.cancellation.requested:
                    break
                continue
            return sock
        raise failure

    def _tunnel(self) -> None:
        exchange = current_exchange.get()
        super()._tunnel()  # type: ignore[misc]
        self.sock.settimeout(exchange.deadline.left)  # for the TLS handshake


class Waking:
    """Lets a cancel interrupt a connection that is being made, whichever object owns its socket.

    A TLS handshake detaches the descriptor from the socket and returns its own object only at the end; a
    second descriptor refers to the connection all the time.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._handle: socket.socket | None = None

    def hold(self, sock: socket.socket) -> None:
        """Watch this connection, which is being made."""
        self._drop()
        self._handle = sock.dup()
        self._exchange.watch(self._handle)

    def __enter__(self) -> "Waking":
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._handle is not None:
            self._exchange.unwatch()
            self._handle.close()
            self._handle = None


def set_up(sock: socket.socket, options: Iterable[Any], source_address: Any) -> None:
    """Set a new socket's options, once for all requests on it."""
    for option in options:
        sock.setsockopt(*option)
    keep_alive(sock)
    if source_address:
        sock.bind(source_address)


def _unresolved(host: str, connection: Any, error: socket.gaierror) -> Exception:
    kind = getattr(urllib3_errors, "NameResolutionError", None)  # since urllib3 2
    if kind is not None:
        return kind(host, connection, error)  # type: ignore[no-any-return]
    return urllib3_errors.NewConnectionError(connection, f"The name cannot be resolved: {error}")


class PlainConnection(_Connects, HTTPConnection):
    """A connection without TLS."""

    response_class: Any = TimedResponse


class TlsConnection(_Connects, HTTPSConnection):
    """A connection with TLS."""

    response_class: Any = TimedResponse


class _Pools:
    """What both kinds of pools have in common."""

    idle_limit: float | None = None  # seconds

    def urlopen(self, *args: Any, **options: Any) -> Any:
        """Send a request, and return its response unchanged: a redirect would be another invocation."""
        options["redirect"] = False  # botocore only forbids urllib3 to follow it
        return super().urlopen(*args, **options)  # type: ignore[misc]

    def _get_conn(self, timeout: Any = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        limit = self.idle_limit
        if limit is not None and time.monotonic() - connection.idle_since > limit:
            connection.close()
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.monotonic()
        super()._put_conn(connection)  # type: ignore[misc]

    def _validate_conn(self, connection: Any) -> None:
        if connection.sock is None:
            connection.connect()


class PlainPool(_Pools, HTTPConnectionPool):
    """The connections without TLS to one host."""

    ConnectionCls = PlainConnection


class TlsPool(_Pools, HTTPSConnectionPool):
    """The connections with TLS to one host."""

    ConnectionCls = TlsConnection


class UrlPlainPool(PlainPool):
    """The same for URLs, whose hosts close idle connections after some time, maybe during a request."""

    idle_limit: float = 15.0


class UrlTlsPool(TlsPool):
    """As UrlPlainPool, with TLS."""

    idle_limit: float = 15.0


POOLS: dict[str, Any] = {"http": PlainPool, "https": TlsPool}
URL_POOLS: dict[str, Any] = {"http": UrlPlainPool, "https": UrlTlsPool}


class ProcessLocal:
    """One object for each process: the child of a fork creates its own, and does not touch its parent's.

    Args:
        make: Creates the object.
    """

    def __init__(self, make: Any) -> None:
        self._make = make
        self._made: tuple[int, Any] | None = None

    def get(self) -> Any:
        """This process's object."""
        made = self._made
        if made is None or made[0] != Process.id:
            self._made = made = (Process.id, self._make())
        return made[1]
