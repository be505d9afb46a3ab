"""An export of a table as CSV, read with pandas or DuckDB, or into a Parquet file.

    pip install duckdb 'streamify[client,pandas,arrow]'
    python export.py        # with AWS credentials, and the function "export" deployed

A stream that is cut off raises an error in every reader, and leaves no file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamify_server import csv_rows, streaming_handler

if TYPE_CHECKING:
    import pandas

    from streamify_client import StreamClient


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Any:
    """Stream a row for each day, with its temperature."""
    return csv_rows(rows(event["days"]), header=["day", "celsius"])


def rows(days: int) -> Iterator[tuple[int, float]]:
    for day in range(days):  # iterate over a database cursor here
        yield day, 10 + day % 7 / 2


def hottest(client: "StreamClient", days: int) -> "pandas.DataFrame":
    """Read with pandas, in chunks, so that the whole table is never in memory."""
    import pandas

    best = pandas.DataFrame()
    for chunk in client.read_csv("export", {"days": days}, chunksize=10_000):
        best = pandas.concat([best, chunk]).nlargest(3, "celsius", keep="first")
    return best


def averages(client: "StreamClient", days: int) -> list[tuple[Any, ...]]:
    """Read with DuckDB: query the data frame with SQL."""
    import duckdb

    frame = client.read_csv("export", {"days": days})
    with duckdb.connect() as connection:
        connection.register("export", frame)
        query = "select day % 7 as weekday, avg(celsius) from export group by weekday order by weekday"
        return connection.sql(query).fetchall()


def to_parquet(client: "StreamClient", days: int, path: Path) -> None:
    """Write a Parquet file with one row group per chunk; it is renamed to `path` when it is complete."""
    import pyarrow
    import pyarrow.parquet

    part = path.with_suffix(".part")
    writer = None
    try:
        for chunk in client.read_csv("export", {"days": days}, chunksize=10_000):
            table = pyarrow.Table.from_pandas(chunk, preserve_index=False)
            writer = writer or pyarrow.parquet.ParquetWriter(part, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
            part.rename(path)
    finally:
        if writer is not None:
            writer.close()
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    from streamify_client import StreamClient

    with StreamClient() as client:
        print(hottest(client, 100_000))
