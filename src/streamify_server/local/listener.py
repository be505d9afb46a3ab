"""Listening sockets: they take connections and hand their requests to a handler."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from .http1 import Connection, Handler
from .request import Request, bracketed, refused

_LOGGER = logging.getLogger("streamify_server.local")
_ACCEPT_SECONDS = 0.01

# What a server that listens on every address is called by its own machine.
_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}

Guard = Callable[..., str | None]


class Listener:
    """A server for one handler; a foreign Host or Origin never gets as far as the handler."""

    def __init__(
        self,
        handler: Handler,
        *,
        tls: ssl.SSLContext | None = None,
        guard: Guard = refused,
        host: str = "127.0.0.1",
    ) -> None:
        self._host = host
        self._handler = handler
        self._tls = tls
        self._guard = guard
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._serving: dict[Connection, Request] = {}
        self.port: int = 0

    @property
    def serving(self) -> list[Request]:
        """The requests whose responses are not over while their peers are still there."""
        return [request for connection, request in self._serving.items() if not connection.hung_up()]

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def address(self) -> str:
        return f"{bracketed(_ANY.get(self._host, self._host))}:{self.port}"

    async def open(self, port: int = 0) -> None:
        options: dict[str, Any] = {"ssl": self._tls, "ssl_shutdown_timeout": 1.0} if self._tls else {}
        self._server = await asyncio.start_server(self._accept, self._host, port, backlog=1024, **options)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, drop every connection, and wait until their handlers have ended."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        tasks = list(self._connections)
        for task, writer in list(self._connections.items()):
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()

    async def drain(self, seconds: float | None) -> None:
        """Wait until the peers have closed their connections and all that they sent has been handled."""
        # A connection that is still in the backlog takes a moment to be seen here.
        await asyncio.sleep(_ACCEPT_SECONDS)
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=seconds)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(lambda done: self._connections.pop(done, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        try:
            while request := await connection.next_request():
                reason = self._guard(request, self.port, self.scheme, host=self._host)
                if reason:
                    await connection.respond(403, [("content-type", "text/plain")], reason.encode())
                else:
                    self._serving[connection] = request
                    await self._handler(request, connection)
                    del self._serving[connection]
                if not connection.request_is_read:
                    await connection.linger()
                    break
        except OSError:
            pass  # the peer is gone; whatever ran for it goes on
        except Exception:
            _LOGGER.exception("A request to %s could not be served", self.address)
            connection.abort()
        finally:
            self._serving.pop(connection, None)
            await connection.close()
