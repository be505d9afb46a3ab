"""Live bodies that begin like Lambda's report of a failure arrive before what follows them is sent."""

import json
import threading

import pytest

from streamify_client import AsyncStreamClient, FunctionError, StreamClient, StreamTimeoutError
from support.clients import CREDENTIALS
from support.wire_server import Behaviour, Peer, WireServer, complete_frame, stalled, whole

LIVE = [
    b'{"errors": []}',
    b'{"error": null, "row": 1}',
    b'{"errorType": "none", "row": 1}\n',
    b'{"errorMessage": 1',
    b'{"errorMessage": "held back for a moment',
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


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_report_that_comes_in_pieces_is_a_failure_nevertheless(asynchronous: bool) -> None:
    report = json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "RequestId: req-1 Error: gone"})
    pieces = [report[:20].encode(), report[20:].encode()]
    with WireServer(whole(*pieces)) as server:
        if asynchronous:
            async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS) as client:
                with pytest.raises(FunctionError, match="gone"):
                    await client.stream("fn").read()
        else:
            with (
                StreamClient(endpoint_url=server.url, **CREDENTIALS) as blocking,
                pytest.raises(FunctionError, match="gone"),
            ):
                blocking.stream("fn").read()


def test_the_idle_limit_rules_where_it_is_shorter_than_the_moment() -> None:
    with (
        WireServer(stalled(b'{"errorMessage": "half')) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS, idle_timeout=0.1) as client,
        pytest.raises(StreamTimeoutError) as caught,
    ):
        client.stream("fn").read()
    assert caught.value.phase == "idle"
