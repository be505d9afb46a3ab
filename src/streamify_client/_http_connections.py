"""What the connections to URLs have in common, by blocking calls and by asyncio: time, proxies, TLS."""

import os
import ssl
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from ._deadlines import Deadline
from ._sockets import keep_alive, shut_down
from .transport import Opening
from .url import HttpRequest

IDLE_CONNECTIONS_LIVE = 15.0  # seconds; a service closes them some time, and a request may cross that


class Exchange:
    """One request and its response on a connection.

    Attributes:
        connected: Whether a connection came about, so that the request may have been sent.
        deadline: Of what is waited for now.
    """

    def __init__(self, opening: Opening) -> None:
        self.connected = False
        self.deadline = Deadline(opening.deadline)
        self._opening = opening

    def connecting(self, sock: Any) -> None:
        """A connection is coming about: shut its socket down if the stream is cancelled."""
        keep_alive(sock)
        self.watch(sock)

    def watch(self, sock: Any) -> None:
        """Shut this socket down if the stream is cancelled; at once, if it was already."""
        self._opening.cancellation.on_request(lambda: shut_down(sock))

    def begin(self) -> None:
        """The request is about to be sent: from now on the function has its time for a first byte."""
        if not self.connected:
            self.connected = True
            self.deadline.allow(self._opening.first_byte_timeout)


current_exchange: ContextVar[Exchange] = ContextVar("streamify_http_exchange")


def to_httpcore(request: HttpRequest, opening: Opening) -> httpcore2.Request:
    """Return the request as httpcore2 takes it."""
    return httpcore2.Request(
        request.method,
        httpcore2.URL(scheme=request.scheme, host=request.host, port=request.port, target=request.target),
        headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers],
        content=request.body,
        extensions={"timeout": {"connect": opening.connect_timeout}},
    )


def proxy_for(request: HttpRequest) -> str | None:
    """Return the URL of the proxy that the environment names for a host, as botocore finds it."""
    if proxy_bypass(request.host):
        return None
    proxies = getproxies()
    return proxies.get(request.scheme) or proxies.get("all")


def pool_options(proxy: str | None, context: ssl.SSLContext, connections: int) -> dict[str, Any]:
    """The arguments of a connection pool."""
    return {
        "ssl_context": context,
        "proxy": None if proxy is None else _to_proxy(proxy),
        "max_connections": None,
        "max_keepalive_connections": connections,
        "keepalive_expiry": IDLE_CONNECTIONS_LIVE,
    }


def _to_proxy(url: str) -> httpcore2.Proxy:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    address = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore2.Proxy(address, auth=auth)


def tls_context(verify: bool | str | None) -> ssl.SSLContext:
    """Make a TLS context of boto3's ``verify``: a CA bundle, False for no check, else the system's trust."""
    verify = os.environ.get("AWS_CA_BUNDLE") or True if verify is None else verify
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    context = httpcore2.default_ssl_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
