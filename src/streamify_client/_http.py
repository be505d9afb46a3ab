"""The transport for Function URLs, on httpcore2, the connection layer of httpx2.

Its network backend is a public seam: through it each read has the time limit that is right at that moment,
and another thread can wake a reader by shutting its socket down.
"""

import contextlib
import ssl
from collections.abc import Iterable, Iterator
from typing import Any, cast

import httpcore2

from ._deadlines import Allowance
from ._http_answers import HttpHead, body_error, refusal, translate
from ._http_connections import Exchange, current_exchange, pool_options, proxy_for, to_httpcore
from ._signing import Signer
from .transport import Invocation, Opening, RawResponse, ResponseHead
from .url import HttpRequest


class WatchedStream(httpcore2.NetworkStream):
    """A connection that keeps to the time limits of the exchange that uses it."""

    def __init__(self, inner: httpcore2.NetworkStream, exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        return self._inner.read(max_bytes, self._exchange.deadline.left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it; the first write of an exchange takes a connection out of the pool over."""
        exchange = current_exchange.get()
        if exchange is not self._exchange:
            self._exchange = exchange
            exchange.watch(self._inner.get_extra_info("socket"))
        exchange.begin()
        self._inner.write(buffer, exchange.deadline.left)

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Speak TLS from now on."""
        secure = self._inner.start_tls(ssl_context, server_hostname, timeout)
        self._exchange.watch(secure.get_extra_info("socket"))
        return WatchedStream(secure, self._exchange)

    def get_extra_info(self, info: str) -> Any:
        """Tell about the connection."""
        return self._inner.get_extra_info(info)


class WatchedBackend(httpcore2.SyncBackend):
    """Connects as httpcore2 does, and watches the connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect, with TCP keepalive on."""
        exchange = current_exchange.get()
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        exchange.connecting(stream.get_extra_info("socket"))
        return WatchedStream(stream, exchange)


class HttpTransport:
    """Calls Function URLs.

    Args:
        signer: Signs the requests that want it.
        context: For TLS.
        connections: How many idle connections are kept.
    """

    def __init__(self, signer: Signer, context: ssl.SSLContext, connections: int) -> None:
        self._signer = signer
        self._context = context
        self._connections = connections
        self._pools: dict[str | None, httpcore2.ConnectionPool] = {}

    def open(self, invocation: Invocation, opening: Opening) -> RawResponse:
        """Send the request once."""
        assert invocation.request is not None
        request = self._signer.sign(invocation.request)
        exchange = Exchange(opening)
        token = current_exchange.set(exchange)
        try:
            response = self._pool(request).handle_request(to_httpcore(request, opening))
        except Exception as error:
            raise translate(error, request, connected=exchange.connected) from error
        finally:
            current_exchange.reset(token)
        raw = HttpResponse(response, exchange)
        if (refused := self._refusal(raw, request)) is not None:
            raise refused
        return raw

    def _refusal(self, raw: "HttpResponse", request: HttpRequest) -> Exception | None:
        """If the service itself answered and no function: its error."""
        if not raw.http.by_service:
            return None
        body, allowance = b"", Allowance()
        with contextlib.suppress(TimeoutError, ConnectionError):
            while (wait := allowance.wait) and (pieces := raw.read(wait)):
                body += b"".join(pieces)
                allowance.took(pieces)
        raw.finish()
        return refusal(raw.http, body, request)

    def _pool(self, request: HttpRequest) -> httpcore2.ConnectionPool:
        proxy = proxy_for(request)
        if proxy not in self._pools:
            options = pool_options(proxy, self._context, self._connections)
            self._pools[proxy] = httpcore2.ConnectionPool(network_backend=WatchedBackend(), **options)
        return self._pools[proxy]

    def keep(self, connections: int) -> None:
        """Keep at least so many idle connections from now on."""
        self._connections = max(self._connections, connections)

    def close(self) -> None:
        """Close all connections."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()


class HttpResponse:
    """A response of httpcore2 as a RawResponse."""

    def __init__(self, response: httpcore2.Response, exchange: Exchange) -> None:
        self.http = HttpHead.of(response)
        self._stream: Any = response.stream
        self._chunks: Iterator[bytes] = iter(cast("Iterable[bytes]", self._stream))
        self._exchange = exchange

    @property
    def head(self) -> ResponseHead:
        """Status and headers."""
        return self.http.head

    def read(self, timeout: float | None) -> list[bytes]:
        """Return what is there."""
        self._exchange.deadline.allow(timeout)
        try:
            for data in self._chunks:
                if data:
                    return [data]
        except Exception as error:
            raise body_error(error) from error
        self.http.check_end()
        return []

    def finish(self) -> None:
        """Read to the end of HTTP's framing, and give the connection back to the pool."""
        allowance = Allowance()
        with contextlib.suppress(TimeoutError, ConnectionError):
            while (wait := allowance.wait) and (pieces := self.read(wait)):
                allowance.took(pieces)
        self._stream.close()

    def close(self) -> None:
        """Close the connection, unless the response is at its end."""
        self._stream.close()
