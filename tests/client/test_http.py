"""Streams of Function URLs over real sockets: the same promises as for functions by name."""

import gc
import gzip
import json
import os
import socket
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import brotli
import psutil
import pytest
import zstandard

from streamify_client import (
    AsyncStreamClient,
    ConfigurationError,
    ConnectError,
    CorruptStreamError,
    FunctionError,
    FunctionNotFoundError,
    HttpStatusError,
    InvocationError,
    StreamClient,
    StreamClosedError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from streamify_client.wire.eventstream import encode_frame
from support.clients import CREDENTIALS
from support.http_peers import (
    NULS,
    PLAIN,
    cut,
    in_one_piece,
    plain,
    refuses,
    says_nothing,
    stalls,
)
from support.tls import make_authority
from support.wire_server import HALF_A_HEAD, Behaviour, Peer, WireServer, dripping

VERIFIED = {"content-type": "application/vnd.streamify.eventstream", "cache-control": "no-store"}
THROTTLE = json.dumps(
    {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "message": "Rate"}
).encode()


@pytest.fixture
def client() -> Any:
    """A client that needs no region and no credentials."""
    with StreamClient() as client:
        yield client


def failing(error: type[StreamifyError], client: StreamClient, url: str, **options: Any) -> tuple[bytes, Any]:
    """Read until the error; return what was yielded before it, and the error."""
    chunks: list[bytes] = []
    with pytest.raises(error) as caught:
        chunks.extend(client.stream(url, **options).iter_bytes())
    assert caught.value.function == url.partition("?")[0]
    return b"".join(chunks), caught.value


# requests and answers


def test_a_url_is_a_stream_like_every_other(client: StreamClient) -> None:
    headers = {"x-mine": "yes", "set-cookie": "a=1", "x-amzn-trace-id": "Root=1-2-3"}
    with WireServer(plain("grü".encode()[:3], "grü".encode()[3:], b" Gott", headers=headers)) as server:
        with client.stream(server.url + "/report?x=1", {"rows": 3}, query={"y": 2}) as stream:
            assert (stream.status_code, stream.content_type) == (200, "text/plain; charset=utf-8")
            assert (stream.headers["X-Mine"], stream.cookies) == ("yes", ("a=1",))
            assert (stream.request_id, stream.trace_id) == ("req-1", "Root=1-2-3")
            assert list(stream) == ["gr", "ü", " Gott"]
        assert (stream.result.bytes_received, stream.result.verified) == (9, False)
    request = server.requests[0]
    assert (request.method, request.target, request.body) == ("POST", "/report?x=1&y=2", b'{"rows":3}')
    assert request.headers["streamify-accept"] == "verified/1, continue/1"


def test_a_chunk_is_there_before_the_next_is_sent(client: StreamClient) -> None:
    seen = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head(PLAIN)
        peer.chunk(b"first")
        assert seen.wait(20)
        peer.chunk(b"second")
        peer.end()

    with WireServer(behave) as server:
        chunks = client.stream(server.url).iter_bytes()
        assert next(chunks) == b"first"
        seen.set()
        assert list(chunks) == [b"second"]


def test_a_url_works_without_boto3s_region_and_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with WireServer(plain(b"ok")) as server, StreamClient() as client:
        assert client.stream(server.url).text() == "ok"
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("option", ["qualifier", "client_context", "tenant_id", "log_tail"])
def test_what_belongs_to_functions_by_name_is_refused_for_a_url(client: StreamClient, option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{option}= is for functions called by name"):
        client.stream("http://127.0.0.1:9", **{option: True})  # type: ignore[arg-type]


def test_what_belongs_to_urls_is_refused_for_a_function_by_name(client: StreamClient) -> None:
    with pytest.raises(ConfigurationError, match="method= and query= are for URLs, and 'fn' is not one"):
        client.stream("fn", method="GET", query={})


def test_an_error_status_is_raised_with_the_bodys_beginning(client: StreamClient) -> None:
    with WireServer(plain(b"no ", b"rows", status="404 Not Found")) as server:
        _, error = failing(HttpStatusError, client, server.url)
        assert (error.status_code, error.body, error.may_have_run) == (404, b"no rows", True)
        stream = client.stream(server.url, raise_for_status=False)
        assert stream.text() == "no rows"
        assert stream.status_code == 404
    assert len(server.requests) == 2


def test_a_redirect_is_handed_on_and_never_followed(client: StreamClient) -> None:
    with WireServer(plain(b"stolen")) as other:
        redirect = plain(b"", status="307 Temporary Redirect", headers={"location": other.url})
        with WireServer(redirect) as server:
            stream = client.stream(server.url, {"a": 1}, auth="none")
            assert (stream.text(), stream.status_code) == ("", 307)
            assert stream.headers["location"] == other.url
        assert not other.requests


# the bar


def test_late_headers_are_a_timeout_after_one_invocation(client: StreamClient) -> None:
    with WireServer(says_nothing) as server:
        _, error = failing(StreamTimeoutError, client, server.url, first_byte_timeout=0.2)
        assert server.wait_closed()
    assert len(server.requests) == 1
    assert (error.phase, error.may_have_run, error.limit) == ("first_byte", True, 0.2)


def test_headers_that_drip_do_not_outlast_the_first_byte_timeout(client: StreamClient) -> None:
    with WireServer(dripping(HALF_A_HEAD)) as server:
        _, error = failing(StreamTimeoutError, client, server.url, first_byte_timeout=0.3)
    assert error.phase == "first_byte"


ENDLESS = {"content-length": "9999999"}


@pytest.mark.parametrize(
    ("status", "fields"),
    [("429 Slow Down", {"x-amzn-errortype": "TooManyRequestsException"}), ("500 Broken", {})],
)
def test_the_body_of_an_error_that_drips_is_left_alone(
    client: StreamClient, status: str, fields: dict[str, str]
) -> None:
    peers: list[Peer] = []

    def behave(peer: Peer) -> None:
        peers.append(peer)
        peer.head({**ENDLESS, **fields, "retry-after": "99"}, status=status, chunked=False)
        dripping(b"{")(peer)

    with WireServer(behave) as server:
        failing(StreamifyError, client, server.url)
        assert server.wait_closed()
    assert [peer.gone.is_set() for peer in peers] == [True]


@pytest.mark.parametrize(("option", "phase"), [("idle_timeout", "idle"), ("total_timeout", "total")])
def test_a_gap_that_is_too_long_is_a_timeout(client: StreamClient, option: str, phase: str) -> None:
    with WireServer(stalls) as server:
        came, error = failing(StreamTimeoutError, client, server.url, **{option: 1})
        assert server.wait_closed()
    assert (came, error.phase, error.bytes_received, error.request_id) == (b"some", phase, 4, "req-1")


def test_a_connection_that_does_not_come_about_is_a_timeout_of_that_phase(client: StreamClient) -> None:
    with WireServer(says_nothing) as server:  # accepts, and never answers to TLS
        url = server.url.replace("http:", "https:")
        _, error = failing(StreamTimeoutError, client, url, connect_timeout=0.2)
    assert (error.phase, error.may_have_run) == ("connect", False)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_lost_connection_is_a_truncated_stream(client: StreamClient, how: str) -> None:
    with WireServer(cut(how)) as server:
        came, error = failing(TruncatedStreamError, client, server.url)
    assert (came, error.bytes_received, error.may_have_run) == (b"some", 4, True)
    assert error.__cause__ is not None


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_connection_lost_before_the_headers_is_a_truncated_stream_after_one_invocation(
    client: StreamClient, how: str
) -> None:
    with WireServer(lambda peer: getattr(peer, how)()) as server:
        _, error = failing(TruncatedStreamError, client, server.url, payload={"a": 1})
    assert error.may_have_run
    assert len(server.requests) == 1


def test_a_short_body_is_a_truncated_stream(client: StreamClient) -> None:
    def behave(peer: Peer) -> None:
        peer.head({**PLAIN, "content-length": "10"}, chunked=False)
        peer.send(b"half")
        peer.fin()

    with WireServer(behave) as server:
        came, _ = failing(TruncatedStreamError, client, server.url)
    assert came == b"half"


def test_a_body_whose_end_says_nothing_is_not_taken_for_whole(client: StreamClient) -> None:
    def behave(peer: Peer) -> None:
        peer.head({**PLAIN, "connection": "close"}, chunked=False)
        peer.send(b"all of it?")
        peer.fin()

    with WireServer(behave) as server:
        came, error = failing(TruncatedStreamError, client, server.url)
    assert came == b"all of it?"
    assert "neither Content-Length nor chunks" in str(error.__cause__)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n", "breaks HTTP's framing"),
    ],
)
def test_what_is_no_http_is_a_corrupt_stream(client: StreamClient, answer: bytes, says: str) -> None:
    def behave(peer: Peer) -> None:
        peer.send(answer)
        peer.fin()

    with WireServer(behave) as server:
        _, error = failing(CorruptStreamError, client, server.url)
    assert says in str(error)


