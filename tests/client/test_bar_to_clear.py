"""What goes wrong on the wire: what raw boto3 makes of it, and what must be raised here.

The README's table says what these tests hold, row by row; each is run with a client of ours and around plain
boto3 clients in every retry mode.
"""

import contextlib
import threading
from typing import Any

import pytest

from client.conftest import MakeClient
from streamify_client import (
    CorruptStreamError,
    FunctionError,
    StreamClosedError,
    StreamifyError,
    StreamTimeoutError,
    TruncatedStreamError,
)
from streamify_client.wire.eventstream import encode_frame
from support.clients import boto_client
from support.wire_server import HALF_A_HEAD, Peer, WireServer, complete_frame, dripping, payload_frame, whole

ERROR = (
    b'{"ErrorCode": "Function.ValueError", "ErrorDetails": "{\\"errorType\\": \\"ValueError\\", '
    b'\\"errorMessage\\": \\"no rows\\", \\"stackTrace\\": [\\"line 1\\"]}"}'
)


def read_all(client: Any) -> bytes:
    """Read a response with raw boto3, as its documentation shows."""
    response = client.invoke_with_response_stream(FunctionName="fn")
    with contextlib.closing(response["EventStream"]) as events:
        return b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)


def says_nothing(peer: Peer) -> None:
    peer.wait_gone()


def stops_after_a_chunk(peer: Peer) -> None:
    peer.head()
    peer.payload(b"some")
    peer.wait_gone()


def cut(how: str) -> Any:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        getattr(peer, how)()

    return behave


def ends_without_complete(peer: Peer) -> None:
    peer.head()
    peer.payload(b"some")
    peer.end()


def ends_inside_a_frame(peer: Peer) -> None:
    peer.head()
    peer.payload(b"some")
    peer.chunk(payload_frame(b"never whole")[:-5])
    peer.end()


def throws_an_exception_frame(peer: Peer) -> None:
    peer.head()
    peer.payload(b"some")
    headers = {
        ":message-type": "exception",
        ":exception-type": "ServiceException",
        ":content-type": "application/json",
    }
    peer.chunk(encode_frame(headers, b'{"message": "it broke"}'))
    peer.end()


def corrupts_a_frame(peer: Peer) -> None:
    peer.head()
    peer.payload(b"some")
    frame = bytearray(payload_frame(b"changed on the way"))
    frame[-8] ^= 1
    peer.chunk(bytes(frame))
    peer.chunk(complete_frame())
    peer.end()


def drops_the_request(peer: Peer) -> None:
    peer.fin()


def received_before(error: type[StreamifyError], client: Any, **options: Any) -> tuple[list[bytes], Any]:
    """Read until the error, and return what was yielded before it, and the error."""
    chunks: list[bytes] = []
    with pytest.raises(error) as caught:
        chunks.extend(client.stream("fn", **options).iter_bytes())
    assert caught.value.function == "fn"
    return chunks, caught.value


# no headers in time


def test_raw_boto3_invokes_again_when_the_headers_are_late() -> None:
    with WireServer(says_nothing) as server:
        client = boto_client(server.url, "standard", read_timeout=0.2)
        with pytest.raises(Exception, match="Read timeout"):
            read_all(client)
        client.close()
    assert len(server.requests) == 3


def test_late_headers_are_a_timeout_after_one_invocation(make_client: MakeClient) -> None:
    with WireServer(says_nothing) as server:
        _, error = received_before(StreamTimeoutError, make_client(server.url), first_byte_timeout=0.2)
        assert server.wait_closed()
    assert len(server.requests) == 1
    assert (error.phase, error.may_have_run, error.limit) == ("first_byte", True, 0.2)
    assert isinstance(error, TimeoutError)


# a gap between chunks


@pytest.mark.parametrize("phase", ["first_byte", "total"])
def test_headers_that_drip_outlast_no_limit(make_client: MakeClient, phase: str) -> None:
    with WireServer(dripping(HALF_A_HEAD)) as server:
        _, error = received_before(StreamTimeoutError, make_client(server.url), **{f"{phase}_timeout": 0.5})
        assert server.wait_closed()
    assert (error.phase, error.may_have_run, len(server.requests)) == (phase, True, 1)


@pytest.mark.parametrize("phase", ["idle", "total"])
def test_the_framing_of_a_body_may_not_drip_either(make_client: MakeClient, phase: str) -> None:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        dripping(b"0")(peer)

    with WireServer(behave) as server:
        chunks, error = received_before(
            StreamTimeoutError, make_client(server.url), **{f"{phase}_timeout": 1}
        )
        assert server.wait_closed()
    assert (chunks, error.phase) == ([b"some"], phase)


