"""The transport for URLs with asyncio, on aiohttp."""

import contextlib
import io
import ssl

import aiohttp
from yarl import URL

from streamify_client.request.invocation import Invocation
from streamify_client.request.url import HttpRequest

from .aiohttp_bodies import AiohttpResponse, AsyncExchange, make_session
from .deadlines import Allowance
from .http_answers import HttpHead, refusal, translate
from .http_connections import Proxies, Proxy
from .per_loop import PerLoop
from .seam import AsyncRawResponse, Opening
from .signing import Signer

IDLE_CONNECTIONS_LIVE = 15.0  # seconds; a host closes them some time, and a request may cross that
LARGE = 256 * 1024  # bytes: aiohttp sends bytes in one go, and a file piece by piece


class AsyncHttpTransport:
    """Calls URLs with asyncio.

    Args:
        signer: Signs requests if required.
        context: The TLS context.
    """

    def __init__(self, signer: Signer, context: ssl.SSLContext) -> None:
        self._signer = signer
        self._context = context
        self._proxies = Proxies()
        self._sessions = PerLoop(self._make_session, _close_session)

    @property
    def region(self) -> None:
        """None: the region is part of the URL."""

    async def open(self, invocation: Invocation, opening: Opening) -> AsyncRawResponse:
        """Send the request once."""
        assert invocation.request is not None
        with AsyncExchange(opening) as exchange:
            request = await self._signer.sign_async(invocation.request)
            proxy = self._proxies.find(request)
            session = await self._sessions.get(exchange.loop)
            try:
                response = await _send(session, request, proxy)
            except (OSError, ValueError, aiohttp.ClientError) as error:
                found = translate(error, request, connected=exchange.connected, proxy=proxy)
                if found is None:
                    raise
                raise found from error
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        http = HttpHead.of(response.status, pairs, has_body=request.method != "HEAD")
        raw = AiohttpResponse(http.head, response, exchange.alarm, http.check_end)
        if http.by_service:
            opening.cancellation.on_request(raw.close)  # the stream never gets to do it
            raise refusal(http, await _beginning(raw), request)
        return raw

    async def _make_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._context, keepalive_timeout=IDLE_CONNECTIONS_LIVE)
        return make_session(connector, owned=True)

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()


async def _close_session(session: aiohttp.ClientSession) -> None:
    await session.close()


async def _send(
    session: aiohttp.ClientSession, request: HttpRequest, proxy: Proxy | None
) -> aiohttp.ClientResponse:
    body, headers = request.body, request.headers
    if proxy is not None and request.scheme == "http":
        headers = (*headers, *proxy.headers().items())  # aiohttp sends these with CONNECT only
    return await session.request(
        request.method,
        URL(request.origin + request.target, encoded=True),
        data=io.BytesIO(body) if body is not None and len(body) > LARGE else body,
        headers=headers,
        skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
        allow_redirects=False,
        proxy=None if proxy is None else proxy.url,
        proxy_headers=None if proxy is None else proxy.headers(),
    )


async def _beginning(raw: AiohttpResponse) -> bytes:
    """Read the beginning of an error response, and release the connection."""
    body, allowance = b"", Allowance()
    with contextlib.suppress(TimeoutError, ConnectionError):
        while (wait := allowance.wait) and (pieces := await raw.read(wait)):
            body += b"".join(pieces)
            allowance.took(pieces)
    await raw.finish()
    return body
