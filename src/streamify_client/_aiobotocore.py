"""The transport on aiobotocore, with aiohttp underneath."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from ._boto import Call, EventsResponse, Hooks, current_call, event_frames, parameters, response_head
from ._boto_errors import translate
from ._client_kinds import check_client
from ._deadlines import Allowance, Deadline
from ._sockets import keep_alive
from .errors import ConfigurationError, StreamClosedError
from .transport import AsyncRawResponse, Invocation, Opening, ResponseHead


class AiobotocoreTransport:
    """Invokes functions through an aiobotocore Lambda client.

    Args:
        client: The client; None: one is made when it is first needed, and closed with us.
        session: What makes it: an aiobotocore session, or None.
        options: The arguments that it is made with.
        connections: How many connections it may have at once.
    """

    def __init__(self, client: Any, *, session: Any, options: Mapping[str, Any], connections: int) -> None:
        self._client = client
        self._session = session
        self._options = options
        self._connections = connections
        self._hooks: Hooks | None = None
        self._closed = False
        self._stack = contextlib.AsyncExitStack()
        self._making: asyncio.Lock | None = None
        self._found: Callable[[Any], object] | None = None
        if client is not None:
            self._adopt(client)

    async def open(self, invocation: Invocation, opening: Opening) -> AsyncRawResponse:
        """Invoke the function once."""
        if self._closed:
            raise StreamClosedError("The client is closed.")
        call = Call(opening)
        token = current_call.set(call)
        region = None
        try:
            client = await self._get_client()
            region = getattr(getattr(client, "meta", None), "region_name", None)
            async with asyncio.timeout(_longest(opening)):
                response = await client.invoke_with_response_stream(**parameters(invocation))
        except TimeoutError:
            raise
        except Exception as error:
            raise translate(error, invocation, region=region, connected=False) from error
        finally:
            current_call.reset(token)
        raw = getattr(call.http_response, "raw", None)
        if raw is None:
            return AsyncEventsResponse(response)
        return AiohttpResponse(response_head(call.http_response), raw)

    def on_client(self, found: Callable[[Any], object]) -> None:
        """Show the aiobotocore client to somebody, as soon as there is one."""
        self._found = found
        if self._client is not None:
            found(self._client)

    @property
    def pool_size(self) -> int | None:
        """How many connections the client may have at once, where it says so."""
        config = getattr(getattr(self._client, "meta", None), "config", None)
        return getattr(config, "max_pool_connections", None)

    async def close(self) -> None:
        """Take our hooks off the client; close it if it is ours."""
        self._closed = True
        if self._hooks is not None:
            self._hooks.remove()
        await self._stack.aclose()

    async def _get_client(self) -> Any:
        if self._making is None:
            self._making = asyncio.Lock()
        async with self._making:
            if self._client is None:
                client = await self._stack.enter_async_context(
                    make_client(self._session, self._options, self._connections)
                )
                self._adopt(client)
                self._client = client
                if self._found is not None:
                    self._found(client)
        return self._client

    def _adopt(self, client: Any) -> None:
        check_client(client, "aiobotocore")
        session = getattr(getattr(client, "_endpoint", None), "http_session", None)
        if "httpx" in type(session).__module__:
            raise ConfigurationError(
                "AsyncStreamClient needs aiobotocore's aiohttp backend: make the client without httpx "
                "(AioConfig without http_session_cls=HttpxSession)."
            )
        if hasattr(client, "meta") and hasattr(client.meta, "events"):
            self._hooks = Hooks(client)
            self._finalizer = weakref.finalize(self, self._hooks.remove)
        if hasattr(session, "_get_request_timeout"):
            _limit_requests(session)


def _longest(opening: Opening) -> float | None:
    """How long opening may take: aiohttp limits each read for itself, and does not add them up."""
    deadline = Deadline(opening.deadline)
    if opening.connect_timeout is not None and opening.first_byte_timeout is not None:
        deadline.allow(opening.connect_timeout + opening.first_byte_timeout)
    return deadline.left


def _limit_requests(session: Any) -> None:
    """Give our own requests through this session time limits of their own; others keep theirs."""
    if getattr(session, "_streamify_limits", False):
        return
    own, reference = type(session)._get_request_timeout, weakref.ref(session)

    def limited(request: Any) -> Any:
        call = current_call.get()
        if call is None:
            return own(reference(), request)
        from aiohttp import ClientTimeout

        opening = call.opening
        return ClientTimeout(sock_connect=opening.connect_timeout, sock_read=opening.first_byte_timeout)

    session._get_request_timeout = limited
    session._streamify_limits = True


def make_client(session: Any, options: Mapping[str, Any], connections: int) -> Any:
    """Return an async context manager that makes an aiobotocore Lambda client."""
    try:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session
    except ImportError as error:
        raise ConfigurationError(
            "AsyncStreamClient needs aiobotocore: pip install 'streamify[aio]'."
        ) from error
    given = dict(options)
    config = AioConfig(connect_timeout=60, read_timeout=900, max_pool_connections=connections)
    own = given.pop("config", None)
    return (session or get_session()).create_client(
        "lambda", config=config.merge(own) if own is not None else config, **given
    )


class AiohttpResponse:
    """A response of aiohttp as an AsyncRawResponse."""

    def __init__(self, head: ResponseHead, raw: Any) -> None:
        self.head = head
        self._raw = raw
        self._loop = asyncio.get_running_loop()
        self._prepare()

    def _prepare(self) -> None:
        protocol = getattr(getattr(self._raw, "connection", None), "protocol", None)
        if protocol is None:
            return
        protocol.read_timeout = None  # from here on every read has a limit of its own
        protocol.start_timeout()
        sock = protocol.transport.get_extra_info("socket") if protocol.transport else None
        if sock is not None:
            keep_alive(sock)

    async def read(self, timeout: float | None) -> list[bytes]:
        """Return what is there."""
        try:
            async with asyncio.timeout(timeout):
                data: bytes = await self._raw.content.readany()
                return [data] if data else []
        except TimeoutError:
            raise
        except Exception as error:
            raise ConnectionError from error

    async def finish(self) -> None:
        """Read to the end of HTTP's framing, upon which aiohttp takes the connection back."""
        allowance = Allowance()
        try:
            while wait := allowance.wait:
                pieces = await self.read(wait)
                if not pieces:
                    return
                allowance.took(pieces)
        except (TimeoutError, ConnectionError):
            pass
        self.close()

    def close(self) -> None:
        """Close the connection, from any thread; one whose response is at its end was pooled before."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._abort()
            return
        with contextlib.suppress(Exception):
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._abort)
            elif self._raw.connection is not None:
                self._raw.connection.close()  # its transport went with the loop

    def _abort(self) -> None:
        """Close without TLS's farewell, for which asyncio would keep the descriptor up to 30 seconds."""
        transport = getattr(self._raw.connection, "transport", None)
        if transport is not None:
            transport.abort()
        self._raw.close()


class AsyncEventsResponse:
    """The fallback for what is no aiobotocore client, as in users' tests."""

    def __init__(self, response: Mapping[str, Any]) -> None:
        self._sync = EventsResponse(response)
        self.head = self._sync.head
        self._events: AsyncIterator[Mapping[str, Any]] | None = None

    async def read(self, timeout: float | None) -> list[bytes]:
        """Return the next event as a frame."""
        source = self._sync.source
        if not hasattr(source, "__aiter__"):
            return self._sync.read(timeout)
        if self._events is None:
            self._events = source.__aiter__()
        try:
            async with asyncio.timeout(timeout):
                event = await anext(self._events, None)
                return [event_frames(event)] if event else []
        except TimeoutError:
            raise
        except Exception as error:
            raise ConnectionError from error

    async def finish(self) -> None:
        """There is no connection to give back."""
        self.close()

    def close(self) -> None:
        """Close what gave the events, if it can be closed."""
        self._sync.close()
