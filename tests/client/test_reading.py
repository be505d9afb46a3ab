"""One read, one batch: what holds for every item of it, for blocking calls and for asyncio."""

import asyncio
import gzip
import json
import logging
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client.conftest import MakeClient
from streamify_client import (
    AsyncStreamClient,
    ConfigurationError,
    CorruptStreamError,
    FunctionError,
    StreamClosedError,
    StreamTimeoutError,
    TruncatedStreamError,
)
from streamify_client.transports.seam import Cancellation
from support.clients import CREDENTIALS
from support.wire_server import Peer, WireServer, complete_frame, payload_frame, whole

REMAPPED = "x-amzn-remapped-content-type"


def at_once(
    *payloads: bytes, last: bytes = b"", headers: dict[str, str] | None = None
) -> Callable[[Peer], None]:
    """All frames in one send, and then nothing until the client is gone."""

    def behave(peer: Peer) -> None:
        peer.head(headers)
        frames = b"".join(map(payload_frame, payloads)) + last
        peer.send(b"%x\r\n%s\r\n" % (len(frames), frames))
        peer.wait_gone()

    return behave


def endless(peer: Peer) -> None:
    """Data that never stop coming."""
    peer.head()
    peer.keep = False
    chunk = payload_frame(b"x" * 100)
    try:
        while True:
            peer.chunk(chunk)
    except OSError:
        peer.gone.set()


def async_client(url: str, **options: Any) -> AsyncStreamClient:
    return AsyncStreamClient(endpoint_url=url, **CREDENTIALS, **options)


# cancel, close and the total limit act at the next item


def test_cancel_and_close_act_at_the_next_item(make_own_client: MakeClient) -> None:
    for leave in ("cancel", "close"):
        with WireServer(at_once(b"one", b"two", b"three")) as server:
            stream = make_own_client(server.url).stream("fn").open()
            chunks = stream.iter_bytes()
            assert next(chunks) == b"one"
            thread = threading.Thread(target=getattr(stream, leave))
            thread.start()
            thread.join()
            with pytest.raises(StreamClosedError, match=leave):
                next(chunks)
            stream.close()
            assert stream.result.bytes_received == 11


async def test_cancel_and_close_act_at_the_next_item_of_an_asynchronous_stream() -> None:
    for leave in ("cancel", "close"):
        with WireServer(at_once(b"one", b"two", b"three")) as server:
            async with async_client(server.url) as client:
                stream = await client.stream("fn")
                chunks = stream.iter_bytes()
                assert await anext(chunks) == b"one"
                getattr(stream, leave)()
                with pytest.raises(StreamClosedError, match=leave):
                    await anext(chunks)
                await stream.aclose()
                assert stream.result.bytes_received == 11


@pytest.mark.parametrize("by_url", [False, True])
def test_the_total_limit_ends_a_stream_whose_data_keep_coming(
    make_own_client: MakeClient, by_url: bool
) -> None:
    with WireServer(endless) as server:
        client = make_own_client(server.url)
        chunks: list[bytes] = []
        with pytest.raises(StreamTimeoutError) as caught:
            chunks.extend(client.stream(server.url if by_url else "fn", total_timeout=0.3).iter_bytes())
        assert (caught.value.phase, caught.value.limit) == ("total", 0.3)
        assert 0 < sum(map(len, chunks)) <= caught.value.bytes_received
        assert server.wait_closed()


@pytest.mark.parametrize("by_url", [False, True])
async def test_the_total_limit_ends_an_asynchronous_stream_whose_data_keep_coming(by_url: bool) -> None:
    with WireServer(whole(), endless) as server:
        async with async_client(server.url) as client:
            function = server.url if by_url else "fn"
            await client.stream(function).read()  # making the SDK's client is none of this limit's business
            with pytest.raises(StreamTimeoutError) as caught:
                async for _ in client.stream(function, total_timeout=0.3).iter_bytes():
                    pass
            assert (caught.value.phase, len(server.requests)) == ("total", 2)
            assert await asyncio.to_thread(server.wait_closed)


