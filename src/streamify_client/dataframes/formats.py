"""Read data frames from a stream with blocking calls: shared by the sync and the async readers.

For each format there is a function for the whole and a generator for chunks. Both open and close the stream,
and neither ends normally unless the whole response arrived.
"""

import inspect
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from streamify_client._extras import require
from streamify_client.errors import ConfigurationError, DecodeError, StreamifyError
from streamify_client.files.stream_file import StreamFile, TextReader
from streamify_client.request.options import StreamOptions

if TYPE_CHECKING:
    from streamify_client.files.arrow import ArrowStream

SPOOL_LIMIT = 64 * 1024 * 1024
"""How many bytes of a Parquet file are kept in memory, by default."""

Options = dict[str, Any]
T_co = TypeVar("T_co", covariant=True)


class Batches(Protocol[T_co]):
    """What a reader needs of a view: all items of one read together."""

    def batches(self) -> Iterator[Any]:
        """Iterate over lists of items."""

    def joined(self) -> Iterator[T_co]:
        """Iterate over text or bytes, with the data of each read as one item."""


class Readable(AbstractContextManager["Readable"], Protocol):
    """What a reader needs of a stream."""

    def iter_bytes(self) -> "Batches[bytes]":
        """Return a view of the body's bytes."""

    def iter_text(self) -> "Batches[str]":
        """Return a view of the body's text."""

    def iter_lines(self) -> "Batches[str]":
        """Return a view of the body's lines."""

    def as_file(self, *, full_reads: bool = False) -> StreamFile:
        """Return the body as a file."""

    def to_arrow(self) -> "ArrowStream":
        """Return the body as an Arrow stream."""

    def _explain(self, error: StreamifyError) -> StreamifyError:
        """Say which stream it was that an error is about."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One call of a reader, with validated arguments.

    Attributes:
        stream_options: The options for `StreamClient.stream`.
        read: Reads a stream into a frame, or into an iterator over frames.
        chunked: Whether it is an iterator.
    """

    stream_options: Options
    read: Callable[[Readable], Any]
    chunked: bool = False


def csv(chunksize: int | None, options: Options) -> Reading:
    """Prepare `read_csv`."""
    pandas = _require_pandas("read_csv")
    ours, theirs = _split("read_csv", options, pandas.read_csv)
    if "encoding_errors" in theirs:
        ours["errors"] = theirs.pop("encoding_errors")
    if chunksize is None:
        return Reading(ours, partial(_csv_whole, options=theirs))
    return Reading(ours, partial(_csv_chunks, chunksize=_rows(chunksize), options=theirs), chunked=True)


def json_lines(chunksize: int | None, options: Options) -> Reading:
    """Prepare `read_json_lines`."""
    pandas = _require_pandas("read_json_lines")
    ours, theirs = _split("read_json_lines", options, pandas.read_json)
    if chunksize is None:
        return Reading(ours, partial(_json_lines_whole, options=theirs))
    read = partial(_json_lines_chunks, chunksize=_rows(chunksize), options=theirs)
    return Reading(ours, read, chunked=True)


def arrow(batches: bool, options: Options) -> Reading:
    """Prepare `read_arrow`."""
    _require_pandas("read_arrow", "pyarrow")
    ours, theirs = _split("read_arrow", options, require("pyarrow", "read_arrow", "arrow").Table.to_pandas)
    read = _arrow_batches if batches else _arrow_whole
    return Reading(ours, partial(read, options=theirs), chunked=batches)


def parquet(chunksize: int | None, spool_limit: int, options: Options) -> Reading:
    """Prepare `read_parquet`."""
    pandas = _require_pandas("read_parquet", "pyarrow")
    ours, theirs = _split("read_parquet", options, pandas.read_parquet)
    if chunksize is None:
        return Reading(ours, partial(_parquet_whole, limit=spool_limit, options=theirs))
    read = partial(_parquet_chunks, chunksize=_rows(chunksize), limit=spool_limit, options=theirs)
    return Reading(ours, read, chunked=True)


