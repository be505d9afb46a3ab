"""The rows of test_bar_to_clear for asyncio: what raw aiobotocore makes of them, what is raised here."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from client.test_bar_to_clear import (
    ERROR,
    corrupts_a_frame,
    cut,
    drops_the_request,
    ends_inside_a_frame,
    ends_without_complete,
    says_nothing,
    stops_after_a_chunk,
    throws_an_exception_frame,
)
from streamify_client import (
    AsyncStreamClient,
    CorruptStreamError,
    FunctionError,
    StreamClosedError,
    StreamifyError,
    StreamTimeoutError,
    TruncatedStreamError,
)
from support.clients import CREDENTIALS, aiobotocore_client
from support.wire_server import Peer, WireServer, complete_frame, payload_frame, whole


@asynccontextmanager
async def own_client(url: str, kind: str = "own", **options: Any) -> AsyncIterator[AsyncStreamClient]:
    """Make a client of ours, or wrap a plain one of aiobotocore in a retry mode."""
    if kind == "own":
        async with AsyncStreamClient(endpoint_url=url, **CREDENTIALS, **options) as client:
            yield client
    else:
        async with aiobotocore_client(url, kind) as raw, AsyncStreamClient(raw, **options) as client:
            yield client


@pytest.fixture(params=["own", "legacy", "standard", "adaptive"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def read_all(client: Any) -> bytes:
    """Read a response with raw aiobotocore."""
    response = await client.invoke_with_response_stream(FunctionName="fn")
    body = b""
    try:
        async for event in response["EventStream"]:
            body += event.get("PayloadChunk", {}).get("Payload", b"")
    finally:
        response["EventStream"].close()
    return body


async def received_before(
    error: type[StreamifyError], server: WireServer, kind: str, **options: Any
) -> tuple[list[bytes], Any]:
    """Read until the error, and return what was yielded before it, and the error."""
    chunks: list[bytes] = []

    async def consume(client: AsyncStreamClient) -> None:
        async for chunk in client.stream("fn", **options).iter_bytes():
            chunks.append(chunk)  # noqa: PERF401  a comprehension would lose them with the error

    async with own_client(server.url, kind) as client:
        with pytest.raises(error) as caught:
            await consume(client)
    assert caught.value.function == "fn"
    return chunks, caught.value


async def closed(server: WireServer, count: int = 1) -> bool:
    return await asyncio.to_thread(server.wait_closed, count)


async def test_raw_aiobotocore_invokes_again_when_the_headers_are_late() -> None:
    with WireServer(says_nothing) as server:
        async with aiobotocore_client(server.url, "standard", read_timeout=0.2) as client:
            with pytest.raises(Exception, match="Read timeout"):
                await read_all(client)
    assert len(server.requests) == 3


async def test_late_headers_are_a_timeout_after_one_invocation(kind: str) -> None:
    with WireServer(says_nothing) as server:
        _, error = await received_before(StreamTimeoutError, server, kind, first_byte_timeout=0.2)
        assert await closed(server)
    assert len(server.requests) == 1
    assert (error.phase, error.may_have_run, error.limit) == ("first_byte", True, 0.2)


async def test_raw_aiobotocore_leaks_the_exception_of_aiohttp_at_a_gap() -> None:
    with WireServer(stops_after_a_chunk) as server:
        async with aiobotocore_client(server.url, read_timeout=0.2) as client:
            with pytest.raises(Exception, match="Timeout on reading") as caught:
                await read_all(client)
    assert type(caught.value).__module__.startswith("aiohttp")


async def test_a_gap_longer_than_the_idle_timeout_is_a_timeout(kind: str) -> None:
    with WireServer(stops_after_a_chunk) as server:
        chunks, error = await received_before(StreamTimeoutError, server, kind, idle_timeout=0.2)
        assert await closed(server)
    assert (chunks, error.phase, error.bytes_received) == ([b"some"], "idle", 4)


async def test_a_gap_is_no_error_where_no_idle_timeout_is_set() -> None:
    """The first byte's limit ends with the first byte, though aiohttp has one limit for both."""
    go_on = threading.Event()

    def pauses(peer: Peer) -> None:
        peer.head()
        peer.payload(b"one")
        assert go_on.wait(20)
        peer.payload(b"two")
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(pauses) as server:
        async with own_client(server.url) as client:
            chunks = client.stream("fn", first_byte_timeout=0.3).iter_bytes()
            assert await anext(chunks) == b"one"
            asyncio.get_running_loop().call_later(0.6, go_on.set)
            assert [chunk async for chunk in chunks] == [b"two"]


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_raw_aiobotocore_leaks_the_exception_of_aiohttp_when_cut(how: str) -> None:
    with WireServer(cut(how)) as server:
        async with aiobotocore_client(server.url) as client:
            with pytest.raises(Exception, match=r".") as caught:
                await read_all(client)
    assert type(caught.value).__module__.startswith("aiohttp")


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_lost_connection_is_a_truncated_stream(kind: str, how: str) -> None:
    with WireServer(cut(how)) as server:
        chunks, error = await received_before(TruncatedStreamError, server, kind)
    assert chunks == [b"some"] or how == "rst"
    assert error.__cause__ is not None


async def test_a_connection_lost_before_the_headers_is_a_truncated_stream_after_one_invocation(
    kind: str,
) -> None:
    with WireServer(drops_the_request) as server:
        _, error = await received_before(TruncatedStreamError, server, kind)
    assert (len(server.requests), error.may_have_run) == (1, True)


