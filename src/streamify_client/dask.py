"""Many responses as one Dask data frame; each is read on the worker that needs its partition.

Dask may run a task more than once: when a worker is lost, when memory was freed too early, or when it was
told to retry. Each run is an invocation, so functions that are read this way should have no side effects, or
only ones that may safely happen twice.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from streamify_client.request.payload import Payload

from ._extras import require
from .errors import ConfigurationError

if TYPE_CHECKING:
    import pandas

_SAMPLE_ROWS = 1000


def read_csv(
    function: str,
    payloads: Iterable[Payload],
    *,
    meta: Any = None,
    client_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Return a Dask data frame with one partition for each payload; functions are invoked when needed.

    Args:
        function: A name, an ARN or a URL, as for `StreamClient.stream`.
        payloads: One for each partition.
        meta: What the frames look like: an empty pandas frame, or a mapping of columns to types. Without it,
            the function is invoked once more, now, with the first payload, to look at its first rows.
        client_options: Arguments for the `StreamClient` of each worker (``region_name=``...). Credentials
            come from the worker's own environment; credentials given here are sent along with the tasks.
        **options: Those of `StreamClient.read_csv`.

    Raises:
        ConfigurationError: Dask or pandas is missing, there is no payload, or an argument is wrong.
        StreamifyError: Raised by ``compute()``, as it occurred on the worker.

    Example:
        >>> from streamify_client.dask import read_csv
        >>> frame = read_csv("report", [{"day": day} for day in days], meta={"id": "int64"})  # doctest: +SKIP
        >>> frame["id"].sum().compute()  # doctest: +SKIP
    """
    frames = require("dask.dataframe", "streamify_client.dask", "dask")
    inputs = list(payloads)
    if not inputs:
        raise ConfigurationError("There is no payload: a data frame needs at least one partition.")
    if "chunksize" in options:
        raise ConfigurationError("chunksize cannot be used here: a partition is one response, read whole.")
    read = partial(_read, function, dict(client_options or {}), options)
    empty = _empty_frame(read, inputs[0]) if meta is None else _as_frame(meta)
    return frames.from_map(partial(_partition, read, empty), inputs, meta=empty, label="streamify-read-csv")


def _read(
    function: str, client_options: dict[str, Any], options: dict[str, Any], payload: Payload, **more: Any
) -> Any:
    from .client import StreamClient

    with StreamClient(**client_options) as client:
        read = client.read_csv(function, payload, **options, **more)
        return next(read) if more else read


def _empty_frame(read: "partial[Any]", payload: Payload) -> "pandas.DataFrame":
    frame: pandas.DataFrame = read(payload, chunksize=_SAMPLE_ROWS)
    return frame.iloc[:0]


def _as_frame(meta: Any) -> Any:
    pandas = require("pandas", "streamify_client.dask", "pandas")
    if isinstance(meta, Mapping):
        return pandas.DataFrame({name: pandas.Series(dtype=kind) for name, kind in meta.items()})
    if not isinstance(meta, pandas.DataFrame):
        raise ConfigurationError(f"meta must be a pandas frame or a mapping, not {type(meta).__name__}.")
    return meta.iloc[:0]


def _partition(read: "partial[Any]", empty: "pandas.DataFrame", payload: Payload) -> "pandas.DataFrame":
    frame: pandas.DataFrame = read(payload)
    if list(frame.columns) != list(empty.columns):
        raise ValueError(
            f"a partition has the columns {list(frame.columns)}, and the others have {list(empty.columns)}: "
            "pass meta= with what the function returns"
        )
    return frame.astype(empty.dtypes.to_dict())
