"""Streams that go on: parts joined into one body, resumed behind a checkpoint, and never a wrong byte."""

import asyncio
import base64
import contextlib
import gzip
import io
import json
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamify_client import (
    AsyncStreamClient,
    ConfigurationError,
    ConnectError,
    CorruptStreamError,
    FunctionError,
    HttpStatusError,
    StreamClient,
    StreamClosedError,
    StreamError,
    StreamTimeoutError,
    TruncatedStreamError,
)
from streamify_client.wire.eventstream import encode_frame
from support.clients import CREDENTIALS, stream_client
from support.parts import Sending, finish, part, send, token_of
from support.wire_server import Behaviour, Peer, Request, WireServer, complete_frame, payload_frame

Make = Callable[[Request], Sending]


class Way:
    """One of the four ways to read a stream."""

    def __init__(self, by_name: bool, asynchronous: bool) -> None:
        self.by_name = by_name
        self.asynchronous = asynchronous

    def part(self, make: Make, **options: Any) -> Behaviour:
        return part(make, by_name=self.by_name, **options)

    def read(self, server: WireServer, **options: Any) -> tuple[list[bytes], Any]:
        """Read a stream; return its chunks, and its result or the error that ended it."""
        if self.asynchronous:
            return asyncio.run(self._read(server, options))
        chunks: list[bytes] = []
        with stream_client(server.url) as client:
            stream = client.stream("fn" if self.by_name else server.url, {}, **options)
            try:
                chunks.extend(stream.iter_bytes())
            except (StreamError, FunctionError, HttpStatusError, ConnectError) as error:
                return chunks, error
            return chunks, stream.result

    async def _read(self, server: WireServer, options: dict[str, Any]) -> tuple[list[bytes], Any]:
        chunks: list[bytes] = []
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS) as client:
            stream = client.stream("fn" if self.by_name else server.url, {}, **options)
            try:
                async for chunk in stream.iter_bytes():
                    chunks.append(chunk)  # noqa: PERF401  # what came before an error counts
            except (StreamError, FunctionError, HttpStatusError, ConnectError) as error:
                return chunks, error
            return chunks, stream.result


@pytest.fixture(params=[(True, False), (False, False), (True, True), (False, True)], ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    return Way(*request.param)


@pytest.fixture(params=[True, False], ids=["name", "url"])
def blocking(request: pytest.FixtureRequest) -> Way:
    return Way(request.param, False)


def first(request: Request) -> Sending:
    return Sending(request).data(b"one ", b"two ").hand_over("to-2")


def second(request: Request) -> Sending:
    return Sending(request, 8).data(b"three ").hand_over("to-3")


def third(request: Request) -> Sending:
    return Sending(request, 14).data(b"four").end()


def test_parts_are_joined(way: Way) -> None:
    parts = [way.part(make, request_id=f"req-{n}") for n, make in enumerate((first, second, third), 1)]
    with WireServer(*parts) as server:
        chunks, result = way.read(server)
        assert [token_of(request) for request in server.requests] == [None, "to-2", "to-3"]
        assert len({request.body for request in server.requests}) == 1
    assert chunks == [b"one ", b"two ", b"three ", b"four"]
    assert (result.verified, result.bytes_received, result.chunks) == (True, 18, 4)
    assert [(each.request_id, each.bytes_received) for each in result.parts] == [
        ("req-1", 8),
        ("req-2", 6),
        ("req-3", 4),
    ]
    assert result.request_id == "req-1"
    assert result.attempts.count == 1


def test_a_resumed_part_may_hand_over_where_the_cut_one_would_have(way: Way) -> None:
    def cut(request: Request) -> Sending:
        return Sending(request).checkpoint("to-1").data(b"one ")

    def again(request: Request) -> Sending:
        return Sending(request).data(b"one ").hand_over("to-2")

    def last(request: Request) -> Sending:
        return Sending(request, 4).data(b"two").end()

    with WireServer(way.part(cut, cut=True), way.part(again), way.part(last)) as server:
        chunks, result = way.read(server, resumes=1)
        assert [token_of(request) for request in server.requests] == [None, "to-1", "to-2"]
    assert (b"".join(chunks), result.verified) == (b"one two", True)


def _ends_after(gate: threading.Event) -> Behaviour:
    """A part whose end comes in a read of its own, by name: behind the gate."""

    def behave(peer: Peer) -> None:
        *frames, end = first(peer.request).frames
        send(peer, [], by_name=True)
        peer.chunk(b"".join(map(payload_frame, frames)))
        gate.wait()
        peer.chunk(payload_frame(end) + complete_frame())
        peer.end()

    return behave


def test_an_end_that_comes_alone_is_one_end() -> None:
    gate = threading.Event()
    last = part(lambda request: Sending(request, 8).end(), by_name=True)
    with WireServer(_ends_after(gate), last) as server, stream_client(server.url) as client:
        stream = client.stream("fn", {})
        chunks = iter(stream.iter_bytes())
        assert [next(chunks), next(chunks)] == [b"one ", b"two "]
        gate.set()
        assert list(chunks) == []
        assert len(stream.result.parts) == 2


async def test_an_end_that_comes_alone_is_one_end_for_async_code_too() -> None:
    gate = threading.Event()
    last = part(lambda request: Sending(request, 8).end(), by_name=True)
    with WireServer(_ends_after(gate), last) as server:
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS) as client:
            stream = client.stream("fn", {})
            chunks = aiter(stream.iter_bytes())
            assert [await anext(chunks), await anext(chunks)] == [b"one ", b"two "]
            gate.set()
            assert [chunk async for chunk in chunks] == []
        assert len(stream.result.parts) == 2


