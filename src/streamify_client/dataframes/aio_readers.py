"""The readers for asyncio: the library reads in its own thread."""

from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack, overload

from streamify_client.aio_response import AsyncResponseStream
from streamify_client.request.options import StreamOptions
from streamify_client.request.payload import Payload

from . import formats as _frames
from .in_thread import AsyncFrames, read_in_thread
from .readers import PolarsFormat

if TYPE_CHECKING:
    import pandas
    import polars


class AsyncStreams(Protocol):
    """What readers need of a client."""

    def stream(
        self, function: str, payload: Payload = None, **options: Unpack[StreamOptions]
    ) -> AsyncResponseStream:
        """Return a function's response as a stream."""
        ...


def _read(client: AsyncStreams, function: str, payload: Payload, reading: _frames.Reading) -> Any:
    stream = client.stream(function, payload, **reading.stream_options)
    return AsyncFrames(stream, reading.read) if reading.chunked else read_in_thread(stream, reading.read)


class AsyncReaders:
    """The readers of `AsyncStreamClient`: ``await`` them, or use ``async for`` with a `chunksize`."""

    @overload
    def read_csv(
        self: AsyncStreams, function: str, payload: Payload = None, *, chunksize: None = None, **options: Any
    ) -> "Awaitable[pandas.DataFrame]": ...

    @overload
    def read_csv(
        self: AsyncStreams, function: str, payload: Payload = None, *, chunksize: int, **options: Any
    ) -> "AsyncIterator[pandas.DataFrame]": ...

    def read_csv(
        self: AsyncStreams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: int | None = None,
        **options: Any,
    ) -> Any:
        """As `StreamClient.read_csv`."""
        return _read(self, function, payload, _frames.csv(chunksize, options))

    @overload
    def read_json_lines(
        self: AsyncStreams, function: str, payload: Payload = None, *, chunksize: None = None, **options: Any
    ) -> "Awaitable[pandas.DataFrame]": ...

    @overload
    def read_json_lines(
        self: AsyncStreams, function: str, payload: Payload = None, *, chunksize: int, **options: Any
    ) -> "AsyncIterator[pandas.DataFrame]": ...

    def read_json_lines(
        self: AsyncStreams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: int | None = None,
        **options: Any,
    ) -> Any:
        """As `StreamClient.read_json_lines`."""
        return _read(self, function, payload, _frames.json_lines(chunksize, options))

    @overload
    def read_arrow(
        self: AsyncStreams,
        function: str,
        payload: Payload = None,
        *,
        batches: Literal[False] = False,
        **options: Any,
    ) -> "Awaitable[pandas.DataFrame]": ...

    @overload
    def read_arrow(
        self: AsyncStreams, function: str, payload: Payload = None, *, batches: Literal[True], **options: Any
    ) -> "AsyncIterator[pandas.DataFrame]": ...

    def read_arrow(
        self: AsyncStreams, function: str, payload: Payload = None, *, batches: bool = False, **options: Any
    ) -> Any:
        """As `StreamClient.read_arrow`."""
        return _read(self, function, payload, _frames.arrow(batches, options))

    @overload
    def read_parquet(
        self: AsyncStreams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: None = None,
        spool_limit: int = _frames.SPOOL_LIMIT,
        **options: Any,
    ) -> "Awaitable[pandas.DataFrame]": ...

    @overload
    def read_parquet(
        self: AsyncStreams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: int,
        spool_limit: int = _frames.SPOOL_LIMIT,
        **options: Any,
    ) -> "AsyncIterator[pandas.DataFrame]": ...

    def read_parquet(
        self: AsyncStreams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: int | None = None,
        spool_limit: int = _frames.SPOOL_LIMIT,
        **options: Any,
    ) -> Any:
        """As `StreamClient.read_parquet`."""
        return _read(self, function, payload, _frames.parquet(chunksize, spool_limit, options))

    def read_polars(
        self: AsyncStreams,
        function: str,
        payload: Payload = None,
        *,
        format: PolarsFormat = "arrow",
        **options: Any,
    ) -> "Awaitable[polars.DataFrame]":
        """As `StreamClient.read_polars`."""
        frame: Awaitable[polars.DataFrame] = _read(self, function, payload, _frames.polars(format, options))
        return frame
