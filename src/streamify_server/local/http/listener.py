"""Listening sockets, which accept connections and pass the requests to a handler."""

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

from .connection import Connection, Handler
from .request import Request, bracketed, refused

_LOGGER = logging.getLogger("streamify_server.local")
_BACKLOG = 1024
_REMEMBERED = 1024
# How long connections stay in the backlog when there are no file descriptors left.
_FULL_SECONDS = 0.2
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

# The addresses for local clients of a server that listens on all addresses.
_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}

Guard = Callable[..., str | None]


class Listener:
    """A server for one handler; requests with a foreign Host or Origin do not reach the handler.

    A connection that is idle, or stalls in a request, for `idle_seconds` is closed. When there are no file
    descriptors left, connections wait, and `on_full` is called to free some.

    It does not use asyncio's server, which has connections that cannot be reached between their accept and
    their protocol, and whose `wait_closed` waits for them since Python 3.12. Out of file descriptors,
    asyncio's server also logs a traceback for each place in the backlog.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        tls: ssl.SSLContext | None = None,
        guard: Guard = refused,
        host: str = "127.0.0.1",
        idle_seconds: float | None = 300.0,
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = partial(Connection, idle_seconds)
        self._on_full = on_full
        self._host = host
        self._handler = handler
        self._tls = tls
        self._guard = guard
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._serving: dict[Connection, Request] = {}
        self._answered: dict[int, Request] = {}
        self._full = False
        self._paused: asyncio.TimerHandle | None = None
        self.port: int = 0

    @property
    def serving(self) -> list[Request]:
        """The requests whose responses are unfinished and whose callers are still connected."""
        return [request for connection, request in self._serving.items() if not connection.hung_up()]

    @property
    def answered(self) -> dict[int, Request]:
        """The last requests whose responses were sent completely, by the port of the caller."""
        return dict(self._answered)

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def address(self) -> str:
        return f"{bracketed(_ANY.get(self._host, self._host))}:{self.port}"

    async def open(self, port: int = 0) -> None:
        """Start listening.

        Raises:
            OSError: The port is taken, or may not be used.
        """
        self._socket = _listening(self._host, port)
        self.port = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._accept, 1)

    async def close(self) -> None:
        """Stop listening, close every connection, and wait until the handlers have ended."""
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        # A task that is cancelled before its first step never runs and would not close its socket.
        await asyncio.sleep(0)
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A transport closes its socket only in the next iteration of the loop.
        await asyncio.sleep(0)

    async def drain(self, seconds: float | None) -> None:
        """Wait until the peers have closed their connections and everything they sent has been handled."""
        self._accept()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=seconds)

    def _accept(self, most: int | None = None) -> None:
        """Accept waiting connections: all of them, or at most `most`."""
        for _ in repeat(None) if most is None else repeat(None, most):
            if self._socket is None:
                break
            try:
                peer, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                self._full = False
                break
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._pause(error)
                break
            peer.setblocking(False)
            task = self._loop.create_task(self._welcome(peer))
            self._connections.add(task)
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        if self._paused:  # a file descriptor was freed
            self._resume()

    def _pause(self, error: OSError) -> None:
        shortage = out_of_descriptors(error)
        if not shortage:
            _LOGGER.error("%s cannot accept connections: %s", self.address, error)
        elif not self._full:
            self._full = True
            _LOGGER.warning("%s: new connections have to wait: %s.", self.address, shortage)
        if shortage:
            self._on_full()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._paused = self._loop.call_later(_FULL_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._paused:
            self._paused.cancel()
            self._paused = None
        if self._socket is not None:
            self._loop.add_reader(self._socket, self._accept, 1)

    def _remember(self, caller: int, request: Request) -> None:
        if len(self._answered) >= _REMEMBERED:
            del self._answered[next(iter(self._answered))]
        self._answered[caller] = request

    async def _welcome(self, peer: socket.socket) -> None:
        options: dict[str, Any] = {"ssl": self._tls, "ssl_shutdown_timeout": 1.0} if self._tls else {}
        try:
            caller = peer.getpeername()[1]
            _, connection = await self._loop.connect_accepted_socket(self._connection, peer, **options)
        except OSError:
            peer.close()  # it has disconnected, or does not trust the certificate
        else:
            await self._serve(connection, caller)

    async def _serve(self, connection: Connection, caller: int) -> None:
        try:
            while request := await connection.next_request():
                reason = self._guard(request, self.port, self.scheme, host=self._host)
                if reason:
                    await connection.respond(403, [("content-type", "text/plain")], reason.encode())
                else:
                    self._serving[connection] = request
                    self._answered.pop(caller, None)
                    await self._handler(request, connection)
                    del self._serving[connection]
                    self._remember(caller, request)
                if not connection.request_is_read:
                    await connection.linger()
                    break
        except OSError:
            pass  # the peer has disconnected; its invocation continues
        except asyncio.CancelledError:
            connection.abort()
            raise
        except Exception:
            _LOGGER.exception("A request to %s could not be served", self.address)
            connection.abort()
        finally:
            self._serving.pop(connection, None)
            await connection.close()


def out_of_descriptors(error: OSError) -> str:
    """Return what to do if the error means that no file descriptors are left, else an empty string."""
    if error.errno not in _FULL:
        return ""
    return f"{os.strerror(error.errno)}; close some, or raise the limit (ulimit -n)"


_CURES = {
    errno.EADDRINUSE: ": end what listens there, or choose another port (0 takes a free one)",
    errno.EADDRNOTAVAIL: ": it is not an address of this machine",
}


def _listening(host: str, port: int) -> socket.socket:
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"A port is a number from 0 to 65535, not {port!r}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        cure = _CURES[errno.EADDRNOTAVAIL]
        message = f"{host} cannot be listened on: {error.strerror}{cure}"
        raise OSError(errno.EADDRNOTAVAIL, message) from None
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        cure = _CURES.get(error.errno or 0, "")
        raise OSError(error.errno, f"{host}:{port} cannot be listened on: {error.strerror}{cure}") from None
    return made
