"""Dask data frames of many responses, on a real cluster of two worker processes."""

import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from streamify_client import ConfigurationError, TruncatedStreamError
from streamify_client.dask import read_csv
from support.clients import CREDENTIALS
from support.http_peers import plain
from support.wire_server import Peer, WireServer, complete_frame

pd = pytest.importorskip("pandas")
distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes on 127.0.0.1, and a client of theirs."""
    with warnings.catch_warnings():
        # distributed's own: Tornado's loop, and the sockets of its children
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
        with (
            distributed.LocalCluster(host="127.0.0.1", dashboard_address=None, **options) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


class Rows:
    """Serves the rows that the payload asks for; the first two requests wait for each other."""

    def __init__(self) -> None:
        self.both = threading.Barrier(2)
        self.count = 0

    def __call__(self, peer: Peer) -> None:
        self.count += 1
        if self.count <= 2:
            self.both.wait(60)
        number = int(peer.request.body)
        peer.head({"x-amzn-remapped-content-type": "text/csv"})
        peer.payload(b"n,name\n%d,a\n" % number)
        peer.payload(b"%d,b\n" % (number + 1))
        peer.chunk(complete_frame())
        peer.end()


def options_for(server: WireServer) -> dict[str, Any]:
    return {"endpoint_url": server.url, **CREDENTIALS}


META = {"n": "int64", "name": "str"}


def test_partitions_are_read_by_the_workers_side_by_side(cluster: Any) -> None:
    def with_pid(frame: Any) -> Any:  # in here, so that no worker has to import this file
        return frame.assign(worker=os.getpid())

    with WireServer(Rows()) as server:
        frame = read_csv("report", [0, 10, 20, 30], meta=META, client_options=options_for(server))
        assert frame.npartitions == 4
        assert not server.requests
        read = cluster.compute(frame.assign(worker=1).map_partitions(with_pid)).result()
    assert sorted(read["n"]) == [0, 1, 10, 11, 20, 21, 30, 31]
    assert read["worker"].nunique() == 2
    assert os.getpid() not in set(read["worker"])
    assert len(server.requests) == 4


def test_an_error_comes_back_as_the_worker_met_it(cluster: Any) -> None:
    def cut(peer: Peer) -> None:
        peer.head()
        peer.payload(b"n,name\n1,")
        peer.fin()

    with WireServer(cut) as server:
        frame = read_csv("report", [1], meta=META, client_options=options_for(server))
        with pytest.raises(TruncatedStreamError) as caught:
            cluster.compute(frame).result()
    assert (caught.value.function, caught.value.may_have_run) == ("report", True)


def test_without_meta_one_more_invocation_tells_the_types() -> None:
    with WireServer(plain(b"n,x\n1,1.5\n")) as server:
        frame = read_csv(server.url, [{"day": 1}, {"day": 2}])
        assert len(server.requests) == 1
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {"n": "int64", "x": "float64"}
        assert frame["n"].sum().compute(scheduler="sync") == 2
    assert len(server.requests) == 3


def test_types_are_those_of_meta_in_every_partition() -> None:
    with WireServer(plain(b"n\n1\n"), plain(b"n\n1.5\n")) as server:
        frame = read_csv(server.url, [{}, {}], meta=pd.DataFrame({"n": pd.Series(dtype="float64")}))
        assert frame["n"].sum().compute(scheduler="sync") == 2.5


def test_a_partition_with_other_columns_says_so() -> None:
    with WireServer(plain(b"m\n1\n")) as server:
        frame = read_csv(server.url, [{}], meta={"n": "int64"})
        with pytest.raises(ValueError, match="pass meta="):
            frame.compute(scheduler="sync")


@pytest.mark.parametrize(
    ("payloads", "options", "says"),
    [
        ([], {}, "at least one partition"),
        ([1], {"meta": 3}, "meta must be"),
        ([1], {"meta": META, "chunksize": 3}, "chunksize"),
    ],
)
def test_bad_arguments_are_refused(payloads: Any, options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        read_csv("http://127.0.0.1:9", payloads, **options)
