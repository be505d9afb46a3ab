"""Live bodies that begin like Lambda's report of a failure arrive as they are sent."""

import threading

import pytest

from streamify_client import AsyncStreamClient, StreamClient
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