def test_an_empty_last_part_is_normal(way: Way) -> None:
    with WireServer(way.part(first), way.part(lambda request: Sending(request, 8).end())) as server:
        chunks, result = way.read(server)
    assert (b"".join(chunks), result.verified) == (b"one two ", True)


def test_a_part_without_anything_new_that_hands_over_is_an_error(way: Way) -> None:
    with WireServer(
        way.part(first), way.part(lambda request: Sending(request, 8).hand_over("again"))
    ) as server:
        chunks, error = way.read(server, resumes=3)
        assert len(server.requests) == 2
    assert chunks == [b"one ", b"two "]
    assert isinstance(error, CorruptStreamError)
    assert "without having sent anything new" in error.message


def test_parts_are_used_up(way: Way) -> None:
    with WireServer(way.part(first), way.part(second), way.part(third)) as server:
        chunks, error = way.read(server, continues=2)
        assert len(server.requests) == 2
    assert b"".join(chunks) == b"one two three "
    assert isinstance(error, TruncatedStreamError)
    assert "continues=2" in error.message


def test_nothing_is_offered_where_one_part_has_to_do(blocking: Way) -> None:
    with WireServer(blocking.part(third_alone)) as server:
        blocking.read(server, continues=1)
        sent = server.requests[0].headers
    assert "continue/1" not in str(sent)


def third_alone(request: Request) -> Sending:
    return Sending(request).data(b"four").end()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda request: Sending(without_token(request), 8).data(b"x").end(), "drops the token"),
        (lambda request: Sending(request, 8, content_type="text/csv").data(b"x").end(), "another response"),
    ],
)
def test_a_part_that_is_not_the_same_stream_is_corrupt_before_a_byte(way: Way, make: Make, said: str) -> None:
    with WireServer(way.part(first), way.part(make)) as server:
        chunks, error = way.read(server, resumes=3)
        assert len(server.requests) == 2
    assert chunks == [b"one ", b"two "]
    assert isinstance(error, CorruptStreamError)
    assert said in error.message


def without_token(request: Request) -> Request:
    return Request(request.method, request.target, {}, request.body, request.connection)


def test_a_part_that_is_not_verified_is_corrupt_before_a_byte(way: Way) -> None:
    def plain(peer: Peer) -> None:
        peer.head({} if way.by_name else {"content-type": "text/plain"})
        if way.by_name:
            peer.payload(b"from the beginning")
        else:
            peer.chunk(b"from the beginning")
        finish(peer, by_name=way.by_name)

    with WireServer(way.part(first), plain) as server:
        chunks, error = way.read(server)
    assert chunks == [b"one ", b"two "]
    assert isinstance(error, CorruptStreamError)
    assert "not verified" in error.message


