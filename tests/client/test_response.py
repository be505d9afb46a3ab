"""ResponseStream: opening, attributes, views, the end, and what is left behind."""

import gc
import json
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from client.conftest import MakeClient
from streamify_client import (
    ConfigurationError,
    CorruptStreamError,
    DecodeError,
    FunctionError,
    HttpStatusError,
    InvocationError,
    ResponseStream,
    StreamClient,
    StreamClosedError,
    StreamTimeoutError,
    TruncatedStreamError,
)
from streamify_client.wire.eventstream import encode_frame
from support.clients import stream_client
from support.tls import make_authority
from support.wire_server import Peer, WireServer, complete_frame, payload_frame, whole

REMAPPED = "x-amzn-remapped-content-type"
HTTP = {REMAPPED: "application/vnd.awslambda.http-integration-response"}
VERIFIED = {REMAPPED: "application/vnd.streamify.eventstream"}


def prelude(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\0" * 8


def verified(*chunks: bytes, last: str = "end", **fields: Any) -> bytes:
    """A verified stream's bytes, as a streaming handler's side sends them."""
    head = encode_frame({":event-type": "head"}, json.dumps({"contentType": "text/csv"}).encode())
    data = b"".join(encode_frame({":event-type": "data"}, chunk) for chunk in chunks)
    fields = fields or {"bytes": sum(map(len, chunks)), "chunks": len(chunks)}
    return head + data + encode_frame({":event-type": last}, json.dumps(fields).encode())


# opening


def test_nothing_is_sent_before_the_first_use(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a")) as server:
        stream = make_own_client(server.url).stream("fn")
        assert not server.requests
        assert stream.read() == b"a"
        assert len(server.requests) == 1


def test_attributes_of_an_unopened_stream_say_that_it_is_not_open(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a")) as server:
        stream = make_own_client(server.url).stream("fn")
        for name in (
            "content_type",
            "status_code",
            "headers",
            "cookies",
            "request_id",
            "executed_version",
            "trace_id",
            "result",
        ):
            with pytest.raises(StreamClosedError, match="not o"):
                getattr(stream, name)
        stream.close()
        assert not server.requests


def test_a_stream_that_was_never_opened_warns(make_own_client: MakeClient) -> None:
    with WireServer(whole()) as server:
        client = make_own_client(server.url)
        with pytest.warns(RuntimeWarning, match="a stream of fn was never opened"):
            client.stream("fn")
        with pytest.warns(RuntimeWarning, match="never opened"):
            client.stream("fn").iter_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client.stream("fn").close()


def test_the_attributes_of_a_bare_stream(make_own_client: MakeClient) -> None:
    headers = {REMAPPED: "text/csv", "x-amzn-trace-id": "Root=1"}
    with (
        WireServer(whole(b"a", headers=headers)) as server,
        make_own_client(server.url).stream("fn") as stream,
    ):
        assert (stream.content_type, stream.status_code, stream.cookies) == ("text/csv", 200, ())
        assert dict(stream.headers) == {"content-type": "text/csv"}
        assert (stream.request_id, stream.executed_version, stream.trace_id) == ("req-1", "7", "Root=1")


def test_opening_reads_through_the_prelude_however_it_is_split(make_own_client: MakeClient) -> None:
    text = prelude(
        statusCode=201, headers={"Content-Type": "text/csv", "X-Rows": "3"}, cookies=["a=1", "b=2"]
    )
    body = text + b"rows"
    splits = [[body], [body[:5], body[5:]], [text[:-3], text[-3:] + b"ro", b"ws"]]
    splits.append([body[i : i + 1] for i in range(len(body))])
    with WireServer(*(whole(*parts, headers=HTTP) for parts in splits)) as server:
        client = make_own_client(server.url)
        for _ in splits:
            with client.stream("fn") as stream:
                assert (stream.status_code, stream.content_type) == (201, "text/csv")
                assert stream.headers["x-rows"] == stream.headers["X-Rows"] == "3"
                assert stream.cookies == ("a=1", "b=2")
                assert stream.read() == b"rows"


def test_a_stream_that_ends_inside_its_prelude_is_truncated(make_own_client: MakeClient) -> None:
    with (
        WireServer(whole(b'{"statusCode": 200}', headers=HTTP)) as server,
        pytest.raises(TruncatedStreamError, match="prelude"),
    ):
        make_own_client(server.url).stream("fn").open()


def test_a_prelude_that_is_none_is_a_corrupt_stream(make_own_client: MakeClient) -> None:
    with (
        WireServer(whole(b"<html>", headers=HTTP)) as server,
        pytest.raises(CorruptStreamError, match="prelude"),
    ):
        make_own_client(server.url).stream("fn").open()


def test_a_function_that_fails_before_its_prelude_is_a_function_error(make_own_client: MakeClient) -> None:
    with (
        WireServer(whole(complete=b'{"ErrorCode": "Unhandled"}', headers=HTTP)) as server,
        pytest.raises(FunctionError, match="Unhandled"),
    ):
        make_own_client(server.url).stream("fn").open()


def test_an_http_error_is_raised_with_the_beginning_of_its_body(make_own_client: MakeClient) -> None:
    text = prelude(statusCode=404, headers={"X-Why": "gone"})
    with WireServer(whole(text, b"no such ", b"report", headers=HTTP)) as server:
        client = make_own_client(server.url)
        with pytest.raises(HttpStatusError, match="404") as caught:
            client.stream("fn").open()
        assert (caught.value.status_code, caught.value.body) == (404, b"no such report")
        assert caught.value.headers["x-why"] == "gone"
        assert client.stream("fn", raise_for_status=False).read() == b"no such report"
        assert server.connections == 1


def test_an_http_error_whose_body_never_ends_is_raised_all_the_same(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamify_client.stream.reader.ERROR_BODY_WAIT", 0.05)

    def endless(peer: Peer) -> None:
        peer.head(HTTP)
        peer.payload(prelude(statusCode=500) + b"oops")
        peer.wait_gone()

    with WireServer(endless) as server:
        with pytest.raises(HttpStatusError) as caught:
            make_own_client(server.url).stream("fn").open()
        assert caught.value.body == b"oops"
        assert server.wait_closed()


# nothing waits


def test_a_chunk_is_there_before_the_next_is_sent(make_client: MakeClient) -> None:
    asked = threading.Semaphore(0)

    def one_by_one(peer: Peer) -> None:
        peer.head()
        for n in range(3):
            peer.payload(b"%d" % n)
            assert asked.acquire(timeout=20)
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(one_by_one) as server:
        for n, chunk in enumerate(make_client(server.url).stream("fn")):
            assert chunk == str(n)
            asked.release()


def test_a_frame_is_read_while_its_http_chunk_is_still_under_way(make_own_client: MakeClient) -> None:
    first, second = payload_frame(b"first"), payload_frame(b"second")
    seen = threading.Event()

    def half_a_chunk(peer: Peer) -> None:
        peer.head()
        peer.send(b"%x\r\n" % len(first + second) + first)
        assert seen.wait(20)
        peer.send(second + b"\r\n")
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(half_a_chunk) as server:
        chunks = iter(make_own_client(server.url).stream("fn"))
        assert next(chunks) == "first"
        seen.set()
        assert list(chunks) == ["second"]


# views


def test_a_view_goes_on_where_another_stopped(make_own_client: MakeClient) -> None:
    snow = "☃".encode()
    with (
        WireServer(whole(b"one", b"two" + snow[:1], snow[1:] + b"three")) as server,
        make_own_client(server.url).stream("fn") as stream,
    ):
        for chunk in stream.iter_bytes():
            assert chunk == b"one"
            break
        for text in stream:
            assert text == "two"
            break
        assert stream.read() == snow + b"three"


def test_the_same_view_again_goes_on(make_own_client: MakeClient) -> None:
    with (
        WireServer(whole("﻿a".encode("utf-16-le"), "b".encode("utf-16-le"))) as server,
        make_own_client(server.url).stream("fn", encoding="utf-16") as stream,
    ):
        assert next(stream.iter_text()) == "a"
        assert next(stream.iter_text()) == "b"


def test_a_view_that_was_overtaken_says_so(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a", b"b", b"c")) as server, make_own_client(server.url).stream("fn") as stream:
        old = stream.iter_bytes()
        next(old)
        assert stream.text() == "bc"
        with pytest.raises(StreamClosedError, match="Another view"):
            next(old)


def test_a_second_loop_over_a_finished_stream_is_an_error(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a")) as server, make_own_client(server.url).stream("fn") as stream:
        assert list(stream) == ["a"]
        with pytest.raises(StreamClosedError, match="read to its end"):
            list(stream)


def test_an_exhausted_view_stays_exhausted(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a")) as server:
        view = make_own_client(server.url).stream("fn").iter_bytes()
        assert list(view) == [b"a"]
        assert list(view) == []


def test_text_that_is_no_text_is_a_decode_error_at_its_byte(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"good ", b"more \xff bad")) as server:
        client = make_own_client(server.url)
        texts: list[str] = []
        with pytest.raises(DecodeError) as caught:
            texts.extend(client.stream("fn"))
        assert ("".join(texts), caught.value.offset) == ("good more ", 10)
        assert caught.value.request_id == "req-1"
        assert client.stream("fn", errors="replace").text() == "good more � bad"
        assert client.stream("fn").text(encoding="latin-1") == "good more ÿ bad"


def test_an_offset_counts_from_the_bodys_beginning_whatever_view_came_before(
    make_own_client: MakeClient,
) -> None:
    with WireServer(whole(b"12345", b"6\xff")) as server, make_own_client(server.url).stream("fn") as stream:
        next(stream.iter_bytes())
        with pytest.raises(DecodeError) as caught:
            stream.text()
    assert caught.value.offset == 6


def test_bytes_that_a_view_hands_back_are_counted_once(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"ab\xe2", b"\xff")) as server, make_own_client(server.url).stream("fn") as stream:
        assert next(stream.iter_text()) == "ab"
        with pytest.raises(DecodeError) as caught:
            stream.text(encoding="ascii")
    assert caught.value.offset == 2


def test_a_character_cut_off_at_the_end_is_a_decode_error(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a", "☃".encode()[:2])) as server, pytest.raises(DecodeError) as caught:
        make_own_client(server.url).stream("fn").text()
    assert caught.value.offset == 1


def test_json_is_read_whole(make_own_client: MakeClient) -> None:
    with WireServer(whole(b'{"a": [1,', b" 2]}")) as server:
        assert make_own_client(server.url).stream("fn").json() == {"a": [1, 2]}


@pytest.mark.parametrize(("body", "offset"), [(b'{"\xe2\x98\x83": x}', 8), (b"\xff", 0), (b"", 0)])
def test_what_is_no_json_is_a_decode_error_at_its_byte(
    make_own_client: MakeClient, body: bytes, offset: int
) -> None:
    with WireServer(whole(body)) as server, pytest.raises(DecodeError, match="not JSON") as caught:
        make_own_client(server.url).stream("fn").json()
    assert caught.value.offset == offset


# the end


def test_the_result_counts_what_came(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"abc", b"", b"de")) as server:
        stream = make_own_client(server.url).stream("fn")
        assert stream.read() == b"abcde"
    result = stream.result
    assert (result.bytes_received, result.chunks, result.request_id) == (5, 2, "req-1")
    assert result.time_to_first_byte is not None
    assert 0 < result.time_to_first_byte <= result.duration
    assert (result.verified, result.log_tail, result.attempts.count) == (False, None, 1)


def test_the_result_of_an_open_stream_is_not_there_yet(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a")) as server, make_own_client(server.url).stream("fn") as stream:
        with pytest.raises(StreamClosedError, match="not over"):
            _ = stream.result
        stream.close()
        assert stream.result.bytes_received == 0


LOG = "START\nREPORT RequestId: req-1 Duration: 3000.00 ms Status: {}\n"


def complete_with_log(text: str) -> bytes:
    import base64

    return json.dumps({"LogResult": base64.b64encode(text.encode()).decode()}).encode()


def test_the_log_tail_is_in_the_result(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a", complete=complete_with_log("REPORT fine"))) as server:
        stream = make_own_client(server.url).stream("fn", log_tail=True)
        stream.read()
        assert stream.result.log_tail == "REPORT fine"


def test_a_report_of_another_request_in_the_log_does_not_fail_a_good_stream(
    make_own_client: MakeClient,
) -> None:
    log = LOG.format("timeout").replace("req-1", "req-2")  # printed by a function that forwards logs
    with WireServer(whole(b"a", complete=complete_with_log(log))) as server:
        assert make_own_client(server.url).stream("fn", log_tail=True).read() == b"a"


@pytest.mark.parametrize("status", ["timeout", "error"])
def test_a_log_that_tells_of_a_failure_fails_a_stream_that_seemed_complete(
    make_own_client: MakeClient, status: str
) -> None:
    with (
        WireServer(whole(b"a", complete=complete_with_log(LOG.format(status)))) as server,
        pytest.raises(FunctionError, match=f"Status: {status}") as caught,
    ):
        make_own_client(server.url).stream("fn", log_tail=True).read()
    assert caught.value.log_tail == LOG.format(status)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ErrorCode": "X", "ErrorDetails": "just text"}, ("X", None, "just text", ())),
        ({"ErrorCode": "X", "ErrorDetails": "[1]"}, ("X", None, "[1]", ())),
        ({"ErrorCode": "X"}, ("X", None, None, ())),
        ({"ErrorCode": "X", "ErrorDetails": '{"errorType": "E"}'}, ("X", "E", None, ())),
    ],
)
def test_error_details_in_any_shape_are_told(
    make_own_client: MakeClient, fields: dict[str, str], expected: tuple[Any, ...]
) -> None:
    with (
        WireServer(whole(complete=json.dumps(fields).encode())) as server,
        pytest.raises(FunctionError) as caught,
    ):
        make_own_client(server.url).stream("fn").read()
    error = caught.value
    assert (error.code, error.error_type, error.error_message, error.stack_trace) == expected


# verified streams


def test_a_verified_stream_is_read_as_its_original(make_own_client: MakeClient) -> None:
    body = verified(b"a,b\n", b"1,2\n")
    with WireServer(whole(body[:50], body[50:], headers=VERIFIED)) as server:
        with make_own_client(server.url, verified="require").stream("fn") as stream:
            assert (stream.content_type, dict(stream.headers)) == ("text/csv", {"content-type": "text/csv"})
            assert list(stream.iter_bytes()) == [b"a,b\n", b"1,2\n"]
        assert stream.result.verified


def test_a_verified_stream_behind_a_prelude(make_own_client: MakeClient) -> None:
    headers = {"Content-Type": VERIFIED[REMAPPED], "X-Rows": "1"}
    with WireServer(whole(prelude(statusCode=201, headers=headers) + verified(b"a"), headers=HTTP)) as server:
        with make_own_client(server.url).stream("fn") as stream:
            assert (stream.status_code, stream.content_type, stream.headers["x-rows"]) == (
                201,
                "text/csv",
                "1",
            )
            assert stream.read() == b"a"
        assert stream.result.verified


def test_a_verified_stream_without_its_end_is_truncated_though_aws_calls_it_complete(
    make_own_client: MakeClient,
) -> None:
    body = verified(b"a")
    cut = body[: body.rindex(b":event-type") - 13]
    with WireServer(whole(cut, headers=VERIFIED)) as server:
        chunks: list[bytes] = []
        with pytest.raises(TruncatedStreamError, match="end event"):
            chunks.extend(make_own_client(server.url).stream("fn").iter_bytes())
    assert chunks == [b"a"]


def test_a_verified_stream_with_wrong_totals_is_corrupt(make_own_client: MakeClient) -> None:
    with (
        WireServer(whole(verified(b"a", bytes=2, chunks=1), headers=VERIFIED)) as server,
        pytest.raises(CorruptStreamError, match="totals"),
    ):
        make_own_client(server.url).stream("fn").read()


@pytest.mark.parametrize("log_tail", [False, True])
def test_a_verified_error_is_the_functions_own(make_own_client: MakeClient, log_tail: bool) -> None:
    fields = {"errorType": "KeyError", "errorMessage": "'x'", "stackTrace": ["line 1"]}
    body = verified(b"a", last="error", **fields)
    with WireServer(whole(body, complete=complete_with_log("the log"), headers=VERIFIED)) as server:
        chunks: list[bytes] = []
        with pytest.raises(FunctionError, match="KeyError") as caught:
            chunks.extend(make_own_client(server.url).stream("fn", log_tail=log_tail).iter_bytes())
    error = caught.value
    assert (chunks, error.error_type, error.error_message, error.stack_trace) == (
        [b"a"],
        "KeyError",
        "'x'",
        ("line 1",),
    )
    assert error.log_tail == ("the log" if log_tail else None)


def test_a_connection_lost_after_the_verified_end_loses_nothing(make_own_client: MakeClient) -> None:
    def lost(peer: Peer) -> None:
        peer.head(VERIFIED)
        peer.payload(verified(b"a"))
        peer.fin()

    with WireServer(lost) as server:
        stream = make_own_client(server.url).stream("fn")
        assert stream.read() == b"a"
    assert stream.result.verified


def test_verified_require_refuses_another_answer_before_the_first_chunk(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a")) as server:
        client = make_own_client(server.url)
        with pytest.raises(ConfigurationError, match="verified='require'") as caught:
            client.stream("fn", verified="require").open()
        assert caught.value.may_have_run


# what is left behind


def leave_by_break(client: StreamClient) -> None:
    for _ in client.stream("fn"):
        break


def leave_by_break_of_a_named_stream(client: StreamClient) -> None:
    stream = client.stream("fn")
    for _ in stream:
        break
    with pytest.raises(StreamClosedError, match="closed"):
        stream.read()
    KEPT.append(stream)


KEPT: list[ResponseStream] = []
"""Streams that somebody still holds."""


def leave_by_exception(client: StreamClient) -> None:
    def consume() -> None:
        for _ in client.stream("fn"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()


def leave_by_close(client: StreamClient) -> None:
    stream = client.stream("fn").open()
    next(stream.iter_bytes())
    stream.close()


def leave_by_with(client: StreamClient) -> None:
    with client.stream("fn") as stream:
        for _ in stream:
            break


def leave_by_dropping(client: StreamClient) -> None:
    stream: ResponseStream | None = client.stream("fn").open()
    assert stream is not None
    view: Iterator[bytes] | None = stream.iter_bytes()
    assert view is not None
    next(view)
    stream = view = None


def leave_by_cancel(client: StreamClient) -> None:
    with client.stream("fn") as stream:
        stream.cancel()
        with pytest.raises(StreamClosedError):
            stream.read()


def leave_by_timeout(client: StreamClient) -> None:
    with pytest.raises(StreamTimeoutError):
        client.stream("fn", idle_timeout=0.01).read()


LEAVES: list[Callable[[StreamClient], None]] = [
    leave_by_break,
    leave_by_break_of_a_named_stream,
    leave_by_exception,
    leave_by_close,
    leave_by_with,
    leave_by_dropping,
    leave_by_cancel,
    leave_by_timeout,
]


def hangs(peer: Peer) -> None:
    peer.head()
    peer.payload(b"some")
    peer.wait_gone()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
def test_no_way_of_leaving_leaves_a_connection_behind(
    leave: Callable[[StreamClient], None], tls: bool, tmp_path: Path
) -> None:
    context, bundle = make_authority(tmp_path) if tls else (None, None)
    options = {"verify": bundle} if tls else {}
    with WireServer(hangs, context=context) as server, stream_client(server.url, **options) as client:
        leave(client)
        assert server.wait_closed()
        gc.collect()
        gc.disable()
        try:
            before = descriptors()
            for _ in range(20):
                leave(client)
            assert server.wait_closed(20)
            assert descriptors() <= before
        finally:
            gc.enable()
            KEPT.clear()


def test_failed_openings_leave_nothing_behind() -> None:
    with WireServer(lambda peer: peer.fin()) as server, stream_client(server.url) as client:
        gc.disable()
        try:
            for _ in range(20):
                with pytest.raises(TruncatedStreamError):
                    client.stream("fn").open()
            assert server.wait_closed(20)
            before = descriptors()
            for _ in range(20):
                with pytest.raises(TruncatedStreamError):
                    client.stream("fn").open()
            assert server.wait_closed(20)
            assert descriptors() <= before
        finally:
            gc.enable()


def refuses(peer: Peer) -> None:
    peer.refuse("400 Bad Request", "InvalidParameterValueException", "no")


@pytest.mark.parametrize("behaviour", [whole(b"hello"), refuses])
def test_closing_the_client_closes_its_idle_connections_without_the_garbage_collector(
    behaviour: Callable[[Peer], None],
) -> None:
    with WireServer(behaviour) as server:
        gc.collect()
        gc.disable()
        try:
            with stream_client(server.url) as client:
                held = None
                try:
                    client.stream("fn").text()
                except InvocationError as error:
                    held = error
            assert server.wait_closed()
            assert (held is not None) == (behaviour is refuses)
        finally:
            gc.enable()


def test_over_tls_finished_connections_are_reused_and_lost_ones_are_errors(tmp_path: Path) -> None:
    context, bundle = make_authority(tmp_path)

    def cut(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        peer.fin()

    with (
        WireServer(whole(b"a"), whole(b"b"), cut, context=context) as server,
        stream_client(server.url, verify=bundle) as client,
    ):
        assert [client.stream("fn").text() for _ in range(2)] == ["a", "b"]
        assert server.connections == 1
        with pytest.raises(TruncatedStreamError):
            client.stream("fn").read()


def test_a_certificate_that_is_not_trusted_is_a_connect_error(tmp_path: Path) -> None:
    from streamify_client import ConnectError

    context, _ = make_authority(tmp_path)
    with (
        WireServer(whole(), context=context) as server,
        stream_client(server.url) as client,
        pytest.raises(ConnectError, match="verify= takes a CA bundle") as caught,
    ):
        client.stream("fn").open()
    assert not caught.value.may_have_run


def test_the_interval_of_one_stream_does_not_outlive_it() -> None:
    """A reused connection starts with time limits of its own."""

    def late(peer: Peer) -> None:
        peer.head()
        time.sleep(0.7)
        whole_body(peer)

    def whole_body(peer: Peer) -> None:
        peer.payload(b"b")
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(whole(b"a"), late) as server, stream_client(server.url) as client:
        assert client.stream("fn", idle_timeout=0.5, first_byte_timeout=5).text() == "a"
        assert client.stream("fn").text() == "b"
        assert server.connections == 1


def test_keepalive_is_on_and_soon_enough_for_a_nat_gateway(make_client: MakeClient) -> None:
    with WireServer(hangs) as server, make_client(server.url).stream("fn") as stream:
        assert stream.status_code == 200
        ours = [c for c in psutil.Process().net_connections("tcp") if c.raddr and c.raddr.port == server.port]
        with socket.socket(fileno=os.dup(ours[0].fd)) as sock:
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 350


@pytest.mark.parametrize("opened", [False, True])
def test_ctrl_c_frees_the_connection(make_own_client: MakeClient, opened: bool) -> None:
    def interrupts(peer: Peer) -> None:
        if opened:
            peer.head()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        peer.wait_gone()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the suite's parent may ignore it
    with WireServer(interrupts) as server:
        stream = make_own_client(server.url).stream("fn")
        with pytest.raises(KeyboardInterrupt):
            stream.read()
        assert server.wait_closed()
        with pytest.raises(StreamClosedError):
            stream.read()
    signal.signal(signal.SIGINT, before)


def test_a_signal_handler_may_cancel(make_own_client: MakeClient) -> None:
    streams: list[ResponseStream] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: streams[0].cancel())

    def signals(peer: Peer) -> None:
        peer.head()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        peer.wait_gone()

    try:
        with WireServer(signals) as server:
            streams.append(make_own_client(server.url).stream("fn"))
            with pytest.raises(StreamClosedError, match="cancelled"):
                streams[0].read()
            assert server.wait_closed()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_close_from_another_thread_wakes_the_reader(make_client: MakeClient) -> None:
    with WireServer(hangs) as server:
        stream = make_client(server.url).stream("fn").open()
        chunks = stream.iter_bytes()
        assert next(chunks) == b"some"
        reading = threading.Event()
        raw: Any = stream._reader._raw
        original = raw.read

        def read(timeout: float | None, wanted: int = 0) -> list[bytes]:
            reading.set()
            pieces: list[bytes] = original(timeout, wanted)
            return pieces

        raw.read = read

        def close() -> None:
            reading.wait(20)
            stream.close()

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(StreamClosedError):
            next(chunks)
        closer.join()
        del raw.read
        assert server.wait_closed()


def test_a_final_event_in_a_read_of_its_own_ends_the_stream(make_own_client: MakeClient) -> None:
    """Nothing waits for the end of the HTTP response behind it, which this server withholds."""
    taken = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(b"all")
        assert taken.wait(20)
        peer.chunk(complete_frame())
        assert peer.wait_gone()

    with WireServer(behave) as server:
        chunks = make_own_client(server.url).stream("fn").iter_bytes()
        assert next(chunks) == b"all"
        taken.set()
        assert list(chunks) == []
