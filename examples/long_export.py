"""A database export that may take longer than a function's timeout and be larger than a response may be.

streamify invoke long_export --payload '{"rows": 1000000}' -o export.csv
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

from streamify_server import checkpoint, last_checkpoint, streaming_handler


@streaming_handler(content_type="text/csv; charset=utf-8")
def handler(event: dict[str, Any], context: Any) -> Iterator[Any]:
    """Yield the rows after the last checkpoint; only the first part has the header."""
    after = last_checkpoint(context)
    if after is None:
        yield "id,square\r\n"
        after = 0
    with open_database(event["rows"]) as database:
        for row in database.execute("select id, square from squares where id > ? order by id", [after]):
            yield f"{row[0]},{row[1]}\r\n"
            yield checkpoint(row[0])


def open_database(rows: int) -> sqlite3.Connection:
    """Return a database with a table of squares; use your own here."""
    database = sqlite3.connect(":memory:")
    database.execute("create table squares (id integer primary key, square integer)")
    database.executemany("insert into squares values (?, ?)", ((n, n * n) for n in range(1, rows + 1)))
    return database
