"""Servers that send without end: what is kept has a limit, and going beyond it is an error of ours."""

import json
from collections.abc import Iterator

import pytest

from streamify_client import AsyncStreamClient, CorruptStreamError, DecodeError, StreamClient, StreamifyError
from streamify_client.wire.prelude import HTTP_INTEGRATION
from support.clients import CREDENTIALS
from support.wire_server import Behaviour, Peer, WireServer, payload_frame

ENOUGH = 64 * 1024 * 1024
PIECE = 64 * 1024


def endless(pieces: Iterator[bytes], counted: list[int]) -> Behaviour:
    """Send until the client leaves, at most 64 MiB; what left is counted."""

    def behave(peer: Peer) -> None:
        peer.keep = False
        for piece in pieces:
            if sum(counted) > ENOUGH:
                break
            try:
                peer.send(piece)
            except OSError:
                break
            counted.append(len(piece))

    return behave


def repeated(first: bytes, then: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield then


HEADS = {
    "a header": lambda: repeated(b"HTTP/1.1 200 OK\r\nx-a: ", b"y" * PIECE),
    "headers": lambda: repeated(b"HTTP/1.1 200 OK\r\n", b"".join(b"x-%d: y\r\n" % i for i in range(5000))),
    "a status": lambda: repeated(b"HTTP/1.1 200 ", b"y" * PIECE),
}


@pytest.mark.parametrize("what", HEADS)
@pytest.mark.parametrize("by_url", [False, True], ids=["by name", "by URL"])
def test_an_endless_head_is_refused(what: str, by_url: bool) -> None:
    sent: list[int] = []
    with WireServer(endless(HEADS[what](), sent)) as server:
        options = {} if by_url else {"endpoint_url": server.url, **CREDENTIALS}
        with StreamClient(**options) as client, pytest.raises(StreamifyError):
            client.stream(server.url if by_url else "fn").open()
        server.wait_closed()
    assert sum(sent) < ENOUGH


@pytest.mark.parametrize("what", HEADS)
@pytest.mark.parametrize("by_url", [False, True], ids=["by name", "by URL"])
async def test_an_endless_head_is_refused_under_asyncio(what: str, by_url: bool) -> None:
    sent: list[int] = []
    with WireServer(endless(HEADS[what](), sent)) as server:
        options = {} if by_url else {"endpoint_url": server.url, **CREDENTIALS}
        async with AsyncStreamClient(**options) as client:
            with pytest.raises(StreamifyError):
                await client.stream(server.url if by_url else "fn").open()
        server.wait_closed()
    assert sum(sent) < ENOUGH


def endless_body(beginning: bytes, content_type: str, sent: list[int]) -> Behaviour:
    """A good head, and then payload of one value that never ends."""

    def behave(peer: Peer) -> None:
        peer.head({"x-amzn-remapped-content-type": content_type})
        frame = payload_frame(b"x" * PIECE)
        chunk = b"%x\r\n%b\r\n" % (len(frame), frame)
        peer.chunk(payload_frame(beginning))
        endless(repeated(chunk, chunk), sent)(peer)

    return behave


def test_an_endless_prelude_is_refused() -> None:
    sent: list[int] = []
    with (
        WireServer(endless_body(b'{"headers": {"a": "', HTTP_INTEGRATION, sent)) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS) as client,
        pytest.raises(CorruptStreamError, match="longer than"),
    ):
        client.stream("fn").open()
    assert sum(sent) < ENOUGH


@pytest.mark.parametrize("view", ["iter_lines", "iter_json", "iter_sse"])
def test_an_endless_line_is_refused(view: str) -> None:
    sent: list[int] = []
    with (
        WireServer(endless_body(json.dumps("data: ").encode()[1:-1], "text/plain", sent)) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS) as client,
        client.stream("fn") as stream,
        pytest.raises(DecodeError, match="longer than"),
    ):
        next(iter(getattr(stream, view)()))
    assert sum(sent) < ENOUGH