def test_the_total_limit_acts_between_two_items_of_one_read(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WireServer(at_once(b"one", b"two")) as server:
        chunks = iter(make_own_client(server.url).stream("fn", total_timeout=1000))
        assert next(chunks) == "one"
        later = time.monotonic() + 1000
        monkeypatch.setattr("streamify_client.stream.views.time.monotonic", lambda: later)
        with pytest.raises(StreamTimeoutError) as caught:
            next(chunks)
        assert caught.value.phase == "total"


# one reader at a time


def test_a_second_thread_that_reads_is_told_so_in_one_sentence(make_own_client: MakeClient) -> None:
    with WireServer(at_once(b"one")) as server:
        stream = make_own_client(server.url).stream("fn").open()
        chunks = stream.iter_bytes()
        assert next(chunks) == b"one"
        raw: Any = stream._reader._raw
        reading, original, found = threading.Event(), raw.read, []

        def read(timeout: float | None, wanted: int = 0) -> list[bytes]:
            reading.set()
            pieces: list[bytes] = original(timeout, wanted)
            return pieces

        raw.read = read

        def first() -> None:
            try:
                next(chunks)
            except StreamClosedError as error:
                found.append(error.message)

        thread = threading.Thread(target=first)
        thread.start()
        assert reading.wait(20)
        with pytest.raises(StreamClosedError, match="Another thread or task is reading"):
            next(chunks)
        del raw.read
        stream.close()
        thread.join()
        assert found == ["The stream was cancelled."]
        assert server.wait_closed()


class LetGo:
    """The turn of a thread that reads, and that lets go of it just when it is asked for."""

    def __init__(self) -> None:
        self.free = False

    def acquire(self, *, blocking: bool) -> bool:
        was_free, self.free = self.free, True
        return was_free

    def release(self) -> None:
        """Nothing waits for it."""


def test_a_close_that_meets_the_last_step_of_a_reader_frees_the_connection(
    make_own_client: MakeClient,
) -> None:
    with WireServer(endless) as server:
        stream = make_own_client(server.url).stream("fn").open()
        reader: Any = stream._reader
        reader._turn = LetGo()
        stream.close()
        assert server.wait_closed()


class Overtaken:
    """The turn of a thread that is about to read when another thread closes the stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._reader: Any = stream._reader
        self._turn = self._reader._turn
        self._reader._turn = self

    def acquire(self, blocking: bool = True) -> bool:
        self._reader._turn = self._turn
        self._stream.close()
        taken: bool = self._turn.acquire(blocking=blocking)
        return taken


@pytest.mark.parametrize("read_before", [0, 1, 2])
def test_a_close_that_is_faster_than_a_reader_is_named(make_own_client: MakeClient, read_before: int) -> None:
    with WireServer(endless) as server:
        stream = make_own_client(server.url).stream("fn").open()
        batches = stream.iter_bytes().batches()
        for _ in range(read_before):
            next(batches)
        Overtaken(stream)
        with pytest.raises(StreamClosedError, match="The stream is closed"):
            next(batches)
        assert server.wait_closed()


def test_a_stream_cancelled_while_nobody_reads_is_freed_by_its_next_step(make_own_client: MakeClient) -> None:
    with WireServer(endless) as server:
        stream = make_own_client(server.url).stream("fn").open()
        chunks = stream.iter_bytes()
        next(chunks)
        stream.cancel()
        with pytest.raises(StreamClosedError):
            next(chunks)
        assert server.wait_closed()


async def test_a_second_task_that_reads_is_told_so_in_one_sentence() -> None:
    with WireServer(at_once(b"one")) as server:
        async with async_client(server.url) as client, client.stream("fn") as stream:
            chunks = stream.iter_bytes()
            assert await anext(chunks) == b"one"
            first = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0)
            with pytest.raises(StreamClosedError, match="Another thread or task is reading"):
                await anext(chunks)
            stream.close()
            with pytest.raises(StreamClosedError):
                await first


def test_an_iterator_that_replaces_another_reads_on(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a", b"b", b"c")) as server:
        stream = make_own_client(server.url).stream("fn")
        chunks = iter(stream)
        assert next(chunks) == "a"
        chunks = iter(stream)
        assert list(chunks) == ["b", "c"]


async def test_an_asynchronous_iterator_that_replaces_another_reads_on() -> None:
    with WireServer(whole(b"a", b"b", b"c")) as server:
        async with async_client(server.url) as client:
            stream = client.stream("fn")
            chunks = aiter(stream)
            assert await anext(chunks) == "a"
            chunks = aiter(stream)
            assert [chunk async for chunk in chunks] == ["b", "c"]


# good items before an error


def test_chunks_before_a_damaged_frame_come_first_though_one_read_brought_both(
    make_own_client: MakeClient,
) -> None:
    damaged = payload_frame(b"bad")[:-1] + b"\0"
    with WireServer(at_once(b"one", b"two", last=damaged)) as server:
        chunks: list[bytes] = []
        with pytest.raises(CorruptStreamError, match="checksum") as caught:
            chunks.extend(make_own_client(server.url).stream("fn").iter_bytes())
    assert chunks == [b"one", b"two"]
    assert caught.value.bytes_received == 6


def test_a_line_view_that_has_handed_nothing_out_begins_anew_with_the_next_attempt(
    make_own_client: MakeClient,
) -> None:
    def cut(peer: Peer) -> None:
        peer.head()
        peer.payload(b"half a li")
        peer.fin()

    with WireServer(cut, whole(b"one\ntw", b"o\n")) as server:
        stream = make_own_client(server.url).stream("fn", retries=1)
        assert list(stream.iter_lines()) == ["one", "two"]
        assert (len(server.requests), stream.result.bytes_received) == (2, 8)


def test_a_line_view_that_has_handed_a_line_out_does_not_invoke_again(make_own_client: MakeClient) -> None:
    def cut(peer: Peer) -> None:
        peer.head()
        peer.payload(b"one\nhalf a li")
        peer.fin()

    with WireServer(cut) as server:
        lines: list[str] = []
        with pytest.raises(TruncatedStreamError):
            lines.extend(make_own_client(server.url).stream("fn", retries=1).iter_lines())
        assert (lines, len(server.requests)) == (["one"], 1)


def test_a_bug_comes_out_as_it_is_and_is_not_repeated(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, pieces: list[bytes]) -> list[bytes]:
        raise ZeroDivisionError

    monkeypatch.setattr("streamify_client.stream.body.ResponseDecoder.receive", broken)
    with WireServer(at_once(b"one")) as server:
        stream = make_own_client(server.url).stream("fn", retries=3)
        with pytest.raises(ZeroDivisionError):
            stream.read()
        assert server.wait_closed()
        assert len(server.requests) == 1
        with pytest.raises(StreamClosedError):
            stream.read()


# what a view leaves


@pytest.mark.parametrize("taken", [1, 2, 3])
@pytest.mark.parametrize(
    ("view", "parts"),
    [
        ("iter_bytes", [b"one", "two ☃".encode(), b"three", b"rest"]),
        ("iter_text", [b"one", "two ☃".encode(), b"three", b"rest"]),
        ("iter_lines", [b"one\n", "two ☃\r\n".encode(), b"\n", b"rest"]),
        ("iter_json", [b'{"n": 1}\n', b"\n[2]\r\n", b" 3 \n", b"rest"]),
        ("iter_sse", [b"data: 1\n\n", b": hi\nid: 2\ndata: 2\r\n\r\n", b"data: 3\r\r", b"rest"]),
    ],
)
def test_a_view_that_is_left_gives_back_exactly_what_it_did_not_hand_out(
    make_own_client: MakeClient, view: str, parts: list[bytes], taken: int
) -> None:
    with WireServer(at_once(*parts, last=complete_frame())) as server:
        stream = make_own_client(server.url).stream("fn").open()
        items = getattr(stream, view)()
        for _ in range(taken):
            next(items)
        assert stream.read() == b"".join(parts[taken:])
        assert stream.result.bytes_received == sum(map(len, parts))


def test_chunks_that_a_view_gives_back_keep_their_boundaries(make_own_client: MakeClient) -> None:
    with WireServer(at_once(b"one", b"two", b"three", last=complete_frame())) as server:
        stream = make_own_client(server.url).stream("fn").open()
        assert next(stream.iter_text()) == "one"
        assert list(stream.iter_bytes()) == [b"two", b"three"]
        stream.close()


@pytest.mark.parametrize("size", [1, 4, 5, 100])
async def test_pieces_of_one_size(make_own_client: MakeClient, size: int) -> None:
    body = b"0123456789"
    pieces = [body[at : at + size] for at in range(0, 10, size)]
    with WireServer(whole(body[:3], body[3:], b"")) as server:
        client = make_own_client(server.url)
        assert list(client.stream("fn").iter_bytes(size)) == pieces
        with client.stream("fn") as stream:
            assert next(stream.iter_bytes(chunk_size=size)) == pieces[0]
            assert stream.read() == body[size:]
        async with async_client(server.url) as other:
            assert [piece async for piece in other.stream("fn").iter_bytes(chunk_size=size)] == pieces


def test_a_chunk_size_that_is_no_size_is_refused(make_own_client: MakeClient) -> None:
    with WireServer(whole()) as server:
        stream = make_own_client(server.url).stream("fn")
        for size in (0, -1, 1.5, True):
            with pytest.raises(ConfigurationError, match="chunk_size"):
                stream.iter_bytes(size)  # type: ignore[arg-type]
        stream.close()


def test_closing_expands_nothing_for_nobody(make_own_client: MakeClient) -> None:
    size = 40_000_000
    head = json.dumps({"headers": {"content-encoding": "gzip"}}).encode() + bytes(8)
    headers = {REMAPPED: "application/vnd.awslambda.http-integration-response"}
    with WireServer(whole(head, gzip.compress(bytes(size)), headers=headers)) as server:
        stream = make_own_client(server.url).stream("fn").open()
        assert len(next(stream.iter_bytes())) > 0
        stream.close()
        assert stream.result.bytes_received < size / 10


# limits and reports


def test_after_the_head_of_a_url_the_idle_limit_rules(make_own_client: MakeClient) -> None:
    def late(peer: Peer) -> None:
        peer.head({"content-type": "text/plain"})
        time.sleep(0.6)
        peer.chunk(b"late")
        peer.end()

    def never(peer: Peer) -> None:
        peer.head({"content-type": "text/plain"})
        peer.wait_gone()

    with WireServer(late, never) as server:
        client = make_own_client(server.url)
        assert client.stream(server.url, first_byte_timeout=0.3).read() == b"late"
        with pytest.raises(StreamTimeoutError) as caught:
            client.stream(server.url, idle_timeout=0.1).read()
        assert caught.value.phase == "idle"


@pytest.mark.parametrize("verified", ["auto", "off"])
@pytest.mark.parametrize("view", ["iter_bytes", "iter_sse", "iter_lines"])
def test_lambdas_own_report_of_a_failure_raises_in_every_mode(
    make_own_client: MakeClient, verified: Any, view: str
) -> None:
    report = {"errorType": "Runtime.ExitError", "errorMessage": "RequestId: req-1 Error: it exited"}
    with (
        WireServer(whole(json.dumps(report).encode())) as server,
        pytest.raises(FunctionError, match="it exited") as caught,
    ):
        list(getattr(make_own_client(server.url).stream("fn", verified=verified), view)())
    assert caught.value.error_type == "Runtime.ExitError"


def test_timeout_stands_for_the_first_byte_and_the_idle_limit(make_own_client: MakeClient) -> None:
    def silent(peer: Peer) -> None:
        peer.wait_gone()

    with WireServer(silent, at_once(b"one"), at_once(b"one")) as server:
        client = make_own_client(server.url, timeout=0.1)
        for phase in ("first_byte", "idle"):
            with pytest.raises(StreamTimeoutError) as caught:
                client.stream("fn").read()
            assert (caught.value.phase, caught.value.limit) == (phase, 0.1)
        with pytest.raises(StreamTimeoutError) as caught:
            client.stream("fn", timeout=30, idle_timeout=0.05).read()
        assert (caught.value.phase, caught.value.limit) == ("idle", 0.05)
        with pytest.raises(ConfigurationError, match="timeout must be a number of seconds"):
            client.stream("fn", timeout=0)


def test_a_function_may_take_as_long_as_lambda_lets_it_run(make_own_client: MakeClient) -> None:
    from streamify_client.request.options import Options

    assert Options().first_byte_timeout == 1800.0
    found: list[Any] = []
    client: Any = make_own_client("http://127.0.0.1:9")
    client._transport.on_client(found.append)
    client.stream("fn").close()
    assert found[0].meta.config.read_timeout == 1800.0


# what is known afterwards


def test_the_first_byte_came_when_it_came_and_not_when_it_was_asked_for(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("streamify_client.stream.limits.time.monotonic", lambda: now)
    sent = threading.Event()

    def sends(peer: Peer) -> None:
        whole(b"a")(peer)
        sent.set()

    with WireServer(sends) as server:
        stream = make_own_client(server.url).stream("fn").open()
        assert sent.wait(20)
        now += 1000
        stream.read()
        result = stream.result
        stream.close()
    assert result.time_to_first_byte is not None
    assert result.time_to_first_byte < 900 < result.duration


def test_a_cancelled_stream_has_a_result(make_own_client: MakeClient) -> None:
    with WireServer(at_once(b"one")) as server:
        stream = make_own_client(server.url).stream("fn").open()
        assert next(stream.iter_bytes()) == b"one"
        stream.cancel()
        assert stream.result.bytes_received == 3
        stream.close()


def test_a_stream_cancelled_before_it_was_opened_has_a_result_and_no_line_in_the_log(
    make_own_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "streamify_client"):
        stream = make_own_client("http://127.0.0.1:9").stream("fn")
        stream.cancel()
        assert (stream.result.bytes_received, stream.result.duration) == (0, 0.0)
        stream.close()
    assert not [record for record in caplog.records if record.name == "streamify_client"]


def test_a_signal_handler_may_cancel_a_pause_between_attempts() -> None:
    cancellation = Cancellation()
    before = signal.signal(signal.SIGUSR1, lambda *_: cancellation.request())
    try:
        threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1)).start()
        assert cancellation.sleep(20)
        assert cancellation.requested
        assert cancellation.sleep(20)
    finally:
        signal.signal(signal.SIGUSR1, before)


async def test_a_task_that_is_cancelled_while_it_closes_frees_the_connection() -> None:
    with WireServer(at_once(b"one", last=complete_frame())) as server:
        async with async_client(server.url) as client:
            stream = await client.stream("fn")
            assert await anext(stream.iter_bytes()) == b"one"
            closing = asyncio.ensure_future(stream.aclose())
            await asyncio.sleep(0)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            assert await asyncio.to_thread(server.wait_closed)


def test_header_names_have_one_case_by_name_and_by_url(make_own_client: MakeClient) -> None:
    prelude = json.dumps({"headers": {"X-Rows": "3", "Content-Type": "text/csv"}}).encode() + bytes(8)
    by_name = {REMAPPED: "application/vnd.awslambda.http-integration-response"}
    with WireServer(whole(prelude, headers=by_name), whole(headers={"X-Rows": "3"})) as server:
        client = make_own_client(server.url)
        for function in ("fn", server.url):
            with client.stream(function, raise_for_status=False) as stream:
                assert "x-rows" in list(stream.headers)
                assert stream.headers["X-ROWS"] == "3"
                assert all(name == name.lower() for name in stream.headers)


def test_each_attempt_and_each_end_is_one_line_of_the_log_without_the_payload(
    make_own_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    def cut(peer: Peer) -> None:
        peer.head()
        peer.fin()

    with (
        WireServer(cut, whole(b"secret answer")) as server,
        caplog.at_level(logging.DEBUG, "streamify_client"),
    ):
        make_own_client(server.url).stream("fn", {"secret": "question"}, retries=1).read()
    lines = [record.getMessage() for record in caplog.records if record.name == "streamify_client"]
    assert [line.partition(":")[2].split()[0] for line in lines] == ["attempt", "attempt", "whole"]
    assert not any("secret" in line for line in lines)


def test_streams_and_views_say_what_they_are(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"a\nb\n", headers={REMAPPED: "text/csv"})) as server:
        client = make_own_client(server.url, idle_timeout=5)
        assert repr(client) == f"<StreamClient us-east-1, {server.url}, idle_timeout=5>"
        with client.stream("fn") as stream:
            assert repr(stream) == "<ResponseStream of fn, open, status 200, text/csv, 0 bytes received>"
            lines = stream.iter_lines()
            next(lines)
            assert repr(lines) == "<View of the lines of fn, open, status 200, text/csv, 4 bytes received>"
        assert repr(stream) == "<ResponseStream of fn, closed, status 200, text/csv, 4 bytes received>"


def test_a_small_frame_costs_few_python_calls(make_own_client: MakeClient) -> None:
    """What one read brings is decoded in one loop: no object, generator or exception for each frame."""
    count = 1000
    with WireServer(at_once(*[b"x" * 20] * count)) as server:
        stream = make_own_client(server.url).stream("fn").open()
        texts: Iterator[str] = stream.iter_text()
        next(texts)
        calls = 0

        def profile(frame: Any, event: str, argument: Any) -> None:
            nonlocal calls
            calls += event == "call"

        taken = 1
        sys.setprofile(profile)
        try:
            for _ in range(count - 1):
                next(texts)
                taken += 1
        finally:
            sys.setprofile(None)
        assert taken == count
        assert calls < 3 * count
        stream.close()


def test_an_item_that_came_with_others_costs_no_call_of_ours(make_own_client: MakeClient) -> None:
    calls: list[str] = []

    def look(frame: types.FrameType, event: str, argument: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    with WireServer(at_once(*[b"a\nb\n"] * 500, last=complete_frame())) as server:
        with make_own_client(server.url).stream("fn") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "a"
            sys.setprofile(look)
            try:
                found = [next(lines) for _ in range(998)]
            finally:
                sys.setprofile(None)
        assert found[:2] == ["b", "a"]
        assert len(calls) < 100


def test_a_thread_that_is_refused_takes_nothing_from_the_one_that_reads(make_own_client: MakeClient) -> None:
    with (
        WireServer(at_once(b"one", b"two", b"three")) as server,
        make_own_client(server.url).stream("fn") as stream,
    ):
        reader: Any = stream._reader
        chunks, advance = stream.iter_bytes(), reader.advance

        def overtaken(progress: Any) -> bool:
            reader.advance = advance
            assert next(chunks) == b"one"  # the other thread, meanwhile
            raise StreamClosedError("Another thread or task is reading this stream.")

        reader.advance = overtaken
        with pytest.raises(StreamClosedError, match="Another thread"):
            next(chunks)
        assert [next(chunks), next(chunks)] == [b"two", b"three"]


def test_a_view_that_was_interrupted_says_that_its_stream_is_closed(make_own_client: MakeClient) -> None:
    with WireServer(at_once(b"one")) as server:
        with make_own_client(server.url).stream("fn") as stream:
            chunks = stream.iter_bytes()
            assert next(chunks) == b"one"
            reader: Any = stream._reader

            def interrupted(timeout: float | None, wanted: int = 0) -> list[bytes]:
                raise KeyboardInterrupt

            reader._raw.read = interrupted
            with pytest.raises(KeyboardInterrupt):
                next(chunks)
            for _ in range(2):
                with pytest.raises(StreamClosedError, match="The stream is closed"):
                    next(chunks)
        assert server.wait_closed()
