"""Choose the transport of an asyncio call: aiobotocore for functions by name, HTTP for URLs."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from streamify_client.errors import ConfigurationError, StreamClosedError
from streamify_client.request.invocation import Invocation

from .aiobotocore import AiobotocoreTransport
from .choice import DEFAULT_CONNECTIONS
from .seam import AsyncTransport

if TYPE_CHECKING:
    from .aio_http import AsyncHttpTransport


class AsyncTransports:
    """The transports of one client.

    Args:
        client: An aiobotocore client that was passed in, or None.
        session: A session that was passed in, or None.
        options: boto3's keyword arguments.
    """

    def __init__(self, client: Any, session: Any, options: Mapping[str, Any]) -> None:
        self._client, self._session, self._options = client, session, options
        self._connections = DEFAULT_CONNECTIONS
        self._closed = False
        self._found: Callable[[Any], object] | None = None
        self._outgrown: list[AiobotocoreTransport] = []
        self._http: AsyncHttpTransport | None = None
        self._boto = self._make_boto()

    def of(self, invocation: Invocation) -> AsyncTransport:
        """Return the transport for a call.

        Raises:
            StreamClosedError: The client was closed.
            ConfigurationError: It cannot be created: a package is missing.
        """
        if self._closed:
            raise StreamClosedError("The client is closed.")
        if invocation.request is None:
            return self._boto
        if self._http is None:
            self._http = _make_http(self._client, self._session, self._options)
        return self._http

    def on_client(self, found: Callable[[Any], object]) -> None:
        """Call a function with the aiobotocore client, as soon as there is one."""
        self._found = found
        self._boto.on_client(found)

    def keep(self, connections: int) -> None:
        """Allow this many connections at once from now on, if the pool is ours."""
        if connections <= self._connections:
            return
        self._connections = connections
        if self._client is None:
            self._outgrown.append(self._boto)  # streams may still use it
            self._boto = self._make_boto()

    @property
    def fixed_pool_size(self) -> int | None:
        """The pool size of a client that was passed in, if known."""
        return None if self._client is None else self._boto.pool_size

    async def close(self) -> None:
        """Close what was created here, and release what was passed in."""
        self._closed = True
        for transport in [*self._outgrown, self._boto, self._http]:
            if transport is not None:
                await transport.close()

    def _make_boto(self) -> AiobotocoreTransport:
        boto = AiobotocoreTransport(
            self._client, session=self._session, options=self._options, connections=self._connections
        )
        if self._found is not None:
            boto.on_client(self._found)
        return boto


def _make_http(client: Any, session: Any, options: Mapping[str, Any]) -> "AsyncHttpTransport":
    try:
        from .aio_http import AsyncHttpTransport
    except ImportError as error:
        raise ConfigurationError("URLs need aiohttp: pip install 'streamify[aio]'.") from error
    from .http_connections import tls_context
    from .signing import signer_of

    return AsyncHttpTransport(signer_of(client, session, options), tls_context(options.get("verify")))
