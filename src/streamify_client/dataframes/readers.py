"""Readers: a function's response as a data frame, as a whole or in chunks as they arrive."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack, overload

from streamify_client.request.options import StreamOptions
from streamify_client.request.payload import Payload
from streamify_client.response import ResponseStream

from . import formats as _frames

if TYPE_CHECKING:
    import pandas
    import polars

PolarsFormat = Literal["arrow", "csv", "jsonl", "parquet"]


class Streams(Protocol):
    """What readers need of a client."""

    def stream(
        self, function: str, payload: Payload = None, **options: Unpack[StreamOptions]
    ) -> ResponseStream:
        """Return a function's response as a stream."""
        ...


def _read(client: Streams, function: str, payload: Payload, reading: _frames.Reading) -> Any:
    return reading.read(client.stream(function, payload, **reading.stream_options))


class Readers:
    """The readers of `StreamClient`.

    The options of `StreamClient.stream` are passed to it (``qualifier``, ``encoding``, timeouts...), all
    others to the library. Readers return, and their iterators end normally, only if the whole response
    arrived.
    """

    @overload
    def read_csv(
        self: Streams, function: str, payload: Payload = None, *, chunksize: None = None, **options: Any
    ) -> "pandas.DataFrame": ...

    @overload
    def read_csv(
        self: Streams, function: str, payload: Payload = None, *, chunksize: int, **options: Any
    ) -> "Iterator[pandas.DataFrame]": ...

    def read_csv(
        self: Streams, function: str, payload: Payload = None, *, chunksize: int | None = None, **options: Any
    ) -> Any:
        """Read CSV into a pandas frame.

        Args:
            function: As for `stream`.
            payload: As for `stream`.
            chunksize: Return an iterator over frames of this many rows, each as soon as its rows arrived.
            **options: Those of `stream`, and those of ``pandas.read_csv``.

        Raises:
            StreamifyError: See `streamify_client.errors`; also if the response was cut between two rows.

        Example:
            >>> for frame in client.read_csv("report", chunksize=10_000):  # doctest: +SKIP
            ...     print(len(frame))
        """
        return _read(self, function, payload, _frames.csv(chunksize, options))

    @overload
    def read_json_lines(
        self: Streams, function: str, payload: Payload = None, *, chunksize: None = None, **options: Any
    ) -> "pandas.DataFrame": ...

    @overload
    def read_json_lines(
        self: Streams, function: str, payload: Payload = None, *, chunksize: int, **options: Any
    ) -> "Iterator[pandas.DataFrame]": ...

    def read_json_lines(
        self: Streams, function: str, payload: Payload = None, *, chunksize: int | None = None, **options: Any
    ) -> Any:
        """Read JSON Lines into a pandas frame.

        Args:
            function: As for `stream`.
            payload: As for `stream`.
            chunksize: Return an iterator over frames of this many lines, each as soon as they arrived.
            **options: Those of `stream`, and those of ``pandas.read_json``.

        Raises:
            DecodeError: A line is not JSON; the message says which.
        """
        return _read(self, function, payload, _frames.json_lines(chunksize, options))

    @overload
    def read_arrow(
        self: Streams,
        function: str,
        payload: Payload = None,
        *,
        batches: Literal[False] = False,
        **options: Any,
    ) -> "pandas.DataFrame": ...

    @overload
    def read_arrow(
        self: Streams, function: str, payload: Payload = None, *, batches: Literal[True], **options: Any
    ) -> "Iterator[pandas.DataFrame]": ...

    def read_arrow(
        self: Streams, function: str, payload: Payload = None, *, batches: bool = False, **options: Any
    ) -> Any:
        """Read an Arrow IPC stream into a pandas frame; for other libraries see `ResponseStream.to_arrow`.

        Args:
            function: As for `stream`.
            payload: As for `stream`.
            batches: Return an iterator over frames, one for each record batch, as they arrive.
            **options: Those of `stream`, and those of ``pyarrow.Table.to_pandas``.
        """
        return _read(self, function, payload, _frames.arrow(batches, options))

    @overload
    def read_parquet(
        self: Streams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: None = None,
        spool_limit: int = _frames.SPOOL_LIMIT,
        **options: Any,
    ) -> "pandas.DataFrame": ...

    @overload
    def read_parquet(
        self: Streams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: int,
        spool_limit: int = _frames.SPOOL_LIMIT,
        **options: Any,
    ) -> "Iterator[pandas.DataFrame]": ...

    def read_parquet(
        self: Streams,
        function: str,
        payload: Payload = None,
        *,
        chunksize: int | None = None,
        spool_limit: int = _frames.SPOOL_LIMIT,
        **options: Any,
    ) -> Any:
        """Read Parquet into a pandas frame. Its index is at the end, so the whole file is received first.

        Args:
            function: As for `stream`.
            payload: As for `stream`.
            chunksize: Return an iterator over frames of this many rows.
            spool_limit: How many bytes to keep in memory; a larger file is written to a temporary file.
            **options: Those of `stream`, and those of ``pandas.read_parquet``, or with a `chunksize` of
                ``pyarrow.parquet.ParquetFile.iter_batches``.
        """
        return _read(self, function, payload, _frames.parquet(chunksize, spool_limit, options))

    def read_polars(
        self: Streams,
        function: str,
        payload: Payload = None,
        *,
        format: PolarsFormat = "arrow",
        **options: Any,
    ) -> "polars.DataFrame":
        """Read the response into a Polars frame.

        Args:
            function: As for `stream`.
            payload: As for `stream`.
            format: The format of the response: "arrow" for an Arrow IPC stream, which is read as it arrives,
                "csv", "jsonl" or "parquet".
            **options: Those of `stream`, and those of ``polars.DataFrame``, ``read_csv``, ``read_ndjson`` or
                ``read_parquet``.
        """
        frame: polars.DataFrame = _read(self, function, payload, _frames.polars(format, options))
        return frame