def test_a_part_with_an_error_status_is_that_error() -> None:
    way = Way(False, False)

    def gone(peer: Peer) -> None:
        peer.reply("410 Gone", b"the table is gone", {"content-type": "text/plain"})

    with WireServer(way.part(first), gone) as server:
        chunks, error = way.read(server, raise_for_status=False)
    assert chunks == [b"one ", b"two "]
    assert isinstance(error, HttpStatusError)
    assert (error.status_code, error.body) == (410, b"the table is gone")


def test_a_part_that_is_throttled_is_asked_for_again(way: Way) -> None:
    def throttle(peer: Peer) -> None:
        peer.refuse("429 Too Many Requests", "TooManyRequestsException", "busy", {"retry-after": "0"})

    with WireServer(
        way.part(first), throttle, throttle, throttle, throttle, way.part(second), way.part(third)
    ) as server:
        chunks, result = way.read(server)
        tokens = [token_of(request) for request in server.requests]
    assert b"".join(chunks) == b"one two three four"
    assert tokens == [None, *["to-2"] * 5, "to-3"]
    assert len(result.parts) == 3


def test_a_function_that_refuses_its_token_has_failed(way: Way) -> None:
    def refused(request: Request) -> Sending:
        return Sending(request, 8).error(
            "TokenError", "The stream cannot continue: its token is older than 24 hours."
        )

    with WireServer(way.part(first), way.part(refused)) as server:
        chunks, error = way.read(server)
    assert chunks == [b"one ", b"two "]
    assert isinstance(error, FunctionError)
    assert "24 hours" in str(error)


def test_a_part_that_fails_before_its_first_byte_says_why(way: Way) -> None:
    """It has no media type, which must not hide the error that follows."""

    def fails(peer: Peer) -> None:
        head, error = Sending(peer.request, 8, content_type=None).error("KeyError", "'row'").frames
        send(peer, [head], by_name=way.by_name)
        sent.wait(0.05)
        peer.chunk(payload_frame(error) if way.by_name else error)
        finish(peer, by_name=way.by_name)

    sent = threading.Event()
    with WireServer(way.part(first), fails) as server:
        chunks, error = way.read(server)
    assert chunks == [b"one ", b"two "]
    assert isinstance(error, FunctionError)
    assert error.error_type == "KeyError"


def test_characters_and_lines_go_on_across_parts(blocking: Way) -> None:
    line = "größe\n".encode()

    def begins(request: Request) -> Sending:
        return Sending(request).data(line[:3]).hand_over("t")

    def ends(request: Request) -> Sending:
        return Sending(request, 3).data(line[3:] + line).end()

    target = "fn" if blocking.by_name else ""
    for read, wanted in (("iter_lines", ["größe", "größe"]), ("iter_text", ["gr", "öße\ngröße\n"])):
        with (
            WireServer(blocking.part(begins), blocking.part(ends)) as server,
            stream_client(server.url) as client,
        ):
            assert list(getattr(client.stream(target or server.url, {}), read)()) == wanted


def test_each_part_has_a_content_coding_of_its_own(blocking: Way) -> None:
    def begins(request: Request) -> Sending:
        return Sending(request, encoding="gzip").data(gzip.compress(b"one ")).hand_over("t")

    def ends(request: Request) -> Sending:
        base = len(gzip.compress(b"one "))
        return Sending(request, base, encoding="gzip").data(gzip.compress(b"two")).end()

    with WireServer(blocking.part(begins), blocking.part(ends)) as server:
        chunks, result = blocking.read(server)
    assert b"".join(chunks) == b"one two"
    assert result.verified


def test_a_file_is_whole_or_not_there(blocking: Way, tmp_path: Path) -> None:
    with (
        WireServer(blocking.part(first), blocking.part(second), blocking.part(third)) as server,
        stream_client(server.url) as client,
    ):
        result = client.stream_to_file("fn" if blocking.by_name else server.url, {}, tmp_path / "body")
    assert (tmp_path / "body").read_bytes() == b"one two three four"
    assert len(result.parts) == 3


