"""Arrow IPC streams: read by the real pyarrow, Polars, DuckDB and pandas, and never cut short in silence."""

import sys
import warnings
from typing import Any

import duckdb
import pandas
import polars
import pyarrow
import pytest

from streamify_client import (
    ConfigurationError,
    CorruptStreamError,
    DecodeError,
    FunctionError,
    StreamifyError,
    TruncatedStreamError,
)
from streamify_client.files.arrow import ArrowStream
from support.wire_server import Behaviour, Peer, WireServer, complete_frame, truncated, whole

from .conftest import MakeClient

TABLE = pyarrow.table({"n": list(range(1000)), "text": [f"é{i}" for i in range(1000)]})
END = 8  # the bytes of the end-of-stream marker


def ipc(table: pyarrow.Table = TABLE, rows: int = 100) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return bytes(sink.getvalue())


BODY = ipc()
READERS: dict[str, Any] = {
    "pyarrow": lambda data: pyarrow.table(data),
    "reader": lambda data: data.reader.read_all(),
    "batches": lambda data: pyarrow.Table.from_batches(list(data), data.schema),
    "polars": lambda data: through_polars(data),
    "polars frame": lambda data: polars.DataFrame(data).to_arrow(),
    "duckdb": lambda data: through_duckdb(data),
    "pandas": lambda data: pyarrow.Table.from_pandas(pandas.DataFrame.from_arrow(data)),
}


def through_polars(data: ArrowStream) -> Any:
    with warnings.catch_warnings():  # of what it will return for a column, in 2.0
        warnings.simplefilter("ignore", FutureWarning)
        return polars.from_arrow(data).to_arrow()


def through_duckdb(data: ArrowStream) -> Any:
    with duckdb.connect() as connection:
        relation = connection.sql("select * from data")
        assert relation is not None
        return relation.to_arrow_table().combine_chunks()


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize(
    "reader",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name == "pandas" and not hasattr(pandas.DataFrame, "from_arrow"), reason="an older pandas"
            ),
        )
        for name in READERS
    ],
)
@pytest.mark.parametrize("size", [len(BODY), 1000, 37])
def test_arrows_users_read_it_whole(reader: str, size: int, make_own_client: MakeClient) -> None:
    with WireServer(whole(*pieces(BODY, size))) as server, make_own_client(server.url).stream("fn") as stream:
        read = READERS[reader](stream.to_arrow())
        assert read.to_pylist() == TABLE.to_pylist()
        assert stream.result.bytes_received == len(BODY)
    assert server.connections == 1


def failed(body: bytes) -> Behaviour:
    return whole(body, complete=b'{"ErrorCode": "Function.Late", "ErrorDetails": "after the last byte"}')


def flipped(body: bytes) -> Behaviour:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(body[:5000])
        frame = bytearray(complete_frame())
        frame[-1] ^= 1
        peer.chunk(bytes(frame))
        peer.end()

    return behave


FAULTS: dict[str, tuple[Behaviour, type[StreamifyError]]] = {
    "cut in a batch": (truncated(BODY[:5000]), TruncatedStreamError),
    "cut in the schema": (truncated(BODY[:20]), TruncatedStreamError),
    "cut before the first byte": (truncated(b""), TruncatedStreamError),
    "cut just before the end marker": (truncated(BODY[:-END]), TruncatedStreamError),
    "cut inside the end marker": (truncated(BODY[:-4]), TruncatedStreamError),
    "cut just after the end marker": (truncated(BODY), TruncatedStreamError),
    "called complete without the end marker": (whole(BODY[:-END]), TruncatedStreamError),
    "called complete in a batch": (whole(BODY[:5000]), TruncatedStreamError),
    "called complete inside the end marker": (whole(BODY[:-4]), TruncatedStreamError),
    "garbage after a batch": (
        whole(BODY[:-END] + b"\xff\xff\xff\xff\x10\0\0\0garbage, and more than enough"),
        DecodeError,
    ),
    "failed after the last byte": (failed(BODY), FunctionError),
    "corrupt in a batch": (flipped(BODY), CorruptStreamError),
    "bytes after the end": (whole(BODY, b"more"), DecodeError),
    "no Arrow stream": (whole(b"hello, this is no Arrow stream"), DecodeError),
    "an empty body": (whole(), DecodeError),
}


@pytest.mark.parametrize("reader", ["reader", "batches", "polars frame", "duckdb"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_stream_that_is_not_whole_raises_in_every_reader(
    reader: str, fault: str, make_own_client: MakeClient
) -> None:
    behaviour, kind = FAULTS[fault]
    with WireServer(behaviour) as server, make_own_client(server.url).stream("fn") as stream:
        data = stream.to_arrow()
        with pytest.raises(Exception, match=r".") as caught:
            READERS[reader](data)
        assert isinstance(data.error, kind)
        if reader in {"reader", "batches"}:
            assert caught.value is data.error


def test_a_batch_comes_before_the_next_is_sent(make_own_client: MakeClient) -> None:
    import threading

    got_first = threading.Event()
    first = len(ipc(TABLE.slice(0, 100))) - END

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(BODY[:first])
        assert got_first.wait(20)
        peer.payload(BODY[first:])
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(behave) as server, make_own_client(server.url).stream("fn") as stream:
        batches = iter(stream.to_arrow())
        assert next(batches).to_pylist() == TABLE.slice(0, 100).to_pylist()
        got_first.set()
        assert sum(batch.num_rows for batch in batches) == 900


def test_asking_for_the_schema_reads_no_batch(make_own_client: MakeClient) -> None:
    with WireServer(whole(BODY)) as server, make_own_client(server.url).stream("fn") as stream:
        data = stream.to_arrow()
        assert isinstance(data, ArrowStream)
        assert data.schema == pyarrow.schema(data) == TABLE.schema
        assert data.reader is data.reader
        assert pyarrow.table(data).num_rows == 1000


def test_closing_it_frees_the_connection(make_own_client: MakeClient) -> None:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(BODY[:5000])
        assert peer.wait_gone()

    with WireServer(behave) as server:
        data = make_own_client(server.url).stream("fn").open().to_arrow()
        next(iter(data))
        data.close()
        assert server.wait_closed()


def test_without_pyarrow_one_sentence_names_the_extra(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with WireServer(whole(b"x")) as server, make_own_client(server.url).stream("fn") as stream:
        with pytest.raises(ConfigurationError, match=r"needs pyarrow: pip install 'streamify\[arrow\]'"):
            stream.to_arrow()
        assert stream.read() == b"x"


def test_a_polars_that_would_make_rows_of_batches_is_refused(make_own_client: MakeClient) -> None:
    from polars._utils.construction.dataframe import iterable_to_pydf  # what DataFrame calls before 1.22

    with (
        WireServer(whole(BODY)) as server,
        make_own_client(server.url).stream("fn") as stream,
        pytest.raises(ConfigurationError, match=r"since Polars 1\.22"),
    ):
        iterable_to_pydf(stream.to_arrow())
