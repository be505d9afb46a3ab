"""An export into data frames, SQL and Parquet; a fan-out with map and with Dask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamify_client import StreamClient, TruncatedStreamError
from streamify_server.local import Fault, LocalLambda

from .conftest import RECIPES, load


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    for name in ("export", "fan_out"):
        aws.add_function(name, handler=f"{name}.handler", code=RECIPES, timeout=30)
    with StreamClient(**aws.client_kwargs) as client:
        yield client


def test_pandas_keeps_only_what_it_looks_for(client: StreamClient) -> None:
    assert load("export").hottest(client, 25_000)["day"].tolist() == [6, 13, 20]


def test_duckdb_asks_in_sql(client: StreamClient) -> None:
    assert load("export").averages(client, 14) == [(day, 10 + day / 2) for day in range(7)]


def test_a_parquet_file_is_written_chunk_by_chunk(client: StreamClient, tmp_path: Path) -> None:
    import pyarrow.parquet

    load("export").to_parquet(client, 25_000, tmp_path / "export.parquet")
    file = pyarrow.parquet.ParquetFile(tmp_path / "export.parquet")
    assert (file.metadata.num_rows, file.num_row_groups) == (25_000, 3)
    assert [each.name for each in tmp_path.iterdir()] == ["export.parquet"]


@pytest.mark.parametrize("read", ["hottest", "averages"])
def test_a_stream_that_is_cut_is_an_error_for_every_reader(
    aws: LocalLambda, client: StreamClient, read: str
) -> None:
    aws.inject("export", Fault(cut_after=100_000))
    with pytest.raises(TruncatedStreamError):
        getattr(load("export"), read)(client, 25_000)


def test_a_stream_that_is_cut_leaves_no_parquet_file(
    aws: LocalLambda, client: StreamClient, tmp_path: Path
) -> None:
    aws.inject("export", Fault(cut_after=100_000))
    with pytest.raises(TruncatedStreamError):
        load("export").to_parquet(client, 25_000, tmp_path / "export.parquet")
    assert list(tmp_path.iterdir()) == []


def test_map_reads_many_pages_at_once(client: StreamClient) -> None:
    assert load("fan_out").longest_pages(client, ["a b", "c d e", "f"]) == [(1, 3), (0, 2), (2, 1)]


def test_pages_that_fail_are_told_when_the_others_have_been_read(
    aws: LocalLambda, client: StreamClient
) -> None:
    aws.inject("fan_out", Fault(cut_after_chunks=1), times=1)
    with pytest.raises(ExceptionGroup, match="1 of 3 pages failed") as failed:
        load("fan_out").longest_pages(client, ["a b", "c d e", "f"])
    assert isinstance(failed.value.exceptions[0], TruncatedStreamError)
    assert len(aws.invocations("fan_out")) == 3


def test_a_page_that_fails_is_dasks_error(aws: LocalLambda, client: StreamClient) -> None:
    aws.inject("fan_out", Fault(cut_after_chunks=1))
    with pytest.raises(TruncatedStreamError):
        load("fan_out").word_counts(["a b a", "b c"], aws.client_kwargs)


def test_dask_reads_a_page_a_partition(aws: LocalLambda, client: StreamClient) -> None:
    counts = load("fan_out").word_counts(["a b a", "b c"], aws.client_kwargs)
    assert counts == {"a": 2, "b": 2, "c": 1}
