"""Data frames: by the real pandas, pyarrow and Polars, in chunks as they come, never short in silence."""

import gc
import gzip
import io
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from streamify_client import (
    ConfigurationError,
    DecodeError,
    FunctionError,
    StreamClient,
    TruncatedStreamError,
)
from support.wire_server import Peer, WireServer, complete_frame, truncated, whole

from .conftest import MakeClient

FRAME = pandas.DataFrame({"n": range(100), "text": [f"é{i}" for i in range(100)]})


def ipc(frame: pandas.DataFrame, rows: int = 10) -> bytes:
    sink = io.BytesIO()
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def first_batch(body: bytes) -> int:
    """Where the first batch of an Arrow stream ends, in bytes."""
    source = io.BytesIO(body)
    messages = pyarrow.ipc.MessageReader.open_stream(source)
    assert [messages.read_next_message().type for _ in range(2)] == ["schema", "record batch"]
    return source.tell()


def parquet(frame: pandas.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.to_parquet(sink, row_group_size=10)
    return sink.getvalue()


BODIES: dict[str, bytes] = {
    "csv": FRAME.to_csv(index=False).encode(),
    "jsonl": FRAME.to_json(orient="records", lines=True, force_ascii=False).encode(),
    "arrow": ipc(FRAME),
    "parquet": parquet(FRAME),
}
Read = Callable[[StreamClient], Any]
WHOLE: dict[str, tuple[str, Read]] = {
    "csv": ("csv", lambda client: client.read_csv("fn")),
    "csv, engine": ("csv", lambda client: client.read_csv("fn", engine="python")),
    "csv, pyarrow": ("csv", lambda client: client.read_csv("fn", engine="pyarrow")),
    "jsonl": ("jsonl", lambda client: client.read_json_lines("fn")),
    "arrow": ("arrow", lambda client: client.read_arrow("fn")),
    "parquet": ("parquet", lambda client: client.read_parquet("fn")),
    "parquet, disk": ("parquet", lambda client: client.read_parquet("fn", spool_limit=1)),
    "polars": ("arrow", lambda client: client.read_polars("fn").to_pandas()),
    "polars, csv": ("csv", lambda client: client.read_polars("fn", format="csv").to_pandas()),
    "polars, jsonl": ("jsonl", lambda client: client.read_polars("fn", format="jsonl").to_pandas()),
    "polars, parquet": ("parquet", lambda client: client.read_polars("fn", format="parquet").to_pandas()),
}
CHUNKED: dict[str, tuple[str, Read]] = {
    "csv": ("csv", lambda client: client.read_csv("fn", chunksize=10)),
    "csv, engine": ("csv", lambda client: client.read_csv("fn", chunksize=10, engine="python")),
    "jsonl": ("jsonl", lambda client: client.read_json_lines("fn", chunksize=10)),
    "arrow": ("arrow", lambda client: client.read_arrow("fn", batches=True)),
    "parquet": ("parquet", lambda client: client.read_parquet("fn", chunksize=10)),
    "parquet, disk": ("parquet", lambda client: client.read_parquet("fn", chunksize=10, spool_limit=1)),
}


def same(frame: pandas.DataFrame, expected: pandas.DataFrame = FRAME) -> bool:
    return bool(frame.reset_index(drop=True).to_dict() == expected.reset_index(drop=True).to_dict())


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("reader", WHOLE)
@pytest.mark.parametrize("size", [100_000, 7])
def test_a_whole_response_becomes_a_frame(reader: str, size: int, make_own_client: MakeClient) -> None:
    kind, read = WHOLE[reader]
    with WireServer(whole(*pieces(BODIES[kind], size))) as server:
        client = make_own_client(server.url)
        assert same(read(client))
        assert same(read(client))
        assert server.connections == 1


@pytest.mark.parametrize("reader", CHUNKED)
@pytest.mark.parametrize("size", [100_000, 7])
def test_a_response_becomes_frames_of_so_many_rows(
    reader: str, size: int, make_own_client: MakeClient
) -> None:
    kind, read = CHUNKED[reader]
    with WireServer(whole(*pieces(BODIES[kind], size))) as server:
        client = make_own_client(server.url)
        frames = list(read(client))
        assert [len(frame) for frame in frames] == [10] * 10
        assert same(pandas.concat(frames))
        if kind in {"csv", "jsonl"}:
            assert list(frames[3].index) == list(range(30, 40))
        assert len(list(read(client))) == 10
        assert server.connections == 1


def between_rows(kind: str) -> bytes:
    """A body cut where nothing in it shows that something is missing."""
    body = BODIES[kind]
    if kind in {"csv", "jsonl"}:
        return body[: body.index(b"\n", len(body) // 2) + 1]
    return body if kind == "parquet" else body[:-8]


@pytest.mark.parametrize("reader", WHOLE)
def test_a_response_that_is_not_whole_is_no_frame(reader: str, make_own_client: MakeClient) -> None:
    kind, read = WHOLE[reader]
    late = whole(BODIES[kind], complete=b'{"ErrorCode": "Function.Late"}')
    with WireServer(truncated(between_rows(kind)), truncated(BODIES[kind]), truncated(b""), late) as server:
        client = make_own_client(server.url)
        for _ in range(3):
            with pytest.raises(TruncatedStreamError) as caught:
                read(client)
            assert caught.value.function == "fn"
        with pytest.raises(FunctionError):
            read(client)


@pytest.mark.parametrize("reader", CHUNKED)
def test_frames_of_a_response_that_is_not_whole_end_with_an_error(
    reader: str, make_own_client: MakeClient
) -> None:
    kind, read = CHUNKED[reader]
    late = whole(BODIES[kind], complete=b'{"ErrorCode": "Function.Late"}')
    for behaviour, error in ((truncated(between_rows(kind)), TruncatedStreamError), (late, FunctionError)):
        got: list[Any] = []
        with WireServer(behaviour) as server, pytest.raises(error):
            got.extend(read(make_own_client(server.url)))
        assert all(len(frame) == 10 for frame in got)
        assert len(got) >= {"parquet": 0}.get(kind, 4)


@pytest.mark.parametrize("reader", ["csv", "csv, engine", "jsonl", "arrow"])
def test_rows_come_before_the_next_are_sent(reader: str, make_own_client: MakeClient) -> None:
    kind, read = CHUNKED[reader]
    body, got_first = BODIES[kind], threading.Event()
    first = first_batch(body) if kind == "arrow" else body.index(b"\n", body.index("é10".encode())) + 1

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(body[:first])
        assert got_first.wait(20)
        peer.payload(body[first:])
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(behave) as server:
        frames = read(make_own_client(server.url))
        assert same(next(frames), FRAME[:10])
        got_first.set()
        assert same(pandas.concat(list(frames)), FRAME[10:])


@pytest.mark.parametrize("reader", ["csv", "csv, engine", "jsonl", "arrow"])
def test_break_frees_the_connection_at_once(reader: str, make_own_client: MakeClient) -> None:
    kind, read = CHUNKED[reader]

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(BODIES[kind][:-20])
        assert peer.wait_gone()

    gc.disable()
    try:
        with WireServer(behave) as server:
            for _ in read(make_own_client(server.url)):
                break
            assert server.wait_closed()
    finally:
        gc.enable()


def test_options_go_to_the_stream_or_to_the_library(make_own_client: MakeClient) -> None:
    body = "n;straße\n1;x\n2;y\n".encode("latin-1")
    with WireServer(whole(body)) as server:
        client = make_own_client(server.url)
        frame = client.read_csv("fn", {"a": 1}, qualifier="7", encoding="latin-1", sep=";", index_col="n")
        assert frame.to_dict() == {"straße": {1: "x", 2: "y"}}
        assert server.requests[0].target.endswith("Qualifier=7")
        assert server.requests[0].body == b'{"a":1}'
        broken = client.read_csv("fn", sep=";", encoding_errors="replace")
        assert list(broken.columns) == ["n", "stra\ufffde"]
        with pytest.raises(DecodeError) as caught:
            client.read_csv("fn", sep=";")
        assert (caught.value.offset, caught.value.function) == (6, "fn")
        with pytest.raises(ConfigurationError, match="nonsense"):
            client.read_csv("fn", nonsense=1)


def test_fewer_rows_can_be_asked_for_than_there_are(make_own_client: MakeClient) -> None:
    with WireServer(whole(BODIES["csv"])) as server:
        client = make_own_client(server.url)
        assert same(client.read_csv("fn", nrows=5), FRAME[:5])
        assert [len(frame) for frame in client.read_csv("fn", nrows=5, chunksize=3)] == [3, 2]


def test_compressed_csv_and_a_byte_order_mark_are_read(make_own_client: MakeClient) -> None:
    packed = gzip.compress(BODIES["csv"])
    frame = zstandard.compress(BODIES["csv"])
    with WireServer(
        whole(*pieces(packed, 50)), whole("\ufeff".encode() + BODIES["csv"]), truncated(packed)
    ) as server:
        client = make_own_client(server.url)
        assert same(client.read_csv("fn", compression="gzip"))
        assert same(client.read_csv("fn"))
        with pytest.raises(TruncatedStreamError):
            client.read_csv("fn", compression="gzip")
    with WireServer(whole(frame), truncated(frame)) as server:
        client = make_own_client(server.url)
        assert same(client.read_csv("fn", compression="zstd"))
        with pytest.raises(TruncatedStreamError):
            client.read_csv("fn", compression="zstd")
        with pytest.raises(TruncatedStreamError):
            list(client.read_csv("fn", compression="zstd", chunksize=10))


def test_a_parser_that_does_not_look_at_the_end_gets_no_truncated_response_through(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pandas, "read_csv", lambda source: pandas.DataFrame([source.readline()]))
    with WireServer(whole(b"a\nb\n"), truncated(b"a\nb\n")) as server:
        client = make_own_client(server.url)
        assert len(client.read_csv("fn")) == 1
        with pytest.raises(TruncatedStreamError):
            client.read_csv("fn")


def test_quoted_rows_and_odd_line_ends_are_read_as_pandas_reads_them(make_own_client: MakeClient) -> None:
    body = 'a,b\r\n"x\ny",1\n"q""q",2\r\n\u2028,3\n'.encode()
    expected = pandas.read_csv(io.BytesIO(body)).to_dict()
    with WireServer(whole(*pieces(body, 1))) as server:
        client = make_own_client(server.url)
        for engine in ("c", "python"):
            assert client.read_csv("fn", engine=engine).to_dict() == expected


def test_a_json_line_that_is_none_is_named(make_own_client: MakeClient) -> None:
    body = b'{"a": "x\xe2\x80\xa8y"}\n\n{"a": 2}\n{nope}\n{"a": 4}\n'
    with WireServer(whole(body)) as server:
        client = make_own_client(server.url)
        with pytest.raises(DecodeError, match="Row 3 is not JSON") as caught:
            client.read_json_lines("fn")
        assert caught.value.function == "fn"
        frames = client.read_json_lines("fn", chunksize=2)
        assert next(frames).to_dict() == {"a": {0: "x\u2028y", 1: 2}}
        with pytest.raises(DecodeError, match="Row 3 is not JSON"):
            next(frames)


@pytest.mark.parametrize("body", [b"", b"\n\n"])
def test_no_json_lines_are_an_empty_frame(body: bytes, make_own_client: MakeClient) -> None:
    with WireServer(whole(body)) as server:
        client = make_own_client(server.url)
        assert client.read_json_lines("fn").empty
        assert list(client.read_json_lines("fn", chunksize=2)) == []


def test_a_large_parquet_file_is_kept_on_disk(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    real = tempfile.TemporaryFile

    def counting(*args: Any, **options: Any) -> Any:
        files.append(real(*args, **options))
        return files[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", counting)
    with WireServer(whole(BODIES["parquet"])) as server:
        client = make_own_client(server.url)
        assert same(client.read_parquet("fn", spool_limit=len(BODIES["parquet"])))
        assert files == []
        assert list(client.read_parquet("fn", spool_limit=len(BODIES["parquet"]) - 1, columns=["n"])) == ["n"]
        assert [file.closed for file in files] == [True]


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_what_is_no_such_file_is_an_error_that_says_so(kind: str, make_own_client: MakeClient) -> None:
    with WireServer(whole(b"hello, this is neither Arrow nor Parquet")) as server:
        client = make_own_client(server.url)
        with pytest.raises((DecodeError, pyarrow.ArrowInvalid)):
            WHOLE[kind][1](client)
        with pytest.raises((DecodeError, polars.exceptions.PolarsError)):
            client.read_polars("fn", format=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("chunksize", [0, -1, True, 2.5, "10"])
def test_a_number_of_rows_that_is_none_is_refused_at_once(
    chunksize: Any, make_own_client: MakeClient
) -> None:
    with WireServer(whole(b"")) as server:
        client = make_own_client(server.url)
        for read in (client.read_csv, client.read_json_lines, client.read_parquet):
            with pytest.raises(ConfigurationError, match="chunksize"):
                read("fn", chunksize=chunksize)
        with pytest.raises(ConfigurationError, match="'arrow', 'csv', 'jsonl', 'parquet', not 'xml'"):
            client.read_polars("fn", format="xml")  # type: ignore[arg-type]
        assert server.requests == []


@pytest.mark.parametrize(
    ("missing", "extra", "reads"),
    [
        ("pandas", "pandas", ["read_csv", "read_json_lines", "read_arrow", "read_parquet"]),
        ("pyarrow", "arrow", ["read_arrow", "read_parquet"]),
        ("polars", "polars", ["read_polars"]),
    ],
)
def test_a_missing_package_is_named_before_the_function_is_invoked(
    missing: str, extra: str, reads: list[str], make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with WireServer(whole(b"")) as server:
        client = make_own_client(server.url)
        for read in reads:
            with pytest.raises(ConfigurationError, match=rf"{read} needs {missing}: .*streamify\[{extra}\]"):
                getattr(client, read)("fn")
        assert server.requests == []


@pytest.mark.parametrize(
    "reader", ["read_csv", "read_json_lines", "read_arrow", "read_parquet", "read_polars"]
)
def test_an_option_that_is_spelled_wrong_is_refused_before_anything_is_sent(
    make_own_client: MakeClient, reader: str
) -> None:
    with WireServer(whole(b"")) as server:
        client = make_own_client(server.url)
        with pytest.raises(ConfigurationError, match=f"{reader} has no option 'idle_timout': did you mean"):
            getattr(client, reader)("fn", idle_timout=5)
        if reader != "read_parquet":  # pandas takes options of any name there, for its engines
            with pytest.raises(ConfigurationError, match="neither has the library"):
                getattr(client, reader)("fn", colour="red")
        if reader == "read_csv":
            with pytest.raises(ConfigurationError, match="'chunk_size': did you mean 'chunksize'"):
                client.read_csv("fn", chunk_size=10)
    assert server.requests == []