def polars(kind: str, options: Options) -> Reading:
    """Prepare `read_polars`."""
    library = require("polars", "read_polars", "polars")
    if kind == "arrow":
        require("pyarrow", "read_polars", "polars")
    if kind not in _POLARS_FORMATS:
        known = ", ".join(repr(name) for name in _POLARS_FORMATS)
        raise ConfigurationError(f"read_polars knows the formats {known}, not {kind!r}.")
    reader = library.DataFrame if kind == "arrow" else _POLARS_READERS[kind](library)
    ours, theirs = _split("read_polars", options, reader)
    return Reading(ours, partial(_polars_whole, kind=kind, options=theirs))


def _split(wanted_by: str, options: Options, library: Callable[..., Any]) -> tuple[Options, Options]:
    """Separate the options of the stream from those of the library.

    Raises:
        ConfigurationError: An option belongs to neither; or, if the library accepts options of any name, it
            looks like a misspelled option of ours.
    """
    ours = {name: value for name, value in options.items() if name in StreamOptions.__annotations__}
    theirs = {name: value for name, value in options.items() if name not in ours}
    known = _parameters(library)
    for name in theirs:
        meant = get_close_matches(name, [*StreamOptions.__annotations__, *(known or ())], 1, 0.8)
        if name not in (known or {}) and (known is not None or meant):
            hint = f": did you mean {meant[0]!r}?" if meant else ", and neither has the library that reads."
            raise ConfigurationError(f"{wanted_by} has no option {name!r}{hint}")
    return ours, theirs


def _parameters(function: Callable[..., Any]) -> set[str] | None:
    """Return the names of a function's parameters; None if it accepts others too, or they are unknown."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return None
    is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return None if is_open else {parameter.name for parameter in parameters}


def _rows(chunksize: object) -> int:
    if isinstance(chunksize, bool) or not isinstance(chunksize, int) or chunksize < 1:
        raise ConfigurationError(f"chunksize must be a whole number of rows, 1 or more, not {chunksize!r}.")
    return chunksize


def _require_pandas(wanted_by: str, *also: str) -> Any:
    pandas = require("pandas", wanted_by, "pandas")
    for module in also:
        require(module, wanted_by, "arrow")
    return pandas


def _csv_whole(stream: Readable, options: Options) -> Any:
    """Read all rows."""
    pandas = _require_pandas("read_csv")
    with stream:
        source = _csv_source(stream, options)
        frame = pandas.read_csv(source, **options)
        if options.get("nrows") is None:
            _exhaust(source)
    return frame


def _csv_chunks(stream: Readable, chunksize: int, options: Options) -> Iterator[Any]:
    """Read the given number of rows at a time, as they arrive."""
    pandas = _require_pandas("read_csv")
    with stream:
        source = _csv_source(stream, options)
        with pandas.read_csv(source, chunksize=chunksize, **options) as reader:
            yield from reader
        if options.get("nrows") is None:
            _exhaust(source)


def _csv_source(stream: Readable, options: Options) -> IO[Any]:
    """Return the source for pandas: text, read as it arrives; bytes only if pandas must decode them."""
    if options.get("engine") == "pyarrow":
        return stream.as_file(full_reads=True)  # type: ignore[return-value]
    if options.get("compression") not in (None, "infer"):
        return stream.as_file()  # type: ignore[return-value]
    return TextReader(stream.iter_text().joined())  # type: ignore[return-value]


def _exhaust(source: IO[Any]) -> None:
    """Read to the end, so that an incomplete response raises even if the parser stopped earlier."""
    while source.read(65536):
        pass


def _json_lines_whole(stream: Readable, options: Options) -> Any:
    """Read all lines into one frame."""
    with stream:
        return _parse_lines(stream, list(_lines(stream)), 1, options)


def _json_lines_chunks(stream: Readable, chunksize: int, options: Options) -> Iterator[Any]:
    """Read the given number of lines at a time, as they arrive; the index continues."""
    with stream:
        lines, seen = _lines(stream), 0
        while chunk := list(islice(lines, chunksize)):
            frame = _parse_lines(stream, chunk, seen + 1, options)
            frame.index = range(seen, seen + len(frame))
            seen += len(chunk)
            yield frame


def _lines(stream: Readable) -> Iterator[str]:
    return (line for lines in stream.iter_lines().batches() for line in lines if line.strip())


def _parse_lines(stream: Readable, lines: list[str], first: int, options: Options) -> Any:
    pandas = _require_pandas("read_json_lines")
    try:
        return pandas.read_json(io.StringIO("\n".join(lines)), lines=True, **options)
    except ValueError as error:
        blame = _blame_line(lines, first) or f"pandas cannot make a frame of these lines: {error}."
        raise stream._explain(DecodeError(blame)) from error


def _blame_line(lines: Iterable[str], first: int) -> str | None:
    """Find the first line that is not JSON: pandas only reports that there is one."""
    for number, line in enumerate(lines, first):
        try:
            json.loads(line)
        except (ValueError, RecursionError) as error:
            return f"Row {number} is not JSON: {error}: {line[:60]!r}."
    return None


def _arrow_whole(stream: Readable, options: Options) -> Any:
    """Read all record batches into one frame."""
    with stream:
        return stream.to_arrow().reader.read_pandas(**options)


def _arrow_batches(stream: Readable, options: Options) -> Iterator[Any]:
    """Read each record batch into a frame, as they arrive."""
    with stream:
        for batch in stream.to_arrow():
            yield batch.to_pandas(**options)


def _parquet_whole(stream: Readable, limit: int, options: Options) -> Any:
    """Read the file into one frame; Parquet's index is at the end, so the whole file is received first."""
    pandas = _require_pandas("read_parquet")
    with closing(_spool(stream, limit)) as file:
        return pandas.read_parquet(file, **options)


