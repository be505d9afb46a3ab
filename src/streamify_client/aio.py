"""AsyncStreamClient: streamed responses of Lambda functions for asyncio, on aiobotocore."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from streamify_client.dataframes.aio_readers import AsyncReaders
from streamify_client.files.compression import Compression
from streamify_client.files.progress import Progress, meter
from streamify_client.files.sinks import Target, name_of, opened_sink
from streamify_client.files.threads import entered_in_thread, in_thread
from streamify_client.request.client_context import ClientContext
from streamify_client.request.invocation import build_invocation
from streamify_client.request.options import Auth, CallOptions, Options, StreamOptions, check_encoding
from streamify_client.request.payload import Payload
from streamify_client.stream import tracing
from streamify_client.stream.core import StreamCore
from streamify_client.stream.views import AsyncView
from streamify_client.transports.aio_choice import AsyncTransports
from streamify_client.transports.per_loop import running_loop

from .aio_many import AsyncStreamMap
from .aio_response import AsyncResponseStream
from .client import ClientOptions, about, describe, split_options
from .errors import ConfigurationError
from .many import Read, check_concurrency, check_payloads, check_read
from .models import StreamResult


class AsyncStreamClient(AsyncReaders):
    """Reads streamed responses of Lambda functions; the same names as `StreamClient`, with ``await``.

    Args:
        client: An aiobotocore Lambda client to use. It stays yours: its own calls keep their retries and
            timeouts, and `close` does not close it. Without one, a client is made on first use.
        session: An aiobotocore session to make the client from.
        **options: As for `StreamClient`.

    Raises:
        ConfigurationError: An argument is unknown or wrong, or the client does not use the aiohttp backend.

    Example:
        >>> async with AsyncStreamClient() as client:  # doctest: +SKIP
        ...     async for chunk in client.stream("chat", {"prompt": "hi"}):
        ...         print(chunk, end="", flush=True)
    """

    def __init__(self, client: Any = None, *, session: Any = None, **options: Unpack[ClientOptions]) -> None:
        ours, theirs = split_options(options)
        self._options = Options().but(ours)
        if client is not None and (session is not None or theirs):
            given = ", ".join(sorted([*theirs, *(["session"] if session is not None else [])]))
            raise ConfigurationError(f"A client that is passed in cannot be changed: it cannot take {given}.")
        self._transport = AsyncTransports(client, session, theirs)
        self._about = about(client, theirs)

    def stream(
        self,
        function: str,
        payload: Payload = None,
        *,
        qualifier: str | None = None,
        client_context: ClientContext = None,
        tenant_id: str | None = None,
        log_tail: bool = False,
        encoding: str = "utf-8",
        errors: str = "strict",
        raise_for_status: bool = True,
        method: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        query: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        auth: Auth | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncResponseStream:
        """Return a function's response as a stream; arguments as for `StreamClient.stream`.

        Arguments are checked now; the function is invoked on first use: ``await``, ``async with``,
        ``async for`` or a view.

        Raises:
            ConfigurationError: An argument is wrong; the message names it.
        """
        check_encoding(encoding, errors)
        invocation = build_invocation(
            function,
            payload,
            qualifier=qualifier,
            client_context=client_context,
            tenant_id=tenant_id,
            log_tail=log_tail,
            http={"method": method, "headers": headers, "query": query, "auth": auth},
            defaults=self._options,
            changes=options,
        )
        transport = self._transport.of(invocation)
        span = tracing.prepared(invocation, lambda: transport.region)
        core = StreamCore(invocation, raise_for_status=raise_for_status, span=span)
        return AsyncResponseStream(core, transport, encoding=encoding, errors=errors)

    async def stream_to_file(
        self,
        function: str,
        payload: Payload,
        target: Target,
        *,
        overwrite: bool = True,
        compression: Compression | None = "infer",
        progress: Progress = False,
        **options: Unpack[StreamOptions],
    ) -> StreamResult:
        """Stream a function's response into a file, as `StreamClient.stream_to_file`.

        A worker thread writes the target, once for each read, so that a slow disk does not block the event
        loop.

        Raises:
            StreamifyError: See `streamify_client.errors`.
            OSError: The target cannot be written; FileExistsError: it exists, and `overwrite` is False.
        """
        running_loop()
        sink_context = opened_sink(target, overwrite=overwrite, compression=compression)
        async with (
            entered_in_thread(sink_context) as sink,
            self.stream(function, payload, **options) as stream,
        ):
            with meter(progress, name_of(target), stream.content_length) as advance:
                view: AsyncView[str] | AsyncView[bytes] = (
                    stream.iter_text() if sink.text else stream.iter_bytes()
                )
                while data := await view.next_joined():
                    await in_thread(sink.write, data)
                    advance(data)
        return stream.result

    def map(
        self,
        function: str,
        payloads: Iterable[Payload] | AsyncIterable[Payload],
        *,
        concurrency: int = 8,
        ordered: bool = True,
        read: Read | Callable[[AsyncResponseStream], Awaitable[Any]] = "text",
        **options: Unpack[StreamOptions],
    ) -> AsyncStreamMap:
        """Invoke a function once for each payload, several at a time; as `StreamClient.map`.

        `payloads` may be an asynchronous iterable, and a function given as `read` a coroutine function.
        """
        check_payloads(payloads)
        check_concurrency(concurrency, self._transport.fixed_pool_size)
        check_read(read)
        self._transport.keep(concurrency)
        self.stream(function, None, **options).cancel()  # check the options now, not once for each item

        def open_stream(payload: Payload) -> AsyncResponseStream:
            return self.stream(function, payload, **options)

        return AsyncStreamMap(open_stream, payloads, concurrency=concurrency, ordered=ordered, read=read)

    async def close(self) -> None:
        """Close the client if it was made here. One that was passed in only loses our hooks."""
        await self._transport.close()

    async def aclose(self) -> None:
        """The same as `close`."""
        await self.close()

    def __repr__(self) -> str:
        return describe(self, self._about, self._options)

    async def __aenter__(self) -> Self:
        running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
