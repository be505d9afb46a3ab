"""Arrow IPC streams for libraries with Arrow's C stream interface; incomplete streams raise."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from streamify_client.errors import ConfigurationError, DecodeError, StreamifyError, TruncatedStreamError
from streamify_client.files.stream_file import StreamFile

if TYPE_CHECKING:
    import pyarrow


# Where Polars before 1.22 makes rows of any iterable; from 1.22 on it asks for `__arrow_c_stream__` first.
_POLARS_ROWS = "polars._utils.construction.dataframe"


class WatchedFile:
    """The file for pyarrow; it remembers whether its end was reached and what it raised."""

    def __init__(self, file: StreamFile) -> None:
        self._file = file
        self.met_end: bool = False
        self.error: BaseException | None = None
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Read, as a file does."""
        try:
            data = self._file.read(size)
        except BaseException as error:
            self.error = error
            raise
        self.met_end = len(data) < size
        return data

    def close(self) -> None:
        """Do nothing: the stream is closed by whoever opened it."""


class ArrowStream:
    """The record batches of a streamed Arrow IPC stream, which can be read once.

    Iterate over it, or pass it to a library that accepts Arrow data: ``polars.DataFrame(it)``,
    ``duckdb.from_arrow(it)``, ``pyarrow.table(it)``. A stream without its end-of-stream marker raises, even
    if Lambda reported the response as complete.

    Libraries that read through the C interface may raise their own errors; `error` is then the actual cause.
    """

    def __init__(
        self, file: StreamFile, explain: Callable[[StreamifyError], StreamifyError] = lambda error: error
    ) -> None:
        self._file = file
        self._explain = explain
        self._source = WatchedFile(file)
        self._reader: pyarrow.RecordBatchReader | None = None
        self._error: BaseException | None = None

    @property
    def reader(self) -> "pyarrow.RecordBatchReader":
        """The only reader; its schema is read on first use."""
        if self._reader is None:
            self._reader = self._open()
        return self._reader

    @property
    def schema(self) -> "pyarrow.Schema":
        """The schema of the record batches."""
        return self.reader.schema

    @property
    def error(self) -> BaseException | None:
        """The error that ended the stream too early, if any."""
        return self._error or self._source.error

    def __iter__(self) -> Iterator["pyarrow.RecordBatch"]:
        if sys._getframe(1).f_globals.get("__name__") == _POLARS_ROWS:
            raise ConfigurationError(
                "polars.DataFrame reads Arrow streams since Polars 1.22, and an older Polars makes rows of "
                "their batches: update Polars, or use polars.from_arrow."
            )
        return iter(self.reader)

    def __arrow_c_schema__(self) -> object:
        """Export the schema, by the Arrow PyCapsule interface."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the record batches, by the Arrow PyCapsule interface."""
        return self.reader.__arrow_c_stream__(requested_schema)

    def close(self) -> None:
        """Close the stream."""
        self._file.close()

    def _open(self) -> "pyarrow.RecordBatchReader":
        import pyarrow

        try:
            inner = pyarrow.ipc.open_stream(self._source)
        except StreamifyError:
            raise
        except (pyarrow.ArrowException, OSError) as error:
            raise self._found(DecodeError(f"The body is not an Arrow IPC stream: {error}.")) from error
        return pyarrow.RecordBatchReader.from_batches(inner.schema, self._batches(inner))

    def _batches(self, inner: "pyarrow.RecordBatchReader") -> Iterator["pyarrow.RecordBatch"]:
        import pyarrow

        try:
            yield from inner
        except StreamifyError:
            raise
        except (pyarrow.ArrowException, OSError) as error:
            kind = TruncatedStreamError if self._source.met_end else DecodeError
            raise self._found(kind(f"The Arrow stream cannot be read on: {error}.")) from error
        # pyarrow takes the end of the file for the end of the stream. Writers end it by a marker:
        # https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
        if self._source.met_end:
            raise self._found(
                TruncatedStreamError("The Arrow stream ended without its end-of-stream marker.")
            )
        if self._source.read():
            raise self._found(DecodeError("Bytes came after the end of the Arrow stream."))

    def _found(self, error: StreamifyError) -> BaseException:
        """Remember an error, unless the stream itself has raised one: then that is the reason."""
        self._error = self._source.error or self._explain(error)
        return self._error