def _parquet_chunks(stream: Readable, chunksize: int, limit: int, options: Options) -> Iterator[Any]:
    """Read the given number of rows at a time."""
    parquet = require("pyarrow.parquet", "read_parquet", "arrow")
    with closing(_spool(stream, limit)) as spool, parquet.ParquetFile(spool) as file:
        for batch in file.iter_batches(batch_size=chunksize, **options):
            yield batch.to_pandas()


def _spool(stream: Readable, limit: int) -> IO[bytes]:
    """Keep a body in memory up to the limit, and on disk beyond it."""
    file = tempfile.SpooledTemporaryFile(max_size=limit)  # noqa: SIM115  (the caller closes it)
    try:
        with stream:
            for data in stream.iter_bytes().joined():
                file.write(data)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _polars_whole(stream: Readable, kind: str, options: Options) -> Any:
    """Read the body into one Polars frame."""
    polars = require("polars", "read_polars", "polars")
    with stream:
        if kind == "arrow":
            return _from_arrow(polars, stream.to_arrow(), options)
        # Polars reads a whole file object, and panics if reading it raises: pass the bytes instead.
        body = b"".join(stream.iter_bytes().joined())
    return _POLARS_READERS[kind](polars)(body, **options)


_POLARS_READERS: dict[str, Callable[[Any], Any]] = {
    "csv": lambda polars: polars.read_csv,
    "jsonl": lambda polars: polars.read_ndjson,
    "parquet": lambda polars: polars.read_parquet,
}
_POLARS_FORMATS = ("arrow", *_POLARS_READERS)


def _from_arrow(polars: Any, data: "ArrowStream", options: Options) -> Any:
    try:
        return polars.DataFrame(data, **options)
    except Exception as error:
        if data.error is not None and data.error is not error:
            raise data.error from None
        raise