async def test_a_connection_reset_before_the_headers_may_have_run(kind: str) -> None:
    with WireServer(lambda peer: peer.rst()) as server:
        _, error = await received_before(TruncatedStreamError, server, kind)
    assert (len(server.requests), error.may_have_run) == (1, True)


@pytest.mark.parametrize("behaviour", [ends_without_complete, ends_inside_a_frame])
async def test_raw_aiobotocore_takes_a_truncated_stream_for_a_whole_one(behaviour: Any) -> None:
    with WireServer(behaviour) as server:
        async with aiobotocore_client(server.url) as client:
            assert await read_all(client) == b"some"


@pytest.mark.parametrize("behaviour", [ends_without_complete, ends_inside_a_frame])
async def test_a_stream_without_its_final_event_is_truncated(kind: str, behaviour: Any) -> None:
    with WireServer(behaviour) as server:
        chunks, error = await received_before(TruncatedStreamError, server, kind)
    assert (chunks, error.bytes_received) == ([b"some"], 4)


async def test_raw_aiobotocore_takes_a_failed_function_for_a_whole_stream() -> None:
    with WireServer(whole(b"some", complete=ERROR)) as server:
        async with aiobotocore_client(server.url) as client:
            assert await read_all(client) == b"some"


async def test_a_function_that_fails_in_mid_stream_is_a_function_error(kind: str) -> None:
    with WireServer(whole(b"some", complete=ERROR)) as server:
        chunks, error = await received_before(FunctionError, server, kind)
    assert (chunks, error.error_type, error.error_message) == ([b"some"], "ValueError", "no rows")


async def test_an_exception_frame_is_a_function_error_with_its_code_and_message(kind: str) -> None:
    with WireServer(throws_an_exception_frame) as server:
        chunks, error = await received_before(FunctionError, server, kind)
    assert (chunks, error.code, error.error_message) == ([b"some"], "ServiceException", "it broke")


async def test_a_bad_checksum_is_a_corrupt_stream(kind: str) -> None:
    with WireServer(corrupts_a_frame) as server:
        chunks, _ = await received_before(CorruptStreamError, server, kind)
    assert chunks == [b"some"]


async def test_a_character_split_over_chunks_stays_whole(kind: str) -> None:
    snow = "☃".encode()
    with WireServer(whole(b"a" + snow[:1], snow[1:])) as server:
        async with own_client(server.url, kind) as client:
            assert [text async for text in client.stream("fn")] == ["a", "☃"]


async def test_break_frees_the_connection_at_once(kind: str) -> None:
    with WireServer(stops_after_a_chunk) as server:
        async with own_client(server.url, kind) as client:
            async for _ in client.stream("fn"):
                break
            assert await closed(server)


async def test_a_connection_is_reused_after_a_break_when_all_has_come(kind: str) -> None:
    def all_at_once(peer: Peer) -> None:
        peer.head()
        body = payload_frame(b"all") + complete_frame()
        peer.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    with WireServer(all_at_once) as server:
        async with own_client(server.url, kind) as client:
            for _ in range(3):
                async for _ in client.stream("fn"):
                    break
            assert (server.connections, len(server.requests)) == (1, 3)


async def test_a_connection_is_reused_after_a_stream_that_was_read_to_its_end(kind: str) -> None:
    with WireServer(whole(b"a", b"b")) as server:
        async with own_client(server.url, kind) as client:
            for _ in range(5):
                assert await client.stream("fn").read() == b"ab"
            assert server.connections == 1


async def test_iterating_after_close_says_that_the_stream_is_closed(kind: str) -> None:
    with WireServer(whole(b"a", b"b")) as server:
        async with own_client(server.url, kind) as client:
            stream = await client.stream("fn")
            chunks = stream.iter_bytes()
            assert await anext(chunks) == b"a"
            stream.close()
            with pytest.raises(StreamClosedError, match="closed"):
                await anext(chunks)


async def test_cancel_from_another_thread_wakes_the_reader(kind: str) -> None:
    with WireServer(stops_after_a_chunk) as server:
        async with own_client(server.url, kind) as client:
            stream = await client.stream("fn")
            chunks = stream.iter_bytes()
            assert await anext(chunks) == b"some"
            canceller = threading.Thread(target=stream.cancel)
            canceller.start()
            with pytest.raises(StreamClosedError, match="cancelled"):
                await anext(chunks)
            canceller.join()
            assert await closed(server)


async def test_cancel_from_another_thread_ends_an_opening_that_waits_for_headers(kind: str) -> None:
    asked = threading.Event()

    def waits(peer: Peer) -> None:
        asked.set()
        peer.wait_gone()

    with WireServer(waits) as server:
        async with own_client(server.url, kind) as client:
            stream = client.stream("fn")

            def cancel() -> None:
                asked.wait(20)
                stream.cancel()

            canceller = threading.Thread(target=cancel)
            canceller.start()
            with pytest.raises(StreamClosedError, match="cancelled"):
                await stream.open()
            canceller.join()
            assert await closed(server)


@pytest.mark.parametrize("behaviour", [says_nothing, stops_after_a_chunk])
async def test_cancelling_the_task_frees_the_connection_and_raises_nothing_else(
    kind: str, behaviour: Any
) -> None:
    reached = threading.Event()

    def signalling(peer: Peer) -> None:
        reached.set()
        behaviour(peer)

    with WireServer(signalling) as server:
        async with own_client(server.url, kind) as client:
            task = asyncio.create_task(client.stream("fn").read())
            assert await asyncio.to_thread(reached.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await closed(server)
            assert len(asyncio.all_tasks()) == 1
