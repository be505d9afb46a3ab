"""The transport for URLs with blocking calls, on urllib3."""

import contextlib
import ssl
from http.client import HTTPException
from typing import Any

import urllib3
from urllib3 import HTTPHeaderDict  # since urllib3 2
from urllib3.exceptions import HTTPError

from streamify_client.request.invocation import Invocation
from streamify_client.request.url import HttpRequest

from .deadlines import Allowance
from .http_answers import HttpHead, refusal, translate
from .http_connections import Proxies, Proxy
from .seam import Opening, RawResponse
from .signing import Signer
from .urllib3_bodies import Urllib3Response
from .urllib3_connections import URL_POOLS, Exchange, ProcessLocal, current_exchange


class HttpTransport:
    """Calls URLs.

    Args:
        signer: Signs requests if required.
        context: The TLS context.
        connections: How many idle connections to keep for each host.
    """

    def __init__(self, signer: Signer, context: ssl.SSLContext, connections: int) -> None:
        self._signer = signer
        self._context = context
        self._proxies = Proxies()
        self._connections = connections
        self._managers = ProcessLocal(dict)

    @property
    def region(self) -> None:
        """None: the region is part of the URL."""

    def open(self, invocation: Invocation, opening: Opening) -> RawResponse:
        """Send the request once."""
        assert invocation.request is not None
        request = self._signer.sign(invocation.request)
        proxy = self._proxies.find(request)
        forwarded = proxy is not None and request.scheme == "http"
        exchange = Exchange(opening, request.origin + request.target if forwarded else request.target)
        token = current_exchange.set(exchange)
        try:
            response: Any = self._pool(request, proxy).urlopen(
                request.method,
                request.origin + "/",  # the exchange has the target: urllib3 would spell it anew
                body=request.body,
                headers=HTTPHeaderDict(request.headers),
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (OSError, ValueError, HTTPException, HTTPError) as error:
            found = translate(error, request, connected=exchange.connected, proxy=proxy)
            if found is None:
                raise
            raise found from error
        finally:
            current_exchange.reset(token)
        http = HttpHead.of(response.status, response.headers.items(), has_body=request.method != "HEAD")
        raw = Urllib3Response(http.head, response, exchange, http.check_end)
        if http.by_service:
            raise refusal(http, _beginning(raw), request)
        return raw

    def _pool(self, request: HttpRequest, proxy: Proxy | None) -> Any:
        managers: dict[Any, Any] = self._managers.get()
        manager = managers.get(proxy)
        if manager is None:
            manager = managers.setdefault(proxy, self._manager(proxy))
        return manager.connection_from_host(request.host, request.port, request.scheme)

    def _manager(self, proxy: Proxy | None) -> Any:
        options: dict[str, Any] = {"maxsize": self._connections, "ssl_context": self._context}
        manager: Any
        if proxy is None:
            manager = urllib3.PoolManager(**options)
        else:
            options |= {"proxy_headers": proxy.headers(), "proxy_ssl_context": self._context}
            manager = urllib3.ProxyManager(proxy.url, **options)
        manager.pool_classes_by_scheme = URL_POOLS
        return manager

    def keep(self, connections: int) -> None:
        """Keep at least this many idle connections from now on."""
        self._connections = max(self._connections, connections)

    def close(self) -> None:
        """Close idle connections."""
        managers: dict[Any, Any] = self._managers.get()
        for manager in managers.values():
            for key in manager.pools.keys():  # noqa: SIM118  (urllib3's container cannot be iterated)
                manager.pools[key].close()  # by itself it waits until no error holds it
            manager.clear()
        managers.clear()


def _beginning(raw: Urllib3Response) -> bytes:
    """Read the beginning of an error response, and release the connection."""
    body, allowance = b"", Allowance()
    with contextlib.suppress(TimeoutError, ConnectionError):
        while (wait := allowance.wait) and (pieces := raw.read(wait)):
            body += b"".join(pieces)
            allowance.took(pieces)
    raw.finish()
    return body
