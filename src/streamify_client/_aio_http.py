"""The transport for Function URLs by asyncio, on httpcore2, the connection layer of httpx2."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, cast

import httpcore2

from ._deadlines import Allowance
from ._http_answers import HttpHead, body_error, refusal, translate
from ._http_connections import Exchange, current_exchange, pool_options, proxy_for, to_httpcore
from ._signing import Signer
from ._sockets import keep_alive
from .transport import AsyncRawResponse, Invocation, Opening, ResponseHead
from .url import HttpRequest


class AsyncWatchedStream(httpcore2.AsyncNetworkStream):
    """WatchedStream for asyncio."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, exchange: Exchange, transport: Any) -> None:
        self._inner = inner
        self._exchange = exchange
        self._transport = transport

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        return await self._inner.read(max_bytes, self._exchange.deadline.left)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it; the first write of an exchange takes a connection out of the pool over."""
        self._exchange = current_exchange.get()
        self._exchange.begin()
        await self._inner.write(buffer, self._exchange.deadline.left)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    def abort(self) -> None:
        """Close the connection at once, without TLS's farewell and without a turn of the event loop."""
        if self._transport is not None:
            self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Speak TLS from now on."""
        secure = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return AsyncWatchedStream(secure, self._exchange, self._transport)

    def get_extra_info(self, info: str) -> Any:
        """Tell about the connection."""
        return self._inner.get_extra_info(info)


class AsyncWatchedBackend(httpcore2.AnyIOBackend):
    """Connects as httpcore2 does, and watches the connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect, with TCP keepalive on."""
        stream = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        keep_alive(stream.get_extra_info("socket"))
        transport = getattr(getattr(stream, "_stream", None), "_transport", None)  # anyio tells nobody else
        return AsyncWatchedStream(stream, current_exchange.get(), transport)


class AsyncHttpTransport:
    """HttpTransport for asyncio."""

    def __init__(self, signer: Signer, context: ssl.SSLContext, connections: int) -> None:
        self._signer = signer
        self._context = context
        self._connections = connections
        self._pools: dict[str | None, httpcore2.AsyncConnectionPool] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, invocation: Invocation, opening: Opening) -> AsyncRawResponse:
        """Send the request once."""
        assert invocation.request is not None
        request = await self._signer.sign_async(invocation.request)
        exchange = Exchange(opening)
        token = current_exchange.set(exchange)
        try:
            response = await self._pool(request).handle_async_request(to_httpcore(request, opening))
        except Exception as error:
            raise translate(error, request, connected=exchange.connected) from error
        finally:
            current_exchange.reset(token)
        raw = AsyncHttpResponse(response, exchange, self._closing)
        if (refused := await self._refusal(raw, request)) is not None:
            raise refused
        return raw

    async def _refusal(self, raw: "AsyncHttpResponse", request: HttpRequest) -> Exception | None:
        """If the service itself answered and no function: its error."""
        if not raw.http.by_service:
            return None
        body, allowance = b"", Allowance()
        with contextlib.suppress(TimeoutError, ConnectionError):
            while (wait := allowance.wait) and (pieces := await raw.read(wait)):
                body += b"".join(pieces)
                allowance.took(pieces)
        await raw.finish()
        return refusal(raw.http, body, request)

    def _pool(self, request: HttpRequest) -> httpcore2.AsyncConnectionPool:
        proxy = proxy_for(request)
        if proxy not in self._pools:
            options = pool_options(proxy, self._context, self._connections)
            backend = AsyncWatchedBackend()
            self._pools[proxy] = httpcore2.AsyncConnectionPool(network_backend=backend, **options)
        return self._pools[proxy]

    def keep(self, connections: int) -> None:
        """Keep at least so many idle connections from now on."""
        self._connections = max(self._connections, connections)

    async def close(self) -> None:
        """Close all connections."""
        if self._closing:
            await asyncio.wait(self._closing)
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()


class AsyncHttpResponse:
    """A response of httpcore2 as an AsyncRawResponse.

    Args:
        response: httpcore2's.
        exchange: The request that it answers.
        closing: Holds the tasks that tell the pool about connections that were aborted.
    """

    def __init__(
        self, response: httpcore2.Response, exchange: Exchange, closing: set[asyncio.Task[None]]
    ) -> None:
        self.http = HttpHead.of(response)
        self._stream: Any = response.stream
        self._chunks: AsyncIterator[bytes] = aiter(cast("AsyncIterable[bytes]", self._stream))
        self._network: Any = response.extensions["network_stream"]
        self._exchange = exchange
        self._closing = closing
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def head(self) -> ResponseHead:
        """Status and headers."""
        return self.http.head

    async def read(self, timeout: float | None) -> list[bytes]:
        """Return what is there."""
        self._exchange.deadline.allow(timeout)
        try:
            async for data in self._chunks:
                if data:
                    return [data]
        except Exception as error:
            raise body_error(error) from error
        self.http.check_end()
        return []

    async def finish(self) -> None:
        """Read to the end of HTTP's framing, and give the connection back to the pool."""
        allowance = Allowance()
        with contextlib.suppress(TimeoutError, ConnectionError):
            while (wait := allowance.wait) and (pieces := await self.read(wait)):
                allowance.took(pieces)
        self._closed = True
        await self._tell_pool()

    def close(self) -> None:
        """Close the connection, from any thread."""
        if self._closed:
            return
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._abort()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it all that it had
                self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._network.abort()
        task = self._loop.create_task(self._tell_pool())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _tell_pool(self) -> None:
        with contextlib.suppress(Exception):  # whatever a connection says that is gone
            await cast("Any", self._chunks).aclose()
            await self._stream.aclose()
