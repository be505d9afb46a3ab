"""Choose the transport of a call: boto3 for functions by name, HTTP for URLs; created on first use."""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_client.errors import ConfigurationError, StreamClosedError
from streamify_client.request.invocation import Invocation

from .boto import BotoTransport, make_client
from .seam import Transport

if TYPE_CHECKING:
    from .http import HttpTransport

DEFAULT_CONNECTIONS = 50


class Transports:
    """The transports of one client.

    Args:
        boto: The transport for a boto3 client that was passed in, or None.
        make_boto: Otherwise creates one, with the given number of connections.
        make_http: Creates the one for URLs.
    """

    def __init__(
        self,
        boto: BotoTransport | None,
        make_boto: Callable[[int], BotoTransport],
        make_http: Callable[[int], "HttpTransport"],
    ) -> None:
        self._lock = threading.Lock()
        self._passed_in = boto
        self._make_boto = make_boto
        self._make_http = make_http
        self._boto: BotoTransport | None = boto
        self._http: HttpTransport | None = None
        self._outgrown: list[BotoTransport] = []
        self._connections = DEFAULT_CONNECTIONS
        self._closed = False
        self._found: Callable[[Any], object] | None = None

    def of(self, invocation: Invocation) -> Transport:
        """Return the transport for a call.

        Raises:
            StreamClosedError: The client was closed.
            ConfigurationError: It cannot be created: a package or a region is missing.
        """
        with self._lock:
            if self._closed:
                raise StreamClosedError("The client is closed.")
            if invocation.request is not None:
                if self._http is None:
                    self._http = self._make_http(self._connections)
                return self._http
            if self._boto is None:
                self._boto = self._make_boto(self._connections)
                self._show()
            return self._boto

    def on_client(self, found: Callable[[Any], object]) -> None:
        """Call a function with the boto3 client, as soon as there is one."""
        with self._lock:
            self._found = found
            self._show()

    def _show(self) -> None:
        if self._boto is not None and self._found is not None:
            self._boto.on_client(self._found)

    def keep(self, connections: int) -> None:
        """Allow this many connections at once from now on, if the pool is ours."""
        with self._lock:
            if connections <= self._connections:
                return
            self._connections = connections
            if self._http is not None:
                self._http.keep(connections)
            if self._boto is not None and self._passed_in is None:
                self._outgrown.append(self._boto)  # streams may still use it
                self._boto = None

    @property
    def fixed_pool_size(self) -> int | None:
        """The pool size of a client that was passed in, if known."""
        return None if self._passed_in is None else self._passed_in.pool_size

    def close(self) -> None:
        """Close what was created here, and release what was passed in."""
        with self._lock:
            self._closed = True
            made = [*self._outgrown, self._boto, self._http]
            self._outgrown, self._boto, self._http = [], self._passed_in, None
        for transport in made:
            if transport is not None:
                transport.close()


def make_boto_transport(
    session: Any, options: Mapping[str, Any], connect_timeout: float | None, connections: int
) -> BotoTransport:
    """Create a boto3 client, and a transport that owns it."""
    return BotoTransport(make_client(session, options, connect_timeout, connections), owned=True)


def make_http_transport(
    client: Any, session: Any, options: Mapping[str, Any], connections: int
) -> "HttpTransport":
    """Create the transport for URLs, with the credentials and the TLS settings of a client."""
    try:
        from .http import HttpTransport
    except ImportError as error:
        raise ConfigurationError(
            "URLs need urllib3, version 2 or newer: pip install 'streamify[url]'."
        ) from error
    from .http_connections import tls_context
    from .signing import signer_of

    return HttpTransport(signer_of(client, session, options), tls_context(options.get("verify")), connections)
