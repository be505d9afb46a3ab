"""The transport on aiobotocore, with aiohttp underneath; see aiobotocore_sessions.py."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from streamify_client.errors import ConfigurationError, StreamClosedError
from streamify_client.request.invocation import Invocation
from streamify_client.request.options import LONGEST_RUN

from .aio_waiting import reset
from .boto import (
    Call,
    EventsResponse,
    Hooks,
    current_call,
    event_frames,
    not_lambda,
    parameters,
    region_and_endpoint,
    response_head,
    untie,
)
from .boto_errors import find_bug, no_client, translate
from .client_kinds import check_client
from .per_loop import PerLoop
from .seam import AsyncRawResponse, Opening, ResponseHead

_MISSING = "AsyncStreamClient needs aiobotocore: pip install 'streamify[aio]'."


class AiobotocoreTransport:
    """Invokes functions through an aiobotocore Lambda client.

    Args:
        client: The client; None: one is created in each event loop on first use, and closed with this object
            or with the loop.
        session: An aiobotocore session to create it with, or None.
        options: The arguments to create it with.
        connections: How many connections it may have at once.
    """

    def __init__(self, client: Any, *, session: Any, options: Mapping[str, Any], connections: int) -> None:
        self._session = session
        self._options = options
        self._connections = connections
        self._closed = False
        self._found: Callable[[Any], object] | None = None
        self._adopted: Adopted | None = None if client is None else Adopted(client)
        self._made: PerLoop[Adopted] = PerLoop(self._make, _close)

    async def open(self, invocation: Invocation, opening: Opening) -> AsyncRawResponse:
        """Invoke the function once."""
        try:
            from .aiohttp_bodies import AiohttpResponse, AsyncExchange
        except ModuleNotFoundError as error:
            raise ConfigurationError(_MISSING) from error
        if self._closed:
            raise StreamClosedError("The client is closed.")
        exchange, call = AsyncExchange(opening), Call(opening.first_byte_timeout)
        token = current_call.set(call)
        client = None
        try:
            with exchange:
                client = (self._adopted or await self._made.get(exchange.loop)).client
                response = await client.invoke_with_response_stream(**parameters(invocation))
        except Exception as error:
            if (bug := find_bug(error, connected=exchange.connected)) is not None:
                raise bug from bug.__cause__
            region, endpoint = region_and_endpoint(client)
            raise translate(
                error, invocation, region=region, connected=exchange.connected, endpoint=endpoint
            ) from error
        finally:
            reset(current_call, token)
        # A new connection keeps the context in which it was created, and so the call, as long as it lives.
        http_response, call.http_response = call.http_response, None
        raw = getattr(http_response, "raw", None)
        if raw is None:
            exchange.alarm.stop()
            return AsyncEventsResponse(response)
        untie(response)
        opened = AiohttpResponse(response_head(response), raw, exchange.alarm)
        if (stranger := not_lambda(opened.head)) is not None:
            opened.close()
            raise stranger
        return opened

    def on_client(self, found: Callable[[Any], object]) -> None:
        """Call a function with the aiobotocore client, as soon as there is one."""
        self._found = found
        for adopted in [self._adopted, *self._made.made]:
            if adopted is not None:
                found(adopted.client)

    @property
    def region(self) -> str | None:
        """The region of functions called by name, once there is a client."""
        adopted = self._adopted or next(iter(self._made.made), None)
        return None if adopted is None else region_and_endpoint(adopted.client)[0]

    @property
    def pool_size(self) -> int | None:
        """The size of the client's pool, if known."""
        client = None if self._adopted is None else self._adopted.client
        config = getattr(getattr(client, "meta", None), "config", None)
        return getattr(config, "max_pool_connections", None)

    async def close(self) -> None:
        """Remove our hooks from the client; close it if it is ours."""
        self._closed = True
        if self._adopted is not None:
            self._adopted.undo()
        await self._made.close()

    async def _make(self) -> "Adopted":
        stack = contextlib.AsyncExitStack()
        making = make_client(self._session, self._options, self._connections)
        try:
            client = await stack.enter_async_context(making)
        except Exception as error:
            raise no_client(error) from error
        if self._found is not None:
            self._found(client)
        return Adopted(client, stack)


class Adopted:
    """An aiobotocore client with our hooks.

    Args:
        client: The client.
        stack: Closes it, if it is ours.
    """

    def __init__(self, client: Any, stack: contextlib.AsyncExitStack | None = None) -> None:
        check_client(client, "aiobotocore")
        http_session = getattr(getattr(client, "_endpoint", None), "http_session", None)
        if "httpx" in type(http_session).__module__:  # its responses can only be closed by awaiting
            raise ConfigurationError(
                "AsyncStreamClient needs aiobotocore's aiohttp backend: make the client without httpx "
                "(AioConfig without http_session_cls=HttpxSession)."
            )
        self.client = client
        self.stack = stack
        self.undo: Callable[[], object] = lambda: None
        if hasattr(client, "meta") and hasattr(client.meta, "events"):
            from .aiobotocore_sessions import lend_sessions

            take_back = lend_sessions(http_session)
            self.undo = weakref.finalize(self, _undo, Hooks(client), take_back)


def _undo(hooks: Hooks, take_back: Callable[[], None]) -> None:
    hooks.remove()
    take_back()


async def _close(adopted: Adopted) -> None:
    adopted.undo()
    if adopted.stack is not None:
        await adopted.stack.aclose()


def make_client(session: Any, options: Mapping[str, Any], connections: int) -> Any:
    """Return an async context manager that creates an aiobotocore Lambda client."""
    try:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session
    except ImportError as error:
        raise ConfigurationError(_MISSING) from error
    given = dict(options)
    config = AioConfig(connect_timeout=60, read_timeout=LONGEST_RUN, max_pool_connections=connections)
    own = given.pop("config", None)
    return (session or get_session()).create_client(
        "lambda", config=config.merge(own) if own is not None else config, **given
    )


class AsyncEventsResponse:
    """The fallback for test doubles of an aiobotocore client."""

    survives_timeout: bool = False

    def __init__(self, response: Mapping[str, Any]) -> None:
        self._sync = EventsResponse(response)
        self.head: ResponseHead = self._sync.head
        self._events: AsyncIterator[Mapping[str, Any]] | None = None

    async def read(self, timeout: float | None, wanted: int = 0) -> list[bytes]:
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
        """There is no connection to return."""
        self.close()

    def close(self) -> None:
        """Close the source of the events, if possible."""
        self._sync.close()