def test_the_connection_of_a_part_that_does_not_end_is_left_after_a_moment(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamify_client.stream.reader.HAND_OVER_WAIT", 0.05)

    def hangs(peer: Peer) -> None:
        send(peer, first(peer.request).frames, by_name=way.by_name)
        assert peer.wait_gone()

    with WireServer(hangs, way.part(second), way.part(third)) as server:
        chunks, result = way.read(server)
    assert (b"".join(chunks), len(result.parts)) == (b"one two three four", 3)


def test_a_part_that_has_ended_and_drips_on_is_left_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamify_client.stream.reader.HAND_OVER_WAIT", 0.2)
    drip = encode_frame({":event-type": "Later", ":message-type": "event"}, b"")

    def drips(peer: Peer) -> None:
        send(peer, first(peer.request).frames, by_name=True)
        with contextlib.suppress(OSError):
            while True:
                peer.chunk(drip)
                left.wait(0.05)

    left = threading.Event()
    rest = [part(make, by_name=True) for make in (second, third)]
    with WireServer(drips, *rest) as server, stream_client(server.url) as client:
        stream = client.stream("fn", {})
        assert stream.read() == b"one two three four"
        assert len(stream.result.parts) == 3


def test_a_stream_can_be_cancelled_between_two_parts(blocking: Way) -> None:
    def throttle(peer: Peer) -> None:
        stream.cancel()
        peer.refuse("429 Too Many Requests", "TooManyRequestsException", "busy", {"retry-after": "3000"})

    with WireServer(blocking.part(first), throttle) as server, stream_client(server.url) as client:
        stream = client.stream("fn" if blocking.by_name else server.url, {})
        with pytest.raises(StreamClosedError, match="cancelled"):
            list(stream.iter_bytes())
    assert len(server.requests) == 2


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "url"])
@pytest.mark.parametrize("by_task", [True, False], ids=["its task", "another thread"])
async def test_an_async_stream_can_be_cancelled_between_two_parts(by_name: bool, by_task: bool) -> None:
    way = Way(by_name, True)
    loop = asyncio.get_running_loop()

    def throttle(peer: Peer) -> None:
        loop.call_soon_threadsafe(reading.cancel) if by_task else stream.cancel()
        peer.refuse("429 Too Many Requests", "TooManyRequestsException", "busy", {"retry-after": "3000"})

    async def read() -> None:
        async for _ in stream.iter_bytes():
            pass

    with WireServer(way.part(first), throttle) as server:
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS) as client:
            stream = client.stream("fn" if by_name else server.url, {})
            reading = asyncio.ensure_future(read())
            with pytest.raises(asyncio.CancelledError if by_task else StreamClosedError):
                await reading
            assert len(stream.result.parts) >= 1
    assert len(server.requests) == 2


def test_the_total_limit_covers_all_parts(way: Way) -> None:
    def stalls(peer: Peer) -> None:
        send(peer, second(peer.request).frames[:2], by_name=way.by_name)
        assert peer.wait_gone()

    with WireServer(way.part(first), stalls) as server:
        chunks, error = way.read(server, total_timeout=6.0)
    assert b"".join(chunks) == b"one two three "
    assert isinstance(error, StreamTimeoutError)
    assert error.phase == "total"


# after a cut


def resumable(request: Request) -> Sending:
    """The body is eight numbers; a token says which is next, and each number is followed by a checkpoint."""
    token = token_of(request)
    at = int(token) if token else 0
    sending = Sending(request, at * 3)
    for number in range(at, 8):
        sending.data(b"%02d\n" % number)
        if number % 2:
            sending.checkpoint(str(number + 1))
    return sending


def cut_after(way: Way, frames: int) -> Behaviour:
    def behave(peer: Peer) -> None:
        send(peer, resumable(peer.request).frames[:frames], by_name=way.by_name)
        peer.fin()  # a reset might take what was sent before along

    return behave


def rest(way: Way) -> Behaviour:
    return way.part(lambda request: resumable(request).end())


WHOLE = b"".join(b"%02d\n" % number for number in range(8))


@pytest.mark.parametrize("frames", range(4, 13))
def test_a_cut_behind_a_checkpoint_is_resumed(way: Way, frames: int) -> None:
    with WireServer(cut_after(way, frames), rest(way)) as server:
        chunks, result = way.read(server, resumes=1)
        assert len(server.requests) == 2
    assert b"".join(chunks) == WHOLE
    assert result.verified
    assert len(result.parts) == 2