def test_a_refused_connection_is_tried_again_and_then_a_connect_error(client: StreamClient) -> None:
    with WireServer(says_nothing) as server:
        url = server.url
    _, error = failing(ConnectError, client, url)
    assert (error.refused, error.may_have_run, error.attempts) == (True, False, 3)
    assert isinstance(error, ConnectionError)


def test_a_host_that_does_not_exist_is_a_connect_error(client: StreamClient) -> None:
    _, error = failing(ConnectError, client, "http://does-not-exist.invalid")
    assert "cannot be resolved" in str(error)


# whose error it is


def test_lambdas_own_throttle_is_tried_again(client: StreamClient) -> None:
    throttle = refuses("429 Too Many Requests", "TooManyRequestsException", THROTTLE, {"retry-after": "0"})
    with WireServer(throttle, plain(b"ok")) as server:
        stream = client.stream(server.url, {"a": 1})
        assert stream.text() == "ok"
    assert stream.result.attempts.count == len(server.requests) == 2
    assert server.connections == 1


def test_a_throttle_that_lasts_is_a_throttled_error(client: StreamClient) -> None:
    throttle = refuses("429 Too Many Requests", "TooManyRequestsException", THROTTLE, {"retry-after": "0"})
    with WireServer(throttle) as server:
        _, error = failing(ThrottledError, client, server.url)
    assert (error.status_code, error.attempts, error.may_have_run) == (429, 3, False)
    assert error.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_a_429_of_the_function_is_its_answer_and_never_tried_again(client: StreamClient) -> None:
    answer = plain(b"slow down", status="429 Too Many Requests", headers={"retry-after": "0"})
    with WireServer(answer) as server:
        _, error = failing(HttpStatusError, client, server.url)
    assert (error.status_code, error.body, len(server.requests)) == (429, b"slow down", 1)


