"""One streamed response, read with asyncio."""

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Self

from streamify_client.stream.aio_driver import Asyncio
from streamify_client.stream.attributes import parse_json
from streamify_client.stream.core import StreamCore
from streamify_client.stream.item_views import AsyncItemViews, bytes_recipe, text_recipe
from streamify_client.stream.reader import StreamReader
from streamify_client.stream.views import AsyncView
from streamify_client.transports.seam import AsyncTransport


class AsyncResponseStream(AsyncItemViews):
    """A function's response as it arrives; what `AsyncStreamClient.stream` returns.

    Like `ResponseStream`, with ``await``, ``async with`` and ``async for``. Cancelling the task frees the
    connection.

    Example:
        >>> async with client.stream("report", {"rows": 3}) as stream:  # doctest: +SKIP
        ...     print(stream.status_code, stream.content_type)
        ...     async for chunk in stream.iter_bytes():
        ...         print(len(chunk))
    """

    _reader: StreamReader

    def __init__(
        self, core: StreamCore, transport: AsyncTransport, *, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        super().__init__(core, encoding=encoding, errors=errors)
        self._reader = StreamReader(core, Asyncio(transport))

    async def open(self) -> Self:
        """Invoke the function and read up to the start of the body; the caller must then call `aclose`.

        Raises:
            StreamifyError: See `streamify_client.errors`.
        """
        await self._reader.refill(None)
        self._reader.opened_explicitly = True
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.open().__await__()

    def __aenter__(self) -> Coroutine[Any, Any, Self]:
        return self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncView[str]:
        return self.iter_text()

    def iter_bytes(self, chunk_size: int | None = None) -> AsyncView[bytes]:
        """As `ResponseStream.iter_bytes`."""
        return AsyncView(self._reader, *bytes_recipe(chunk_size))

    def iter_text(self, encoding: str | None = None, errors: str | None = None) -> AsyncView[str]:
        """As `ResponseStream.iter_text`."""
        return AsyncView(self._reader, *text_recipe(self._text_options(encoding, errors)))

    async def read(self) -> bytes:
        """Return the rest of the body as bytes."""
        return b"".join(await self.iter_bytes().rest())

    async def text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the rest of the body as text."""
        return "".join(await self.iter_text(encoding, errors).rest())

    async def json(self) -> Any:
        """Parse the rest of the body as JSON and return the value.

        Raises:
            DecodeError: It is not JSON.
        """
        return parse_json(self._core, await self.read())

    def close(self) -> None:
        """Free the connection at once, without waiting for anything."""
        self._reader.close()

    async def aclose(self) -> None:
        """Free the connection, for reuse if the response is complete. Later reads raise StreamClosedError."""
        await self._reader.aclose()

    def cancel(self) -> None:
        """End the stream, from any thread; in the task that reads or opens it, StreamClosedError is raised.

        The function keeps running and is billed until it ends: Lambda does not stop it when a caller
        disconnects.
        """
        self._core.cancel()