def test_cuts_in_a_row_are_resumed_as_often_as_allowed(way: Way) -> None:
    cuts = [cut_after(way, 5), cut_after(way, 2), cut_after(way, 1), cut_after(way, 3)]
    with WireServer(*cuts, rest(way)) as server:
        chunks, result = way.read(server, resumes=4)
    assert (b"".join(chunks), result.verified) == (WHOLE, True)
    with WireServer(*cuts, rest(way)) as server:
        chunks, error = way.read(server, resumes=3)
        assert len(server.requests) == 4
    assert WHOLE.startswith(b"".join(chunks))
    assert isinstance(error, TruncatedStreamError)


def test_without_resumes_a_cut_raises(way: Way) -> None:
    with WireServer(cut_after(way, 5), rest(way)) as server:
        _, error = way.read(server)
        assert len(server.requests) == 1
    assert isinstance(error, TruncatedStreamError)


def test_a_cut_before_the_first_checkpoint_is_not_resumed(way: Way) -> None:
    with WireServer(cut_after(way, 3), rest(way)) as server:
        _, error = way.read(server, resumes=5)
        assert len(server.requests) == 1
    assert isinstance(error, TruncatedStreamError)


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (lambda request: Sending(request, 6).data(b"02\n", b"xx\n").end(), "not reproducible"),
        (lambda request: Sending(request, 6).data(b"02\n").end(), "not reproducible"),
    ],
)
def test_a_body_that_cannot_be_reproduced_is_an_error_and_never_a_wrong_byte(
    way: Way, again: Make, said: str
) -> None:
    with WireServer(cut_after(way, 6), way.part(again), rest(way)) as server:
        chunks, error = way.read(server, resumes=9)
        assert len(server.requests) == 2
    assert b"".join(chunks) == b"00\n01\n02\n03\n"
    assert isinstance(error, CorruptStreamError)
    assert said in error.message


def hands_over_early(request: Request) -> Sending:
    """Sends only the first of the two numbers that were delivered behind the last checkpoint."""
    return Sending(request, 6).data(b"02\n").hand_over("3")


def test_a_resumed_part_may_hand_over_before_it_has_sent_all_again(way: Way) -> None:
    """Its time may be shorter, or it slower; the next part sends the rest again."""
    with WireServer(cut_after(way, 6), way.part(hands_over_early), rest(way)) as server:
        chunks, result = way.read(server, resumes=1)
        assert [token_of(request) for request in server.requests] == [None, "2", "3"]
    assert (b"".join(chunks), result.verified, len(result.parts)) == (WHOLE, True, 3)


def test_a_cut_behind_such_a_part_begins_again_at_the_last_checkpoint_that_counted(way: Way) -> None:
    cut = way.part(lambda request: Sending(request, 9), cut=True)
    with WireServer(cut_after(way, 6), way.part(hands_over_early), cut, rest(way)) as server:
        chunks, result = way.read(server, resumes=2)
        assert [token_of(request) for request in server.requests] == [None, "2", "3", "2"]
    assert (b"".join(chunks), result.verified) == (WHOLE, True)


@pytest.mark.parametrize(
    "again",
    [
        lambda request: Sending(request, 9).data(b"xx\n").end(),
        lambda request: Sending(request, 9).end(),
    ],
)
def test_what_such_a_part_leaves_is_compared_in_the_next(way: Way, again: Make) -> None:
    with WireServer(cut_after(way, 6), way.part(hands_over_early), way.part(again), rest(way)) as server:
        chunks, error = way.read(server, resumes=9)
        assert len(server.requests) == 3
    assert b"".join(chunks) == b"00\n01\n02\n03\n"
    assert isinstance(error, CorruptStreamError)
    assert "not reproducible" in error.message


def test_the_deadline_of_a_part_counts_as_a_cut(way: Way) -> None:
    def struck(request: Request) -> Sending:
        sending = resumable(request)
        sending.frames = sending.frames[:5]
        return sending.error("DeadlineExceededError", "The deadline has passed.")

    with WireServer(way.part(struck), rest(way)) as server:
        chunks, result = way.read(server, resumes=1)
    assert (b"".join(chunks), result.verified) == (WHOLE, True)


REPORT = "REPORT RequestId: req-1 Duration: 3000 ms Status: {}"


