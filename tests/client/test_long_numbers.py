"""Numbers that Python does not read, wherever a response has them: an error of ours that says so."""

from collections.abc import Callable
from typing import Any

import pytest

from streamify_client import CorruptStreamError, DecodeError, ResponseStream, StreamClient, ThrottledError
from streamify_client.wire.prelude import HTTP_INTEGRATION
from support.clients import CREDENTIALS
from support.http_peers import plain
from support.wire_server import Peer, WireServer, whole

LONG = b"9" * 5000
VIEWS: dict[str, tuple[bytes, Callable[[ResponseStream], Any]]] = {
    "json": (LONG, lambda stream: stream.json()),
    "JSON Lines": (b"[1]\n" + LONG + b"\n", lambda stream: list(stream.iter_json())),
    "items": (b"[1, " + LONG + b"]", lambda stream: list(stream.iter_json_items("item"))),
    "SSE": (b"data: " + LONG + b"\n\n", lambda stream: [event.json() for event in stream.iter_sse()]),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_number_of_5000_digits_is_a_decode_error(view: str) -> None:
    body, read = VIEWS[view]
    with (
        WireServer(whole(body)) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS) as client,
        pytest.raises(DecodeError, match=r"4,300 digits|too long for Python"),
    ):
        read(client.stream("fn"))


def test_a_prelude_with_such_a_number_is_corrupt() -> None:
    prelude = b'{"statusCode": ' + LONG + b"}" + bytes(8) + b"body"
    headers = {"x-amzn-remapped-content-type": HTTP_INTEGRATION}
    with (
        WireServer(whole(prelude, headers=headers)) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS) as client,
        pytest.raises(CorruptStreamError, match="4,300 digits"),
    ):
        client.stream("fn").open()


def test_a_content_length_that_is_none_is_left_out() -> None:
    prelude = b'{"headers": {"content-length": "' + LONG + b'"}}' + bytes(8) + b"body"
    headers = {"x-amzn-remapped-content-type": HTTP_INTEGRATION}
    with (
        WireServer(whole(prelude, headers=headers)) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS) as client,
        client.stream("fn") as stream,
    ):
        assert stream.content_length is None
        assert stream.read() == b"body"


def test_the_reconnection_time_of_an_event_is_left_out() -> None:
    with WireServer(plain(b"retry: " + LONG + b"\ndata: a\n\n")) as server, StreamClient() as client:
        [event] = client.stream(server.url).iter_sse()
    assert (event.data, event.retry) == ("a", None)


@pytest.mark.parametrize("seconds", [LONG.decode(), "1e999", "-1e999", "nan"])
def test_a_retry_after_that_is_no_time_is_left_out(seconds: str) -> None:
    def busy(peer: Peer) -> None:
        peer.refuse("429 Too Many Requests", "TooManyRequestsException", "busy", {"retry-after": seconds})

    with (
        WireServer(*[busy] * 10) as server,
        StreamClient(endpoint_url=server.url, **CREDENTIALS, total_timeout=5) as client,
        pytest.raises(ThrottledError) as caught,
    ):
        client.stream("fn").open()
    assert caught.value.retry_after is None
