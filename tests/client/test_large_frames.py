"""Frames that take several reads, and TLS records: what has come is handed out; limits count from there."""

import ssl
import threading
from pathlib import Path

import pytest

from streamify_client import CorruptStreamError, StreamClient, StreamTimeoutError, TruncatedStreamError
from support.clients import CREDENTIALS
from support.tls import make_authority
from support.wire_server import Behaviour, Peer, WireServer, complete_frame, payload_frame, whole

LARGE = bytes(range(256)) * 1024
Trust = tuple[ssl.SSLContext | None, str | None]


@pytest.fixture(params=["plain", "TLS"])
def trust(request: pytest.FixtureRequest, tmp_path: Path) -> Trust:
    """The server's context, and what the client has to trust."""
    return make_authority(tmp_path) if request.param == "TLS" else (None, None)


def client_of(server: WireServer, trust: Trust, idle_timeout: float = 20) -> StreamClient:
    return StreamClient(
        endpoint_url=server.url, verify=trust[1] or True, **CREDENTIALS, idle_timeout=idle_timeout
    )


def test_a_large_body_is_read_whole(trust: Trust) -> None:
    sizes = [1, 1500, 16_384, 16_385, 70_000, len(LARGE)]
    payloads = [LARGE[:size] for size in sizes]
    with WireServer(whole(*payloads), context=trust[0]) as server, client_of(server, trust) as client:
        assert list(client.stream("fn").iter_bytes()) == payloads


@pytest.mark.parametrize("size", [20, 2000, 16_384, 100_000])
def test_a_chunk_is_handed_out_before_the_next_is_sent(trust: Trust, size: int) -> None:
    got = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(LARGE[:size])
        peer.payload(LARGE[:size])
        assert got.wait(20)
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(behave, context=trust[0]) as server, client_of(server, trust) as client:
        chunks = client.stream("fn").iter_bytes()
        assert next(chunks) + next(chunks) == LARGE[:size] * 2
        got.set()
        assert list(chunks) == []


def in_parts(pause: float, parts: int, sent: int) -> Behaviour:
    """Send a small payload, then so many parts of a large one, with a pause before each."""

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(b"first")
        frame, gone = payload_frame(LARGE), threading.Event()
        size = len(frame) // parts + 1
        for number in range(sent):
            gone.wait(pause)
            peer.chunk(frame[number * size : (number + 1) * size])
        if sent < parts:
            peer.wait_gone()
            return
        peer.chunk(complete_frame())
        peer.end()

    return behave


def test_the_idle_limit_begins_anew_with_each_part_of_a_frame(trust: Trust) -> None:
    with (
        WireServer(in_parts(0.2, 8, 8), context=trust[0]) as server,
        client_of(server, trust, idle_timeout=1) as client,
    ):
        assert client.stream("fn").read() == b"first" + LARGE


@pytest.mark.parametrize("sent", [1, 3])
def test_a_frame_that_stops_in_the_middle_ends_with_the_idle_limit(trust: Trust, sent: int) -> None:
    chunks: list[bytes] = []
    with (
        WireServer(in_parts(0.05, 4, sent), context=trust[0]) as server,
        client_of(server, trust, idle_timeout=0.5) as client,
        pytest.raises(StreamTimeoutError) as caught,
    ):
        chunks.extend(client.stream("fn").iter_bytes())
    assert caught.value.phase == "idle"
    assert caught.value.bytes_received == len(b"first")


def test_a_connection_lost_in_a_large_frame_is_truncation(trust: Trust) -> None:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(b"first")
        peer.chunk(payload_frame(LARGE)[:100_000])
        peer.fin()

    chunks: list[bytes] = []
    with (
        WireServer(behave, context=trust[0]) as server,
        client_of(server, trust) as client,
        pytest.raises(TruncatedStreamError),
    ):
        chunks.extend(client.stream("fn").iter_bytes())
    assert chunks == [b"first"]


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", b"nonsense\r\n"])
def test_a_body_that_ends_inside_a_frame_is_told_at_once(trust: Trust, ending: bytes) -> None:
    """Nothing waits for the rest of the frame on a connection that stays open."""

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(b"first")
        pause = threading.Event()
        for start in range(0, 60_000, 20_000):
            pause.wait(0.1)
            peer.chunk(payload_frame(LARGE)[start : start + 20_000])
        peer.send(ending)
        assert peer.wait_gone()

    chunks: list[bytes] = []
    with (
        WireServer(behave, context=trust[0]) as server,
        client_of(server, trust, idle_timeout=600) as client,
        pytest.raises(TruncatedStreamError if ending.startswith(b"0") else CorruptStreamError),
    ):
        chunks.extend(client.stream("fn").iter_bytes())
    assert chunks == [b"first"]
