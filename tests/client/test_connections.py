"""Connections, in all four ways of calling: how they come about; no stream gets what belongs to another."""

import asyncio
import gc
import gzip
import importlib
import socket
import sys
import threading
import weakref
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import urllib3

from streamify_client import (
    AsyncStreamClient,
    ConfigurationError,
    ConnectError,
    CorruptStreamError,
    InvocationError,
    StreamClient,
    StreamClosedError,
    StreamError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from streamify_client.transports import aiohttp_bodies
from streamify_client.wire.chunked import ChunkedDecoder
from support.callers import URL_WAYS, WAYS, Caller, answer
from support.clients import CREDENTIALS, aiobotocore_client, boto_client
from support.http_peers import PLAIN, in_one_piece, plain, says_nothing
from support.tls import make_authority
from support.wire_server import (
    HALF_A_HEAD,
    STREAM_TYPE,
    Behaviour,
    Peer,
    WireServer,
    complete_frame,
    dripping,
    free_port,
    full_backlog,
    payload_frame,
    shut,
    stalled,
    whole,
)

every_way = pytest.mark.parametrize("way", WAYS)
every_url_way = pytest.mark.parametrize("way", URL_WAYS)


def failing(kind: type[StreamifyError], way: str, url: str, path: str = "", **options: Any) -> Any:
    """Read a stream that must fail; return the error."""
    client_options = {name: options.pop(name) for name in ("verify", "client") if name in options}
    with Caller(way, url, **client_options) as caller, pytest.raises(kind) as caught:
        caller.read(path, **options)
    return caught.value


# proxies


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let all requests go through a proxy."""

    def use(url: str) -> None:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, url)

    return use


def relays(peer: Peer) -> None:
    """Be a proxy: connect to the host that is asked for, and pass bytes on in both directions."""
    host, port = peer.request.target.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as other:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(other, peer.sock))
        back.start()
        pump(peer.sock, other)
        shut(other)
        back.join()
    peer.keep = False


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    shut(source)
    shut(sink)


@every_way
def test_a_proxy_that_says_nothing_is_a_connection_that_does_not_come_about(way: str, proxied: Any) -> None:
    with WireServer(says_nothing) as proxy:
        proxied(proxy.url)
        error = failing(StreamTimeoutError, way, "https://example.invalid", connect_timeout=0.3)
    assert (error.phase, error.may_have_run, error.limit) == ("connect", False, 0.3)
    assert [request.method for request in proxy.requests] == ["CONNECT"]


@every_way
def test_a_proxys_answer_that_drips_outlasts_no_limit(way: str, proxied: Any) -> None:
    with WireServer(dripping(HALF_A_HEAD)) as proxy:
        proxied(proxy.url)
        error = failing(StreamTimeoutError, way, "https://example.invalid", connect_timeout=0.5)
    assert (error.phase, error.may_have_run) == ("connect", False)


@every_way
@pytest.mark.parametrize("behaviour", ["refuses", "hangs up"])
def test_a_tunnel_that_does_not_come_about_is_a_connect_error(way: str, behaviour: str, proxied: Any) -> None:
    def refuses(peer: Peer) -> None:
        if behaviour == "refuses":
            peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        peer.fin()

    with WireServer(refuses) as proxy:
        proxied(proxy.url)
        error = failing(ConnectError, way, "https://example.invalid")
    assert not error.may_have_run
    assert "No connection to https://example.invalid" in str(error)


@every_way
def test_a_tls_handshake_that_stalls_behind_a_proxy_keeps_the_connect_timeout(way: str, proxied: Any) -> None:
    def tunnels(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        peer.sock.settimeout(20)
        while peer.sock.recv(65536):
            pass
        peer.fin()

    with WireServer(tunnels) as proxy:
        proxied(proxy.url)
        error = failing(StreamTimeoutError, way, "https://example.invalid", connect_timeout=0.5)
    assert (error.phase, error.may_have_run) == ("connect", False)


@every_way
def test_plain_http_goes_through_a_proxy_and_is_not_tunneled(way: str, proxied: Any) -> None:
    with WireServer(answer(way, b"a")) as proxy:
        proxied(proxy.url.replace("http://", "http://user:p%40ss@"))
        with Caller(way, "http://example.invalid:81") as caller:
            assert caller.read("/x%2Fy?z=1") == b"a"
    request = proxy.requests[0]
    assert request.target.startswith("http://example.invalid:81/")
    assert caller.by_name or request.target == "http://example.invalid:81/x%2Fy?z=1"
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


@every_url_way
def test_a_client_looks_for_a_proxy_once_for_each_host(
    way: str, proxied: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going through the environment takes longer than a small request."""
    with WireServer(answer(way, b"a")) as proxy, WireServer(answer(way, b"b")) as direct:
        proxied(proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with Caller(way, "http://example.invalid") as caller:
            for _ in range(2):
                assert caller.read() == b"a"
                monkeypatch.setenv("HTTP_PROXY", "socks5://no.proxy.of.ours")
        with Caller(way, direct.url) as caller:
            assert caller.read() == b"b"
    assert len(proxy.requests) == 2


@every_url_way
def test_a_proxy_of_another_kind_is_refused(way: str, proxied: Any) -> None:
    proxied("socks5://127.0.0.1:1")
    assert "'socks5'" in str(failing(ConfigurationError, way, "https://example.invalid"))


@every_way
def test_tls_inside_of_tls_is_read_left_and_cancelled(
    way: str, proxied: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, bundle = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    stuck = threading.Event()

    def stalls(peer: Peer) -> None:
        answer(way, b"a")  # as the head of this kind
        peer.head({} if way.endswith("name") else PLAIN)
        peer.chunk(payload_frame(b"some") if way.endswith("name") else b"some")
        stuck.set()
        peer.wait_gone()

    with (
        WireServer(answer(way, b"a"), stalls, context=context) as server,
        WireServer(relays, context=context) as proxy,
    ):
        proxied(proxy.url)
        with Caller(way, server.url, verify=bundle) as caller:
            assert caller.read() == b"a"
            left = caller.opened()
            assert caller.next(left.iter_bytes()) == b"some"
            caller.close(left)
            assert server.wait_closed()
            cancelled = caller.opened()
            chunks = cancelled.iter_bytes()
            assert caller.next(chunks) == b"some"
            canceller = threading.Thread(target=cancelled.cancel)
            canceller.start()
            with pytest.raises(StreamClosedError):
                caller.next(chunks)
            canceller.join()
            assert server.wait_closed()


# coming about


@every_way
def test_a_tls_handshake_that_stalls_is_a_timeout_of_the_connection(way: str) -> None:
    with WireServer(says_nothing) as server:
        url = server.url.replace("http:", "https:")
        error = failing(StreamTimeoutError, way, url, connect_timeout=0.3, first_byte_timeout=60)
    assert (error.phase, error.may_have_run) == ("connect", False)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a shutdown does not end a connection attempt")
@every_way
def test_a_cancel_ends_a_connection_that_is_coming_about(way: str) -> None:
    with full_backlog() as url, Caller(way, url) as caller:
        stream = caller.stream(connect_timeout=600)
        canceller = threading.Timer(0.3, stream.cancel)
        canceller.start()
        with pytest.raises(StreamClosedError, match="cancelled"):
            caller.run(stream.read())
        canceller.join()


@every_way
def test_a_cancel_ends_a_tls_handshake(way: str) -> None:
    accepted, listener = threading.Event(), socket.create_server(("127.0.0.1", 0))
    gone: list[bytes] = []

    def serve() -> None:
        with listener, listener.accept()[0] as sock:
            sock.recv(65536)  # the client's hello
            accepted.set()
            gone.append(sock.recv(1))

    server = threading.Thread(target=serve)
    server.start()
    with Caller(way, f"https://127.0.0.1:{listener.getsockname()[1]}") as caller:
        stream = caller.stream(connect_timeout=600)

        def cancel() -> None:
            assert accepted.wait(20)
            stream.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(StreamClosedError, match="cancelled"):
            caller.run(stream.read())
        canceller.join()
        server.join(20)
    assert gone == [b""]


@every_way
def test_headers_that_drip_outlast_no_limit(way: str) -> None:
    with WireServer(dripping(HALF_A_HEAD)) as server:
        error = failing(StreamTimeoutError, way, server.url, first_byte_timeout=0.5)
    assert (error.phase, error.may_have_run, len(server.requests)) == ("first_byte", True, 1)


def test_a_full_pool_of_aiobotocore_is_a_connect_timeout_that_names_its_size() -> None:
    async def main(url: str) -> StreamTimeoutError:
        async with (
            aiobotocore_client(url, max_pool_connections=2) as boto,
            AsyncStreamClient(boto) as client,
            client.stream("fn"),
            client.stream("fn"),
        ):
            with pytest.raises(StreamTimeoutError) as caught:
                await client.stream("fn", connect_timeout=0.3).read()
            with pytest.raises(StreamTimeoutError) as total:
                await client.stream("fn", total_timeout=0.3).read()
            assert total.value.phase == "total"
        return caught.value

    def stalls(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        peer.wait_gone()

    with WireServer(stalls) as server:
        error = asyncio.run(main(server.url))
    assert (error.phase, error.may_have_run, error.limit) == ("connect", False, 0.3)
    assert "all 2 of the client's pool are in use" in str(error)
    assert len(server.requests) == 2


# what is lost, and whether the function may have run


@every_way
def test_an_answer_that_is_no_http_is_corrupt_and_the_function_may_have_run(way: str) -> None:
    def behave(peer: Peer) -> None:
        peer.send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        peer.fin()

    with WireServer(behave) as server:
        error = failing(CorruptStreamError, way, server.url)
        assert f"The answer of {server.url} is not HTTP" in str(error)
    assert error.may_have_run


@every_way
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_connection_lost_after_the_request_is_told_alike(way: str, how: str) -> None:
    with WireServer(lambda peer: getattr(peer, how)()) as server:
        error = failing(TruncatedStreamError, way, server.url, payload={})
        assert f"The connection to {server.url} was lost before a response arrived" in str(error)
    assert (error.may_have_run, len(server.requests)) == (True, 1)


@every_way
@pytest.mark.parametrize("handled", [StreamTimeoutError("before", phase="total"), FileNotFoundError("f")])
def test_an_error_that_the_caller_is_handling_is_not_taken_for_that_of_the_call(
    way: str, handled: Exception
) -> None:
    with WireServer(lambda peer: peer.fin()) as server:
        try:
            raise handled
        except Exception:
            lost = failing(TruncatedStreamError, way, server.url)
    try:
        raise handled
    except Exception:
        refused = failing(ConnectError, way, f"http://127.0.0.1:{free_port()}")
    assert (lost.may_have_run, refused.may_have_run, refused.refused) == (True, False, True)


@every_way
def test_a_head_that_breaks_off_is_truncated_and_not_repeated_in_the_message(way: str) -> None:
    def behave(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nx-secret: S3CRET\r\nx-")
        peer.fin()

    with WireServer(behave) as server:
        error = failing(TruncatedStreamError, way, server.url)
    assert error.may_have_run
    assert "secret" not in str(error).lower()


@every_way
@pytest.mark.parametrize(
    "header", [b"content-length: 5\r\ncontent-length: 6", b"x: " + b"a" * 70_000], ids=["lengths", "long"]
)
def test_a_head_that_breaks_the_rules_is_corrupt(way: str, header: bytes) -> None:
    def behave(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n")
        peer.fin()

    with WireServer(behave) as server:
        error = failing(CorruptStreamError, way, server.url)
        assert f"The answer of {server.url} is not HTTP" in str(error)
    assert error.may_have_run
    assert "\n" not in str(error)


@every_way
def test_an_answer_that_switches_protocols_is_not_whole(way: str) -> None:
    def behave(peer: Peer) -> None:
        peer.head({} if way.endswith("name") else PLAIN, status="101 Switching Protocols")
        peer.chunk(b"what follows is not HTTP")
        peer.fin()

    with WireServer(behave) as server:
        failing(StreamError, way, server.url)


# bugs

BLOCKING, AIOHTTP = "streamify_client.transports.urllib3_bodies", "streamify_client.transports.aiohttp_bodies"
CONNECTIONS = "streamify_client.transports.urllib3_connections"


@pytest.mark.parametrize("kind", [ZeroDivisionError, AttributeError, ValueError])
@pytest.mark.parametrize(
    ("way", "place"),
    [
        *((way, f"{BLOCKING}.ChunkedBody._receive") for way in ("name", "url")),
        *((way, "streamify_client.wire.chunked.ChunkedDecoder.receive") for way in ("name", "url")),
        *((way, f"{AIOHTTP}.AiohttpResponse.read") for way in ("async name", "async url")),
        *((way, f"{AIOHTTP}.AiohttpResponse._take") for way in ("async name", "async url")),
    ],
)
def test_a_bug_comes_out_as_it_is_and_nothing_is_invoked_again(
    way: str, place: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise kind("a bug")

    with WireServer(answer(way, b"a")) as server, Caller(way, server.url, retries=2) as caller:
        monkeypatch.setattr(place, broken)
        with pytest.raises(kind, match="a bug"):
            caller.read()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("way", "place"),
    [
        ("name", f"{CONNECTIONS}.Exchange.begin"),
        ("name", "streamify_client.transports.boto.parameters"),
        ("async name", f"{AIOHTTP}.GuardedConnector._full_pool_size"),
        ("url", f"{CONNECTIONS}.Exchange.begin"),
        ("async url", f"{AIOHTTP}.GuardedConnector._full_pool_size"),
    ],
)
def test_a_bug_before_the_request_comes_out_as_it_is(
    way: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with WireServer(answer(way, b"a")) as server, Caller(way, server.url, retries=2) as caller:
        monkeypatch.setattr(place, broken)
        with pytest.raises(ZeroDivisionError):
            caller.read()
        assert not server.requests


@every_way
def test_nothing_is_sent_again_where_a_kept_alive_connection_dies(way: str) -> None:
    with WireServer(answer(way, b"a"), lambda peer: peer.fin()) as server, Caller(way, server.url) as caller:
        options = {} if caller.by_name else {"method": "GET"}
        assert caller.read(**options) == b"a"
        with pytest.raises(TruncatedStreamError) as caught:
            caller.read(**options)
    assert caught.value.may_have_run
    assert [request.connection for request in server.requests] == [1, 1]


@every_way
def test_what_came_before_the_end_of_a_connection_is_not_lost(way: str) -> None:
    sent = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head({} if way.endswith("name") else PLAIN)
        peer.chunk(payload_frame(b"first") if way.endswith("name") else b"first")
        assert sent.wait(20)
        peer.chunk(payload_frame(b"second") if way.endswith("name") else b"second")
        peer.fin()

    with WireServer(behave) as server, Caller(way, server.url) as caller:
        stream = caller.opened()
        chunks = stream.iter_bytes()
        assert caller.next(chunks) == b"first"
        sent.set()
        assert server.wait_closed()
        if caller.is_async:
            caller.run(asyncio.sleep(0.1))  # the event loop sees data and end before anybody reads
        assert caller.next(chunks) == b"second"
        with pytest.raises(TruncatedStreamError):
            caller.next(chunks)


@pytest.mark.parametrize("way", ["name", "async name"])
def test_an_answer_that_cannot_be_parsed_is_none_of_a_function_that_did_not_run(way: str) -> None:
    with WireServer(lambda peer: peer.reply("500 Oops", b'["no", "object"]')) as server:
        error = failing(InvocationError, way, server.url)
    assert error.may_have_run


# redirects


@every_way
@pytest.mark.parametrize("status", ["303 See Other", "307 Temporary Redirect"])
def test_a_redirect_is_not_followed(way: str, status: str) -> None:
    with WireServer(answer(way, b"stolen")) as other:

        def redirects(peer: Peer) -> None:
            peer.reply(status, b"", {"location": other.url + "/"})

        with WireServer(redirects) as server, Caller(way, server.url) as caller:
            if caller.by_name:
                with pytest.raises(InvocationError, match=status[:3]) as caught:
                    caller.read(payload={"secret": 1})
                assert not caught.value.may_have_run
            else:
                assert caller.read(payload={"secret": 1}) == b""
        assert not other.requests


# nothing of one stream reaches another


def doubled(way: str, framing: str, second: slice) -> Behaviour:
    """Make a behaviour: two answers in one segment, the second one perhaps not complete."""
    body = b"".join([payload_frame(b"first"), complete_frame()]) if way.endswith("name") else b"first"
    kind = STREAM_TYPE if way.endswith("name") else "text/plain"

    def behave(peer: Peer) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n".encode()
        if framing == "chunked":
            whole_answer = head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
                len(body),
                body,
            )
        else:
            whole_answer = head + b"content-length: %d\r\n\r\n%s" % (len(body), body)
        peer.send(whole_answer + whole_answer.replace(b"first", b"wrong")[second])

    return behave


@every_way
@pytest.mark.parametrize("framing", ["chunked", "sized"])
@pytest.mark.parametrize("second", [slice(None), slice(1), slice(20)], ids=["whole", "a byte", "a part"])
def test_a_second_answer_behind_the_first_is_not_the_next_calls(
    way: str, framing: str, second: slice
) -> None:
    with (
        WireServer(doubled(way, framing, second), answer(way, b"second")) as server,
        Caller(way, server.url) as caller,
    ):
        assert (caller.read(), caller.read()) == (b"first", b"second")
    assert [request.connection for request in server.requests] == [1, 2]


@every_way
def test_an_answer_that_nobody_asked_for_is_not_the_next_calls(way: str) -> None:
    idle, sent = threading.Event(), threading.Event()

    def behave(peer: Peer) -> None:
        answer(way, b"first")(peer)
        assert idle.wait(20)
        answer(way, b"wrong")(peer)
        sent.set()

    with WireServer(behave, answer(way, b"second")) as server, Caller(way, server.url) as caller:
        assert caller.read() == b"first"
        idle.set()
        assert sent.wait(20)
        assert caller.read() == b"second"
        assert server.connections == 2


@every_way
def test_cancelling_a_stream_that_was_read_cuts_no_other(way: str) -> None:
    body = b"".join([payload_frame(b"first"), complete_frame()]) if way.endswith("name") else b"first"
    kind = STREAM_TYPE if way.endswith("name") else "text/plain"
    cancelled = threading.Event()

    def second(peer: Peer) -> None:
        peer.head({} if way.endswith("name") else PLAIN)
        assert cancelled.wait(20)
        peer.chunk(payload_frame(b"second") + complete_frame() if way.endswith("name") else b"second")
        peer.end()

    sized = in_one_piece(body, headers={"content-type": kind})
    with WireServer(sized, second) as server, Caller(way, server.url) as caller:
        one = caller.opened()
        chunks = one.iter_bytes()
        assert caller.next(chunks) == b"first"  # the last byte of the response
        if caller.by_name:
            threading.Timer(0.2, cancelled.set).start()
            one.cancel()
            assert caller.read() == b"second"
            return
        other = caller.opened()
        one.cancel()
        cancelled.set()
        assert caller.run(other.read()) == b"second"


@every_url_way
def test_cookies_are_not_kept(way: str) -> None:
    with (
        WireServer(plain(b"a", headers={"set-cookie": "session=1; Path=/"})) as server,
        Caller(way, server.url) as caller,
    ):
        assert caller.read() + caller.read() == b"aa"
    assert all("cookie" not in request.headers for request in server.requests)


# requests and answers as they are


@every_url_way
def test_a_url_is_sent_as_it_is_spelled(way: str) -> None:
    target = "/a%2fb%20c/../d;e?x=%2B&y=a%20b&z"
    with WireServer(plain(b"a")) as server, Caller(way, server.url) as caller:
        assert caller.read(target) == b"a"
    assert server.requests[0].target == target


@every_way
def test_a_large_payload_is_sent_whole(way: str) -> None:
    with WireServer(answer(way, b"a")) as server, Caller(way, server.url) as caller:
        assert caller.read(payload={"data": "x" * 3_000_000}) == b"a"
    assert len(server.requests[0].body) > 3_000_000


@every_way
def test_a_long_header_is_read(way: str) -> None:
    with (
        WireServer(answer(way, b"a", headers={"x-long": "y" * 30_000})) as server,
        Caller(way, server.url) as caller,
    ):
        assert caller.read() == b"a"


@every_url_way
def test_a_content_coding_is_undone_once(way: str) -> None:
    with (
        WireServer(plain(gzip.compress(b"hello"), headers={"content-encoding": "gzip"})) as server,
        Caller(way, server.url) as caller,
    ):
        assert caller.read() == b"hello"


@every_url_way
def test_a_head_request_has_no_body_and_a_whole_answer(way: str) -> None:
    def behave(peer: Peer) -> None:
        peer.head({**PLAIN, "content-length": "99"}, chunked=False)

    with WireServer(behave) as server, Caller(way, server.url) as caller:
        assert caller.read(method="HEAD") + caller.read(method="HEAD") == b""
        assert server.connections == 1


@every_way
def test_chunks_that_have_arrived_are_read_at_once(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count, reads = 2000, []
    receive = ChunkedDecoder.receive

    def counted(self: ChunkedDecoder, data: bytes) -> list[bytes | memoryview]:
        reads.append(len(data))
        return receive(self, data)

    monkeypatch.setattr(ChunkedDecoder, "receive", counted)
    piece = payload_frame(b"x" * 100) if way.endswith("name") else b"x" * 100
    last = complete_frame() if way.endswith("name") else b"x"

    def behave(peer: Peer) -> None:
        peer.head({} if way.endswith("name") else PLAIN)
        peer.send(b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*[piece] * count, last]))
        peer.end()

    with WireServer(behave) as server, Caller(way, server.url) as caller:
        stream = caller.opened()
        chunks = list(stream.iter_bytes()) if not caller.is_async else caller.run(_all(stream))
    if way.endswith("name"):
        assert chunks == [b"x" * 100] * count
    else:  # a chunk that spans two reads comes in two pieces, without waiting
        assert b"".join(chunks) == b"x" * (100 * count + 1)
        assert chunks.count(b"x" * 100) > count * 0.9
    assert len(reads) < count / 10


@pytest.mark.parametrize("way", ["async name", "async url"])
def test_what_aiohttp_has_in_memory_is_taken_in_few_steps(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count, steps = 2000, []
    take = aiohttp.StreamReader._read_nowait_chunk

    def counted(self: aiohttp.StreamReader, size: int) -> bytes:
        steps.append(size)
        return take(self, size)

    monkeypatch.setattr(aiohttp.StreamReader, "_read_nowait_chunk", counted)
    piece = payload_frame(b"x" * 100) if way.endswith("name") else b"x" * 100

    def behave(peer: Peer) -> None:
        peer.head({} if way.endswith("name") else PLAIN)
        peer.send(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for _ in range(count)))
        if way.endswith("name"):
            peer.chunk(complete_frame())
        peer.end()

    with WireServer(behave) as server, Caller(way, server.url) as caller:
        chunks = caller.run(_all(caller.opened()))
    assert b"".join(chunks) == b"x" * (100 * count)
    assert chunks.count(b"x" * 100) > count * 0.9
    assert len(steps) < count / 10


async def _all(stream: Any) -> list[bytes]:
    return [chunk async for chunk in stream.iter_bytes()]


@pytest.mark.parametrize("way", ["name", "async name"])
def test_a_proxy_that_collects_the_stream_changes_nothing(way: str) -> None:
    body = payload_frame(b"a") + payload_frame(b"b") + complete_frame()
    with (
        WireServer(in_one_piece(body, headers={"content-type": STREAM_TYPE})) as server,
        Caller(way, server.url) as caller,
    ):
        assert [caller.read() for _ in range(3)] == [b"ab"] * 3
        assert server.connections == 1


def test_a_body_is_read_through_an_older_urllib3(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore still allows it; before 2.3 there is no `read1` in its responses."""
    for kind in urllib3.HTTPResponse.__mro__:
        monkeypatch.delattr(kind, "read1", raising=False)
    read = threading.Event()

    def waits(peer: Peer) -> None:
        peer.head()
        peer.payload(b"a")
        assert read.wait(20)
        peer.payload(b"b")
        peer.chunk(complete_frame())
        peer.end()

    def cut(peer: Peer) -> None:
        peer.head()
        peer.payload(b"a")
        peer.fin()

    sized = in_one_piece(payload_frame(b"d") + complete_frame(), headers={"content-type": STREAM_TYPE})
    with (
        WireServer(waits, whole(b"c"), sized, stalled(b"a"), cut) as server,
        Caller("name", server.url) as caller,
    ):
        stream = caller.stream()
        chunks = stream.iter_bytes()
        assert next(chunks) == b"a"
        read.set()
        assert list(chunks) == [b"b"]
        assert caller.read() == b"c"
        assert caller.read() == b"d"
        assert server.connections == 1
        with pytest.raises(StreamTimeoutError) as caught:
            caller.read(idle_timeout=0.1)
        assert caught.value.phase == "idle"
        with pytest.raises(TruncatedStreamError):
            caller.read()


def test_a_short_body_is_not_whole_through_an_older_urllib3(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in urllib3.HTTPResponse.__mro__:
        monkeypatch.delattr(kind, "read1", raising=False)

    def short(peer: Peer) -> None:
        peer.head({**PLAIN, "content-length": "10"}, chunked=False)
        peer.send(b"half")
        peer.fin()

    with WireServer(short) as server:
        failing(TruncatedStreamError, "url", server.url)


def test_a_urllib3_that_is_too_old_for_urls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("urllib3.HTTPHeaderDict", raising=False)
    monkeypatch.delitem(sys.modules, "streamify_client.transports.http", raising=False)
    with pytest.raises(ConfigurationError, match="version 2 or newer"):
        StreamClient().stream("http://127.0.0.1:9")


@pytest.mark.parametrize("way", ["name", "async name"])
def test_the_login_page_of_a_network_is_named_as_such(way: str) -> None:
    with WireServer(in_one_piece(b"<html>", headers={"content-type": "text/html"})) as server:
        error = failing(CorruptStreamError, way, server.url)
        assert server.wait_closed()
    assert "does not come from Lambda: it is 'text/html'" in str(error)


HUGE = "9" * 5000


@every_way
def test_numbers_of_five_thousand_digits_are_errors_of_ours(way: str) -> None:
    def status(peer: Peer) -> None:
        peer.send(f"HTTP/1.1 {HUGE} OK\r\n\r\n".encode())
        peer.fin()

    def length(peer: Peer) -> None:
        peer.head({**PLAIN, "content-length": HUGE}, chunked=False)
        peer.fin()

    for behaviour in (status, length):
        with WireServer(behaviour) as server:
            failing(StreamifyError, way, server.url)


# being asked to wait


def throttled(retry_after: str) -> Behaviour:
    return lambda peer: peer.refuse(
        "429 Too Many Requests", "TooManyRequestsException", "Rate exceeded", {"retry-after": retry_after}
    )


@every_way
def test_a_date_to_retry_after_is_understood(way: str) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with WireServer(throttled(later)) as server:
        error = failing(ThrottledError, way, server.url)
    assert 3000 < error.retry_after <= 3600
    assert len(server.requests) == 1
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    with WireServer(throttled(past), answer(way, b"a")) as server, Caller(way, server.url) as caller:
        assert caller.read() == b"a"


@every_way
@pytest.mark.parametrize("value", ["soon", "nan", "inf", HUGE, ""])
def test_what_is_no_time_to_retry_after_is_none(way: str, value: str) -> None:
    with WireServer(throttled(value), throttled(value), throttled("99")) as server:
        error = failing(ThrottledError, way, server.url)
    assert (error.retry_after, len(server.requests)) == (99, 3)


# settings


@every_url_way
def test_a_ca_bundle_that_cannot_be_read_is_a_mistake_in_the_configuration(way: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for path in (str(tmp_path / "missing.pem"), str(broken)):
        error = failing(ConfigurationError, way, "https://127.0.0.1:9", verify=path)
        assert path in str(error)


@pytest.mark.parametrize("way", ["name", "async name"])
@pytest.mark.parametrize("kind", ["missing", "folder", "no certificate"])
def test_a_ca_bundle_that_a_function_by_name_cannot_read_is_one_too(
    way: str, kind: str, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    if kind == "folder":
        bundle.mkdir()
    if kind == "no certificate":
        bundle.write_text("no certificate")
    context, _ = make_authority(tmp_path)
    with WireServer(answer(way), context=context) as server:
        error = failing(ConfigurationError, way, server.url, verify=str(bundle))
    assert "CA bundle cannot be read" in str(error)


@every_url_way
def test_a_ca_bundle_is_a_path_of_any_kind(way: str, tmp_path: Path) -> None:
    context, bundle = make_authority(tmp_path)
    with (
        WireServer(answer(way, b"a"), context=context) as server,
        Caller(way, server.url, verify=Path(bundle)) as caller,
    ):
        assert caller.read() == b"a"


@pytest.mark.parametrize("make", [StreamClient, AsyncStreamClient])
@pytest.mark.parametrize("broken", ["profile", "file", "process"])
def test_credentials_that_cannot_be_loaded_are_a_mistake_in_the_configuration(
    make: Any, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    process = f"[default]\ncredential_process = {sys.executable} --version\n"  # which prints no JSON
    config.write_text({"file": "[default\n", "process": process}.get(broken, ""))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    if broken == "profile":
        monkeypatch.setenv("AWS_PROFILE", "nobody")

    def read() -> Any:
        stream = make().stream("http://127.0.0.1:9", auth="iam")
        return stream.read() if make is StreamClient else asyncio.run(_read(stream))

    with pytest.raises(ConfigurationError, match="credentials cannot be loaded") as caught:
        read()
    assert not caught.value.may_have_run


@pytest.mark.parametrize("make", [StreamClient, AsyncStreamClient])
@pytest.mark.parametrize("broken", ["process", "token"])
def test_they_are_one_for_functions_by_name_too(
    make: Any, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    token = "role_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /nowhere/token\n"
    process = f"credential_process = {sys.executable} --version\n"
    config.write_text(f"[default]\nregion = us-east-1\n{token if broken == 'token' else process}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    def read() -> Any:
        if make is StreamClient:
            with StreamClient(endpoint_url="http://127.0.0.1:9") as client:
                return client.stream("fn").read()
        return asyncio.run(_read_closing(AsyncStreamClient(endpoint_url="http://127.0.0.1:9")))

    with pytest.raises(ConfigurationError, match="AWS configuration files") as caught:
        read()
    assert not caught.value.may_have_run


async def _read_closing(client: AsyncStreamClient) -> bytes:
    async with client:
        return await client.stream("fn").read()


async def _read(stream: Any) -> bytes:
    data: bytes = await stream.read()
    return data


@pytest.mark.filterwarnings("ignore:a stream of .* was never opened")  # that read_csv had made
@pytest.mark.parametrize(
    "begin",
    [
        lambda client, url: client.__aenter__(),
        lambda client, url: client.stream(url).open(),
        lambda client, url: anext(client.map(url, [1])),
        lambda client, url: client.stream_to_file(url, None, "file"),
        lambda client, url: client.read_csv(url),
        lambda client, url: anext(client.read_csv(url, chunksize=1)),
    ],
    ids=["client", "stream", "map", "file", "frame", "frames"],
)
def test_another_event_loop_than_asyncios_is_refused_in_one_sentence(begin: Any) -> None:
    client = AsyncStreamClient()
    with pytest.raises(ConfigurationError, match="needs a running event loop of asyncio"):
        begin(client, "http://127.0.0.1:9").send(None)
    with pytest.raises(StopIteration):  # at its end
        client.close().send(None)


# one client, several event loops


@pytest.mark.parametrize("way", ["async name", "async url"])
def test_a_client_is_used_in_one_event_loop_after_another(way: str) -> None:
    with WireServer(answer(way, b"a")) as server:
        function = "fn" if way.endswith("name") else server.url
        client = AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS)

        async def twice() -> bytes:
            return await client.stream(function).read() + await client.stream(function).read()

        for _ in range(2):
            assert asyncio.run(twice()) == b"aa"
        assert server.wait_closed(2)  # each loop's connection was closed with it
    assert [request.connection for request in server.requests] == [1, 1, 2, 2]


@pytest.mark.parametrize("way", ["async name", "async url"])
def test_a_client_of_two_event_loops_is_closed_in_both(way: str) -> None:
    with WireServer(answer(way, b"a")) as server, asyncio.Runner() as one, asyncio.Runner() as other:
        client = AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS)
        for runner in (one, other, one, other):
            assert runner.run(_read(client.stream("fn" if way.endswith("name") else server.url))) == b"a"
        assert server.connections == 2
        for runner in (one, other):
            runner.run(client.close())
            assert server.wait_closed()


@pytest.mark.parametrize("way", ["async name", "async url"])
def test_a_stream_that_is_read_in_another_event_loop_says_so(way: str) -> None:
    def behave(peer: Peer) -> None:
        peer.head({} if way.endswith("name") else PLAIN)
        peer.wait_gone()

    with WireServer(behave) as server, Caller(way, server.url) as caller:
        stream = caller.opened()
        with (
            asyncio.Runner() as other,
            pytest.raises(StreamClosedError, match="belongs to another event loop"),
        ):
            other.run(_read(stream))
        caller.run(asyncio.sleep(0))
        assert server.wait_closed()


def test_a_client_of_another_event_loop_is_refused_in_one_sentence() -> None:
    with WireServer(whole(b"a")) as server, asyncio.Runner() as first:
        maker = aiobotocore_client(server.url)
        boto = first.run(maker.__aenter__())
        client = AsyncStreamClient(boto)
        assert first.run(_read(client.stream("fn"))) == b"a"
        with (
            asyncio.Runner() as second,
            pytest.raises(ConfigurationError, match="belongs to another event loop") as caught,
        ):
            second.run(_read(client.stream("fn")))
        assert not caught.value.may_have_run
        first.run(client.close())
        first.run(maker.__aexit__(None, None, None))


def test_a_stream_that_is_freed_with_its_event_loop_leaves_no_error_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK by name, aiohttp and asyncio complain about such a loop themselves."""
    ignored: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: ignored.append(str(found.exc_value)))
    asked = threading.Event()

    def silent(peer: Peer) -> None:
        asked.set()
        says_nothing(peer)

    with WireServer(silent) as server:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        client = AsyncStreamClient()
        tasks = [loop.create_task(_read(client.stream(server.url)))]
        loop.run_until_complete(loop.run_in_executor(None, asked.wait, 20))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        tasks.clear()
        del client, loop
        gc.collect()
        assert server.wait_closed()
    assert not [error for error in ignored if "streamify" in error]


# a client that was passed in


def test_a_boto3_client_is_as_it_was_once_all_of_ours_are_closed() -> None:
    with WireServer(whole(b"a")) as server:
        boto = boto_client(server.url)
        session: Any = boto._endpoint.http_session
        before, of_client, handlers = dict(vars(session)), dict(vars(boto)), boto.meta.events
        one, other = StreamClient(boto), StreamClient(boto)
        assert one.stream("fn").read() == b"a"
        one.close()
        assert other.stream("fn").read() == b"a"
        other.close()
        assert vars(session) == before
        assert vars(boto) == of_client
        assert boto.meta.events is handlers
        assert not session._manager.pools.keys()
        boto.close()


async def test_an_aiobotocore_client_is_as_it_was_once_all_of_ours_are_closed() -> None:
    with WireServer(whole(b"a")) as server:
        async with aiobotocore_client(server.url) as boto:
            client: Any = boto
            session = client._endpoint.http_session
            before, of_client = set(vars(session)), dict(vars(client))
            one, other = AsyncStreamClient(boto), AsyncStreamClient(boto)
            assert await one.stream("fn").read() == b"a"
            await one.close()
            assert await other.stream("fn").read() == b"a"
            await other.close()
            assert set(vars(session)) == before
            assert vars(client) == of_client


def count_user_agents(boto: Any) -> list[str]:
    """Keep every User-Agent that a client of botocore builds from now on."""
    creator = boto._user_agent_creator
    if not hasattr(creator, "rebuild_and_replace_user_agent_handler"):
        pytest.skip("this botocore builds the User-Agent once")
    build, built = creator.to_string, []

    def to_string() -> str:
        built.append(build())
        return f"{built[-1]} number/{len(built)}"

    creator.to_string = to_string
    return built


def test_the_user_agent_of_a_call_is_built_once_and_is_the_last_that_botocore_builds() -> None:
    with WireServer(whole(b"a")) as server:
        boto = boto_client(server.url)
        built = count_user_agents(boto)
        list(boto.invoke_with_response_stream(FunctionName="fn")["EventStream"])
        assert len(built) == 2
        with StreamClient(boto) as client:
            for _ in range(3):
                client.stream("fn").read()
            assert len(built) == 2 + 2 + 1 + 1  # the first call has none to use yet
            list(boto.invoke_with_response_stream(FunctionName="fn")["EventStream"])
            assert len(built) == 8
        boto.close()
    sent = [request.headers["user-agent"] for request in server.requests]
    assert sent == [f"{built[0]} number/{number}" for number in (2, 4, 5, 6, 8)]


async def test_the_user_agent_of_a_call_by_asyncio_is_built_once() -> None:
    with WireServer(whole(b"a")) as server:
        async with aiobotocore_client(server.url) as boto:
            built = count_user_agents(boto)
            async with AsyncStreamClient(boto) as client:
                for _ in range(3):
                    await client.stream("fn").read()
    sent = [request.headers["user-agent"] for request in server.requests]
    assert sent == [f"{built[0]} number/{number}" for number in (2, 3, 4)]


@pytest.mark.parametrize("traced", [False, True])
async def test_a_response_by_asyncio_that_was_read_is_freed_without_the_garbage_collector(
    traced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its headers and its buffer. A traced one is the result of a task that has opened it."""
    if traced:
        importlib.import_module("opentelemetry.trace")
    else:
        monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    responses: list[weakref.ref[aiohttp.ClientResponse]] = []
    take = aiohttp_bodies.AiohttpResponse.__init__

    def noting(own: Any, head: Any, raw: Any, *options: Any) -> None:
        responses.append(weakref.ref(raw))
        take(own, head, raw, *options)

    monkeypatch.setattr(aiohttp_bodies.AiohttpResponse, "__init__", noting)
    with WireServer(whole(b"a")) as server:
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS) as client:
            gc.disable()
            try:
                for _ in range(3):
                    await client.stream("fn").read()
                await asyncio.sleep(0)  # the event loop lets go of what it has called last
                assert [response() for response in responses] == [None] * 3
            finally:
                gc.enable()


@pytest.mark.parametrize("way", ["name", "url"])
async def test_an_idle_connection_does_not_keep_the_task_that_made_it(way: str) -> None:
    behaviour = whole(b"a") if way == "name" else plain(b"a")
    with WireServer(behaviour) as server:
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS) as client:
            task = asyncio.create_task(client.stream("fn" if way == "name" else server.url).text())
            seen = weakref.ref(task)
            assert await task == "a"
            del task
            await asyncio.sleep(0)  # the event loop lets go of what it has called last
            gc.collect()
            assert seen() is None
            assert server.connections == 1