def test_raw_boto3_leaks_the_exception_of_urllib3_at_a_gap() -> None:
    with WireServer(stops_after_a_chunk) as server:
        client = boto_client(server.url, read_timeout=0.2)
        with pytest.raises(Exception, match="Read timed out") as caught:
            read_all(client)
        client.close()
    assert type(caught.value).__module__.startswith("urllib3")


def test_a_gap_longer_than_the_idle_timeout_is_a_timeout(make_client: MakeClient) -> None:
    with WireServer(stops_after_a_chunk) as server:
        chunks, error = received_before(StreamTimeoutError, make_client(server.url), idle_timeout=0.2)
        assert server.wait_closed()
    assert (chunks, error.phase, error.bytes_received) == ([b"some"], "idle", 4)
    assert error.request_id == "req-1"


# the connection is lost


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_raw_boto3_leaks_the_exception_of_urllib3_when_cut(how: str) -> None:
    with WireServer(cut(how)) as server:
        client = boto_client(server.url)
        with pytest.raises(Exception, match=r"Connection broken|ended prematurely") as caught:
            read_all(client)
        client.close()
    assert type(caught.value).__module__.startswith("urllib3")


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_lost_connection_is_a_truncated_stream(make_client: MakeClient, how: str) -> None:
    with WireServer(cut(how)) as server:
        chunks, error = received_before(TruncatedStreamError, make_client(server.url))
    # a reset may overtake what was sent before it
    assert chunks == [b"some"] or how == "rst"
    assert error.bytes_received == sum(map(len, chunks))
    assert error.__cause__ is not None


def test_a_connection_lost_before_the_headers_is_a_truncated_stream_after_one_invocation(
    make_client: MakeClient,
) -> None:
    with WireServer(drops_the_request) as server:
        _, error = received_before(TruncatedStreamError, make_client(server.url))
    assert (len(server.requests), error.may_have_run) == (1, True)


# a clean end of HTTP that is none of the stream


@pytest.mark.parametrize("behaviour", [ends_without_complete, ends_inside_a_frame])
def test_raw_boto3_takes_a_truncated_stream_for_a_whole_one(behaviour: Any) -> None:
    with WireServer(behaviour) as server:
        client = boto_client(server.url)
        assert read_all(client) == b"some"
        client.close()


@pytest.mark.parametrize("behaviour", [ends_without_complete, ends_inside_a_frame])
def test_a_stream_without_its_final_event_is_truncated(make_client: MakeClient, behaviour: Any) -> None:
    with WireServer(behaviour) as server:
        chunks, error = received_before(TruncatedStreamError, make_client(server.url))
    assert (chunks, error.bytes_received) == ([b"some"], 4)


# the function fails


def test_raw_boto3_takes_a_failed_function_for_a_whole_stream() -> None:
    with WireServer(whole(b"some", complete=ERROR)) as server:
        client = boto_client(server.url)
        assert read_all(client) == b"some"
        client.close()


def test_a_function_that_fails_in_mid_stream_is_a_function_error(make_client: MakeClient) -> None:
    with WireServer(whole(b"some", complete=ERROR)) as server:
        chunks, error = received_before(FunctionError, make_client(server.url))
    assert chunks == [b"some"]
    assert (error.code, error.error_type, error.error_message) == (
        "Function.ValueError",
        "ValueError",
        "no rows",
    )
    assert error.stack_trace == ("line 1",)
    assert "ValueError: no rows" in str(error)


def test_raw_boto3_loses_what_an_exception_frame_says() -> None:
    with WireServer(throws_an_exception_frame) as server:
        client = boto_client(server.url)
        with pytest.raises(Exception, match="An error occurred") as caught:
            read_all(client)
        client.close()
    assert "ServiceException" not in str(caught.value)
    assert "it broke" not in str(caught.value)


def test_an_exception_frame_is_a_function_error_with_its_code_and_message(make_client: MakeClient) -> None:
    with WireServer(throws_an_exception_frame) as server:
        chunks, error = received_before(FunctionError, make_client(server.url))
    assert (chunks, error.code, error.error_message) == ([b"some"], "ServiceException", "it broke")


# damage


def test_raw_boto3_leaks_its_own_exception_for_a_bad_checksum() -> None:
    with WireServer(corrupts_a_frame) as server:
        client = boto_client(server.url)
        with pytest.raises(Exception, match="Checksum mismatch"):
            read_all(client)
        client.close()


