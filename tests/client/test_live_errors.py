"""Live bodies that begin like Lambda's report of a failure arrive as they are sent."""

import threading

import pytest

from streamify_client import AsyncStreamClient, FunctionError, StreamClient, StreamTimeoutError
from support.clients import CREDENTIALS
from support.wire_server import Behaviour, Peer, WireServer, complete_frame

LIVE = [
    b'{"errors": []}',
    b'{"error": null, "row": 1}',
    b'{"errorType": "none", "row": 1}\n',
    b'{"errorMessage": 1',
]


def waiting(first: bytes, read: threading.Event) -> Behaviour:
    """Send a payload, and go on only when it has been read."""

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(first)
        assert read.wait(20), "the first chunk did not arrive alone"
        peer.payload(b"rest")
        peer.chunk(complete_frame())
        peer.end()

    return behave


@pytest.mark.parametrize("first", LIVE)
def test_a_line_that_begins_like_a_report_arrives_before_the_next_is_sent(first: bytes) -> None:
    read = threading.Event()
    with (
        WireServer(waiting(first, read)) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS, idle_timeout=10) as client,
    ):
        chunks = client.stream("fn").iter_bytes()
        assert next(chunks) == first
        read.set()
        assert b"".join(chunks) == b"rest"


@pytest.mark.parametrize("first", LIVE)
async def test_a_line_that_begins_like_a_report_arrives_at_once_in_asyncio(first: bytes) -> None:
    read = threading.Event()
    with WireServer(waiting(first, read)) as server:
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS, idle_timeout=10) as client:
            chunks = client.stream("fn").iter_bytes()
            assert await anext(chunks) == first
            read.set()
            assert b"".join([chunk async for chunk in chunks]) == b"rest"


# Nothing in these says that they are no report, but that nothing follows.
SILENT = [
    b"{",
    b'{"errorType":"',
    b'{"errorMessage":"none","errorType":"none"}',
    b'{"errorType": "none", "rows": [',
]


@pytest.fixture(params=[0.0, 0.05], ids=["passed", "passes"])
def _a_moment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment for which a body is held back: over when the body comes, or while it is waited for."""
    monkeypatch.setattr("streamify_client.stream.core._MOMENT", request.param)


@pytest.mark.usefixtures("_a_moment")
@pytest.mark.parametrize("total", [None, 60.0])
@pytest.mark.parametrize("first", SILENT)
def test_what_may_be_a_report_is_let_go_after_a_moment(first: bytes, total: float | None) -> None:
    read = threading.Event()
    with (
        WireServer(waiting(first, read)) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS, idle_timeout=10, total_timeout=total) as client,
    ):
        stream = client.stream("fn")
        chunks = stream.iter_bytes()
        assert next(chunks) == first
        read.set()
        assert b"".join(chunks) == b"rest"
        assert stream.result.bytes_received == len(first) + 4


@pytest.mark.usefixtures("_a_moment")
@pytest.mark.parametrize("first", SILENT)
async def test_what_may_be_a_report_is_let_go_after_a_moment_in_asyncio(first: bytes) -> None:
    read = threading.Event()
    with WireServer(waiting(first, read)) as server:
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS, idle_timeout=10) as client:
            chunks = client.stream("fn").iter_bytes()
            assert await anext(chunks) == first
            read.set()
            assert b"".join([chunk async for chunk in chunks]) == b"rest"


def test_the_idle_limit_goes_before_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamify_client.stream.core._MOMENT", 1000.0)

    def stalls(peer: Peer) -> None:
        peer.head()
        peer.payload(b"{")
        peer.wait_gone()

    with (
        WireServer(stalls) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS, idle_timeout=0.1) as client,
        pytest.raises(StreamTimeoutError) as caught,
    ):
        client.stream("fn").read()
    assert caught.value.phase == "idle"


def test_a_report_that_comes_in_two_reads_is_still_one() -> None:
    report = b'{"errorMessage":"no","errorType":"KeyError","requestId":"req-1","stackTrace":[]}'

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(report[:30])
        peer.payload(report[30:])
        peer.chunk(complete_frame())
        peer.end()

    with (
        WireServer(behave) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS) as client,
        pytest.raises(FunctionError) as caught,
    ):
        client.stream("fn").read()
    assert caught.value.error_type == "KeyError"