@pytest.mark.parametrize(
    ("last", "error_type"),
    [
        (
            {"ErrorCode": "Sandbox.Timedout", "ErrorDetails": "Task timed out after 3.00 seconds"},
            "Sandbox.Timedout",
        ),
        ({"ErrorCode": "Runtime.ExitError", "ErrorDetails": "{}"}, "Runtime.ExitError"),
        ({"LogResult": base64.b64encode(REPORT.format("timeout").encode()).decode()}, "Timeout"),
    ],
)
@pytest.mark.parametrize("resumes", [0, 1])
def test_what_lambda_says_of_a_function_that_was_killed_is_about_a_cut(
    last: dict[str, str], error_type: str, resumes: int
) -> None:
    def killed(peer: Peer) -> None:
        send(peer, resumable(peer.request).frames[:5], by_name=True)
        peer.chunk(complete_frame(json.dumps(last).encode()))
        peer.end()

    rest = part(lambda request: resumable(request).end(), by_name=True)
    with WireServer(killed, rest) as server, stream_client(server.url) as client:
        stream = client.stream("fn", {}, resumes=resumes, log_tail="LogResult" in last)
        if resumes:
            assert stream.read() == WHOLE
            assert len(stream.result.parts) == 2
        else:
            with pytest.raises(FunctionError) as caught:
                stream.read()
            assert error_type in (caught.value.code, caught.value.error_type)


def test_any_other_error_of_the_function_is_final(way: Way) -> None:
    def fails(request: Request) -> Sending:
        sending = resumable(request)
        sending.frames = sending.frames[:5]
        return sending.error("KeyError", "'x'")

    with WireServer(way.part(fails), rest(way)) as server:
        _, error = way.read(server, resumes=5)
        assert len(server.requests) == 1
    assert isinstance(error, FunctionError)


def test_a_stall_behind_a_checkpoint_is_resumed(way: Way) -> None:
    def stalls(peer: Peer) -> None:
        send(peer, resumable(peer.request).frames[:5], by_name=way.by_name)
        assert peer.wait_gone()

    with WireServer(stalls, rest(way)) as server:
        chunks, result = way.read(server, resumes=1, idle_timeout=0.3)
    assert (b"".join(chunks), result.verified) == (WHOLE, True)


def test_a_compressed_body_is_compared_after_its_decoding(way: Way) -> None:
    """Another compressor makes other bytes of the same text, and it is the same body all the same."""

    def compressed(level: int, cut: bool) -> Make:
        def make(request: Request) -> Sending:
            token = token_of(request)
            at = int(token) if token else 0
            coder = zlib.compressobj(level, wbits=31)
            sending = Sending(request, 0 if not at else sizes[0], encoding="gzip")
            for number in range(at, 8):
                sending.data(coder.compress(b"%02d\n" % number * 50) + coder.flush(zlib.Z_SYNC_FLUSH))
                if number == 3:
                    sizes.append(sending.bytes)
                    sending.checkpoint("4")
            if cut:
                del sending.frames[-2:]
            else:
                sending.data(coder.flush()).end()
            return sending

        return make

    sizes: list[int] = []
    with WireServer(way.part(compressed(9, True), cut=True), way.part(compressed(1, False))) as server:
        chunks, result = way.read(server, resumes=1)
    assert b"".join(chunks) == b"".join(b"%02d\n" % number * 50 for number in range(8))
    assert result.verified


def test_views_do_not_notice_a_resumed_cut(blocking: Way) -> None:
    with WireServer(cut_after(blocking, 6), rest(blocking)) as server, stream_client(server.url) as client:
        stream = client.stream("fn" if blocking.by_name else server.url, {}, resumes=1)
        assert [line.rstrip() for line in stream.iter_lines()] == [f"{number:02}" for number in range(8)]


def test_as_file_reads_across_parts(blocking: Way) -> None:
    with (
        WireServer(cut_after(blocking, 6), rest(blocking)) as server,
        stream_client(server.url) as client,
        client.stream("fn" if blocking.by_name else server.url, {}, resumes=1) as stream,
    ):
        assert io.TextIOWrapper(stream.as_file(), encoding="utf-8").read().encode() == WHOLE


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"continues": 0}, "continues"),
        ({"resumes": -1}, "resumes"),
        ({"resumes": True}, "resumes"),
        ({"continues": 2.5}, "continues"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    client = StreamClient(**CREDENTIALS)
    with pytest.raises(ConfigurationError, match=f"{said} must be a whole number"):
        client.stream("fn", **options)