def test_a_bad_checksum_is_a_corrupt_stream(make_client: MakeClient) -> None:
    with WireServer(corrupts_a_frame) as server:
        chunks, error = received_before(CorruptStreamError, make_client(server.url))
    assert (chunks, error.bytes_received) == ([b"some"], 4)


# text


def test_decoding_the_chunks_of_raw_boto3_breaks_at_a_split_character() -> None:
    snow = "☃".encode()
    with WireServer(whole(b"a" + snow[:1], snow[1:])) as server:
        client = boto_client(server.url)
        events = client.invoke_with_response_stream(FunctionName="fn")["EventStream"]
        with pytest.raises(UnicodeDecodeError):
            [event["PayloadChunk"]["Payload"].decode() for event in events if "PayloadChunk" in event]
        events.close()
        client.close()


def test_a_character_split_over_chunks_stays_whole(make_client: MakeClient) -> None:
    snow = "☃".encode()
    with WireServer(whole(b"a" + snow[:1], snow[1:])) as server:
        assert list(make_client(server.url).stream("fn")) == ["a", "☃"]


# freeing


def test_break_frees_the_connection_at_once(make_client: MakeClient) -> None:
    with WireServer(stops_after_a_chunk) as server:
        for _ in make_client(server.url).stream("fn"):
            break
        assert server.wait_closed()


def test_raw_boto3_never_reuses_a_connection_after_break_at_the_last_event() -> None:
    with WireServer(whole(b"all")) as server:
        client = boto_client(server.url)
        for _ in range(3):
            stream = client.invoke_with_response_stream(FunctionName="fn")["EventStream"]
            for event in stream:
                if "InvokeComplete" in event:
                    break
            stream.close()
        client.close()
    assert server.connections == 3


def test_a_connection_is_reused_after_a_break_when_all_has_come(make_client: MakeClient) -> None:
    def all_at_once(peer: Peer) -> None:
        peer.head()
        peer.chunk(payload_frame(b"all") + complete_frame())
        peer.end()

    with WireServer(all_at_once) as server:
        client = make_client(server.url)
        for _ in range(3):
            for _ in client.stream("fn"):
                break
        assert (server.connections, len(server.requests)) == (1, 3)


def test_a_connection_is_reused_after_a_stream_that_was_read_to_its_end(make_client: MakeClient) -> None:
    with WireServer(whole(b"a", b"b")) as server:
        client = make_client(server.url)
        for _ in range(5):
            assert client.stream("fn").read() == b"ab"
        assert server.connections == 1


# closing and cancelling


def test_raw_boto3_raises_an_attribute_error_after_close() -> None:
    with WireServer(whole(b"a", b"b")) as server:
        client = boto_client(server.url)
        stream = client.invoke_with_response_stream(FunctionName="fn")["EventStream"]
        events = iter(stream)
        next(events)
        stream.close()
        with pytest.raises(AttributeError):
            next(events)
        client.close()


def test_iterating_after_close_says_that_the_stream_is_closed(make_client: MakeClient) -> None:
    with WireServer(whole(b"a", b"b")) as server:
        stream = make_client(server.url).stream("fn").open()
        chunks = stream.iter_bytes()
        assert next(chunks) == b"a"
        stream.close()
        with pytest.raises(StreamClosedError, match="closed"):
            next(chunks)
        with pytest.raises(StreamClosedError, match="closed"):
            stream.read()


def test_cancel_returns_at_once_and_wakes_the_reader(make_client: MakeClient) -> None:
    with WireServer(stops_after_a_chunk) as server:
        stream = make_client(server.url).stream("fn").open()
        chunks = stream.iter_bytes()
        assert next(chunks) == b"some"
        canceller = threading.Thread(target=stream.cancel)
        canceller.start()
        with pytest.raises(StreamClosedError, match="cancelled"):
            next(chunks)
        canceller.join()
        assert server.wait_closed()


def test_cancel_ends_an_opening_that_waits_for_headers(make_client: MakeClient) -> None:
    asked = threading.Event()

    def waits(peer: Peer) -> None:
        asked.set()
        peer.wait_gone()

    with WireServer(waits) as server:
        stream = make_client(server.url).stream("fn")

        def cancel() -> None:
            asked.wait(20)
            stream.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(StreamClosedError, match="cancelled"):
            stream.open()
        canceller.join()
        assert server.wait_closed()
        assert len(server.requests) == 1