@pytest.mark.parametrize(
    ("status", "code", "kind", "ran"),
    [
        ("403 Forbidden", "AccessDeniedException", InvocationError, False),
        ("404 Not Found", "ResourceNotFoundException", FunctionNotFoundError, False),
        ("502 Bad Gateway", "InternalServerErrorException", InvocationError, True),
    ],
)
def test_a_refusal_of_the_service_is_an_invocation_error(
    client: StreamClient, status: str, code: str, kind: Any, ran: bool
) -> None:
    with WireServer(refuses(status, code, b'{"Message":"Forbidden"}')) as server:
        _, error = failing(kind, client, server.url)
    assert (error.code, error.may_have_run, error.request_id) == (code, ran, "req-1")
    assert "Forbidden" in str(error)
    if code == "AccessDeniedException":
        assert "was not signed" in str(error)


# bodies


METADATA = json.dumps({"statusCode": 201, "headers": {"content-type": "text/csv"}}).encode() + NULS


@pytest.mark.parametrize(
    "behaviour",
    [
        in_one_piece(METADATA + b"a,b"),
        plain(METADATA + b"a,b"),
        plain(METADATA[:10], METADATA[10:-3], METADATA[-3:] + b"a,b"),
        plain(b"", headers={"content-type": "application/vnd.awslambda.http-integration-response"}),
    ],
)
def test_a_body_with_metadata_in_front_says_that_the_url_is_in_buffered_mode(
    client: StreamClient, behaviour: Behaviour
) -> None:
    with WireServer(behaviour) as server:
        _, error = failing(CorruptStreamError, client, server.url)
    assert "BUFFERED mode" in str(error)
    assert "RESPONSE_STREAM" in str(error)


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a": 1}' + NULS, b"{" * 70_000, b"  {", b"", NULS])
def test_a_body_that_only_resembles_metadata_is_a_body(client: StreamClient, body: bytes) -> None:
    with WireServer(in_one_piece(body), plain(*([body] if body else []))) as server:
        assert client.stream(server.url).read() == body
        assert client.stream(server.url).read() == body


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_body_is_decompressed_as_it_comes(client: StreamClient, coding: str) -> None:

    compress = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstandard.compress,
    }
    body = compress[coding](b"hello " * 1000)
    with WireServer(plain(body[:20], body[20:], headers={"content-encoding": coding})) as server:
        assert client.stream(server.url, headers={"accept-encoding": coding}).read() == b"hello " * 1000
    assert server.requests[0].headers["accept-encoding"] == coding


def test_a_compressed_body_that_ends_early_is_truncated(client: StreamClient) -> None:
    with WireServer(
        plain(gzip.compress(b"hello " * 1000)[:-9], headers={"content-encoding": "gzip"})
    ) as server:
        failing(TruncatedStreamError, client, server.url)


def test_an_unknown_content_encoding_is_refused(client: StreamClient) -> None:
    with WireServer(plain(b"?", headers={"content-encoding": "compress"})) as server:
        _, error = failing(ConfigurationError, client, server.url)
    assert "'compress'" in str(error)
    assert error.may_have_run


def test_little_input_that_expands_to_much_comes_in_pieces(client: StreamClient) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    with WireServer(plain(bomb, headers={"content-encoding": "gzip"})) as server:
        chunks = client.stream(server.url).iter_bytes()
        assert all(len(next(chunks)) <= 256 * 1024 for _ in range(5))
        del chunks
        assert server.wait_closed()


# verified streams


def verified(*chunks: bytes, last: str = "end", **fields: Any) -> list[bytes]:
    head = encode_frame({":event-type": "head"}, json.dumps({"contentType": "text/csv"}).encode())
    data = [encode_frame({":event-type": "data"}, chunk) for chunk in chunks]
    fields = fields or {"bytes": sum(map(len, chunks)), "chunks": len(chunks)}
    return [head, *data, encode_frame({":event-type": last}, json.dumps(fields).encode())]


def test_a_verified_stream_is_read_as_its_original(client: StreamClient) -> None:
    with WireServer(plain(*verified(b"a,b\n", b"1,2\n"), headers=VERIFIED, status="201 Created")) as server:
        stream = client.stream(server.url, verified="require")
        assert list(stream.iter_bytes()) == [b"a,b\n", b"1,2\n"]
    assert (stream.status_code, stream.content_type) == (201, "text/csv")
    assert stream.result.verified


def test_a_verified_stream_without_its_end_is_truncated_though_http_calls_it_complete(
    client: StreamClient,
) -> None:
    with WireServer(plain(*verified(b"a", b"b")[:-1], headers=VERIFIED)) as server:
        came, _ = failing(TruncatedStreamError, client, server.url)
    assert came == b"ab"


def test_a_verified_error_is_the_functions_own(client: StreamClient) -> None:
    fields = {"errorType": "ValueError", "errorMessage": "no rows", "stackTrace": ["line 1"]}
    with WireServer(plain(*verified(b"a", last="error", **fields), headers=VERIFIED)) as server:
        came, error = failing(FunctionError, client, server.url)
    assert (came, error.error_type, error.error_message) == (b"a", "ValueError", "no rows")


def test_verified_require_refuses_another_answer(client: StreamClient) -> None:
    with WireServer(plain(b"a")) as server:
        failing(ConfigurationError, client, server.url, verified="require")


# leaving


def test_break_frees_the_connection_at_once(client: StreamClient) -> None:
    with WireServer(stalls) as server:
        for chunk in client.stream(server.url):
            assert chunk == "some"
            break
        assert server.wait_closed()


def test_a_finished_connection_is_used_again(client: StreamClient) -> None:
    with WireServer(plain(b"a"), in_one_piece(b"b")) as server:
        for _ in range(4):
            client.stream(server.url, {"n": 1}).read()
    assert (len(server.requests), server.connections) == (4, 1)


def test_a_connection_is_used_again_after_leaving_a_with_block_at_the_end(client: StreamClient) -> None:
    with WireServer(plain(b"a\n", b"b")) as server:
        for _ in range(2):
            with client.stream(server.url) as stream:
                assert stream.read() == b"a\nb"
    assert server.connections == 1


def test_the_interval_of_one_stream_does_not_outlive_it(client: StreamClient) -> None:
    asked, go = threading.Event(), threading.Event()

    def waits(peer: Peer) -> None:
        peer.head(PLAIN)
        asked.set()
        assert go.wait(20)
        peer.chunk(b"late")
        peer.end()

    with WireServer(plain(b"a"), waits) as server:
        assert client.stream(server.url, idle_timeout=0.5).read() == b"a"
        stream = client.stream(server.url).open()
        assert asked.wait(20)
        threading.Timer(0.7, go.set).start()
        assert stream.read() == b"late"
    assert server.connections == 1


def test_iterating_after_close_says_that_the_stream_is_closed(client: StreamClient) -> None:
    with WireServer(stalls) as server:
        stream = client.stream(server.url).open()
        stream.close()
        with pytest.raises(StreamClosedError, match="closed"):
            next(iter(stream))
        assert server.wait_closed()


@pytest.mark.parametrize("behaviour", [says_nothing, stalls])
def test_cancel_from_another_thread_wakes_whoever_opens_or_reads(
    client: StreamClient, behaviour: Behaviour
) -> None:
    reached = threading.Event()

    def tells(peer: Peer) -> None:
        reached.set()
        behaviour(peer)

    with WireServer(tells) as server:
        stream = client.stream(server.url)

        def cancels() -> None:
            assert reached.wait(20)
            stream.cancel()

        canceller = threading.Thread(target=cancels)
        canceller.start()
        with pytest.raises(StreamClosedError, match="cancelled"):
            stream.read()
        canceller.join()
        assert server.wait_closed()


def test_nothing_is_sent_by_a_stream_that_was_cancelled_first(client: StreamClient) -> None:
    with WireServer(plain(b"a")) as server:
        stream = client.stream(server.url)
        stream.cancel()
        with pytest.raises(StreamClosedError):
            stream.read()
        assert not server.requests


def test_closing_the_client_closes_its_connections() -> None:
    before = psutil.Process().num_fds()
    with WireServer(plain(b"a")) as server:
        with StreamClient() as client:
            client.stream(server.url).read()
        assert server.wait_closed()
    assert psutil.Process().num_fds() == before


def test_connections_are_kept_alive_by_tcp(client: StreamClient) -> None:
    with WireServer(stalls) as server, client.stream(server.url) as stream:
        assert next(iter(stream)) == "some"
        ours = [c for c in psutil.Process().net_connections("tcp") if c.raddr and c.raddr.port == server.port]
        with socket.socket(fileno=os.dup(ours[0].fd)) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


# TLS, proxies, signatures


def test_over_tls_streams_are_read_cut_cancelled_and_reused(tmp_path: Path) -> None:
    context, bundle = make_authority(tmp_path)
    with (
        WireServer(plain(b"a"), plain(b"b"), cut("fin"), stalls, context=context) as server,
        StreamClient(verify=bundle) as client,
    ):
        assert client.stream(server.url).text() + client.stream(server.url).text() == "ab"
        failing(TruncatedStreamError, client, server.url)
        stream = client.stream(server.url)
        with stream:
            assert next(iter(stream)) == "some"
            stream.cancel()
            with pytest.raises(StreamClosedError):
                stream.read()
        assert server.wait_closed(2)
    assert [request.connection for request in server.requests] == [1, 1, 1, 2]


def test_a_certificate_that_is_not_trusted_is_a_connect_error(tmp_path: Path, client: StreamClient) -> None:
    context, _ = make_authority(tmp_path)
    with WireServer(plain(b"a"), context=context) as server:
        _, error = failing(ConnectError, client, server.url)
        assert not server.requests
        with StreamClient(verify=False) as trusting:
            assert trusting.stream(server.url).text() == "a"
    assert "No TLS connection" in str(error)
    assert not error.may_have_run


@pytest.mark.parametrize(
    ("make", "package", "modules", "extra"),
    [
        (StreamClient, "urllib3", ("http", "urllib3_bodies", "urllib3_connections"), "url"),
        (AsyncStreamClient, "aiohttp", ("aio_http", "aiohttp_bodies"), "aio"),
    ],
)
def test_without_its_http_library_a_url_is_refused_in_one_sentence(
    make: Any, package: str, modules: tuple[str, ...], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for name in modules:
        monkeypatch.delitem(sys.modules, f"streamify_client.transports.{name}", raising=False)
    with pytest.raises(ConfigurationError, match=rf"need {package}.*: pip install 'streamify\[{extra}\]'"):
        make().stream("http://127.0.0.1:9")


def test_closing_the_client_closes_its_idle_connections_though_an_error_is_held() -> None:
    def refuses(peer: Peer) -> None:
        peer.refuse("500 Internal Server Error", "ServiceException", "no")

    with WireServer(refuses) as server:
        gc.collect()
        gc.disable()
        try:
            with StreamClient(**CREDENTIALS) as client, pytest.raises(InvocationError) as caught:
                client.stream(server.url).read()
            assert server.wait_closed()
            assert caught.value.status_code == 500
        finally:
            gc.enable()
