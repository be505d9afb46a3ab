"""Readers and sinks of the asynchronous client: the same results, with nothing left behind."""

import asyncio
import gc
import io
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from client.test_async_bar_to_clear import own_client
from client.test_readers import BODIES, CHUNKED, FRAME, WHOLE, between_rows, first_batch, pieces, same
from streamify_client import (
    AsyncStreamClient,
    ConfigurationError,
    DecodeError,
    StreamTimeoutError,
    TruncatedStreamError,
)
from streamify_client.dataframes.readers import Readers
from support.wire_server import Peer, WireServer, complete_frame, stalled, truncated, whole

BODY = "één\r\ntwee\0".encode()


class Spelled:
    """Takes a reader's call as the tests of the sync client spell it, and makes it of the async client."""

    def __init__(self, client: AsyncStreamClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        assert hasattr(Readers, name)
        call = getattr(self._client, name)
        return lambda *args, **options: Later(call(*args, **options))


class Later:
    """What an async reader returned; `to_pandas` is for Polars frames."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def to_pandas(self) -> "Later":
        async def convert() -> Any:
            return (await self.result).to_pandas()

        return Later(convert())


def whole_of(client: AsyncStreamClient, read: Callable[..., Any]) -> Any:
    return read(Spelled(client)).result


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Any:
    yield
    left = [thread for thread in threading.enumerate() if thread.name.startswith("streamify_")]
    for thread in left:  # one that has been let go may be on its last instructions
        thread.join(10)
    assert not any(thread.is_alive() for thread in left)


@pytest.mark.parametrize("reader", WHOLE)
async def test_a_whole_response_becomes_a_frame(reader: str) -> None:
    kind, read = WHOLE[reader]
    with WireServer(whole(*pieces(BODIES[kind], 50)), truncated(between_rows(kind))) as server:
        async with own_client(server.url) as client:
            assert same(await whole_of(client, read))
            with pytest.raises(TruncatedStreamError):
                await whole_of(client, read)
    assert len(server.requests) == 2


@pytest.mark.parametrize("reader", CHUNKED)
async def test_a_response_becomes_frames_of_so_many_rows(reader: str) -> None:
    kind, read = CHUNKED[reader]
    with WireServer(whole(*pieces(BODIES[kind], 50)), truncated(between_rows(kind))) as server:
        async with own_client(server.url) as client:
            frames = [frame async for frame in whole_of(client, read)]
            assert [len(frame) for frame in frames] == [10] * 10
            assert same(pandas.concat(frames))
            with pytest.raises(TruncatedStreamError):
                [frame async for frame in whole_of(client, read)]


@pytest.mark.parametrize("reader", ["csv", "csv, engine", "jsonl", "arrow"])
async def test_rows_come_before_the_next_are_sent_and_the_loop_goes_on(reader: str) -> None:
    kind, read = CHUNKED[reader]
    body, got_first = BODIES[kind], threading.Event()
    first = first_batch(body) if kind == "arrow" else body.index(b"\n", body.index("é10".encode())) + 1

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(body[:first])
        assert got_first.wait(20)
        peer.payload(body[first:])
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(behave) as server:
        async with own_client(server.url) as client:
            frames = whole_of(client, read)
            assert same(await anext(frames), FRAME[:10])
            second = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)  # the loop is free while the thread waits
            got_first.set()
            assert same(await second, FRAME[10:20])
            assert same(pandas.concat([frame async for frame in frames]), FRAME[20:])


@pytest.mark.parametrize("reader", ["csv", "jsonl", "arrow"])
async def test_break_frees_the_connection_at_once(reader: str) -> None:
    kind, read = CHUNKED[reader]
    gc.disable()
    try:
        with WireServer(stalled(BODIES[kind][:-20])) as server:
            async with own_client(server.url) as client:
                async for _ in whole_of(client, read):
                    break
                assert await asyncio.to_thread(server.wait_closed)
    finally:
        gc.enable()


@pytest.mark.parametrize("reader", ["csv", "jsonl", "arrow", "parquet", "polars", "polars, csv"])
async def test_a_cancelled_task_frees_the_connection_and_the_thread(reader: str) -> None:
    kind, read = WHOLE[reader]
    sent = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(BODIES[kind][:200])
        sent.set()
        assert peer.wait_gone()

    with WireServer(behave) as server:
        async with own_client(server.url) as client:
            task = asyncio.ensure_future(whole_of(client, read))
            waiting = asyncio.ensure_future(asyncio.to_thread(sent.wait, 60))
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            assert not task.done(), await task
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.wait_closed)


async def test_a_cancelled_step_frees_the_connection_and_the_thread() -> None:
    with WireServer(stalled(BODIES["csv"][:300])) as server:
        async with own_client(server.url) as client:
            frames = client.read_csv("fn", chunksize=10)
            assert len(await anext(frames)) == 10
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(read_on(frames), 0.2)
            assert await asyncio.to_thread(server.wait_closed)
            with pytest.raises(StopAsyncIteration):
                await anext(frames)


async def read_on(frames: AsyncIterator[Any]) -> None:
    async for _ in frames:
        pass


async def test_a_stalled_response_is_a_timeout_of_ours() -> None:
    with WireServer(stalled(BODIES["csv"][:300])) as server:
        async with own_client(server.url) as client:
            with pytest.raises(StreamTimeoutError):
                await client.read_csv("fn", idle_timeout=0.2)


async def test_wrong_arguments_are_refused_at_once() -> None:
    with WireServer(whole(b"")) as server:
        async with own_client(server.url) as client:
            with pytest.raises(ConfigurationError, match="chunksize"):
                client.read_csv("fn", chunksize=0)
            with pytest.raises(ConfigurationError, match="did you mean 'idle_timeout'"):
                client.read_csv("fn", idle_timout=5)
            with pytest.raises(ConfigurationError, match="formats"):
                client.read_polars("fn", format="xml")  # type: ignore[arg-type]
    assert server.requests == []


async def test_an_error_says_which_function_it_was() -> None:
    with WireServer(whole(b"{nope}\n"), whole(b"no Arrow at all")) as server:
        async with own_client(server.url) as client:
            for read in (client.read_json_lines, client.read_arrow):
                with pytest.raises(DecodeError) as caught:
                    await read("fn")
                assert (caught.value.function, caught.value.request_id) == ("fn", "req-1")


async def test_a_file_gets_the_bytes(tmp_path: Path) -> None:
    text, seen = io.StringIO(newline=""), []
    with WireServer(whole(BODY[:2], BODY[2:])) as server:
        async with own_client(server.url) as client:
            target = tmp_path / "file"
            result = await client.stream_to_file("fn", None, target, progress=lambda *at: seen.append(at))
            await client.stream_to_file("fn", None, text)
            with pytest.raises(FileExistsError):
                await client.stream_to_file("fn", None, target, overwrite=False)
    assert (target.read_bytes(), text.getvalue(), result.bytes_received) == (BODY, BODY.decode(), len(BODY))
    assert seen[-1] == (len(BODY), None)
    assert os.listdir(tmp_path) == ["file"]
    assert len(server.requests) == 2


async def test_on_any_error_a_file_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"as it was")
    with WireServer(truncated(BODY)) as server:
        async with own_client(server.url) as client:
            with pytest.raises(TruncatedStreamError):
                await client.stream_to_file("fn", None, target)
    assert (os.listdir(tmp_path), target.read_bytes()) == (["file"], b"as it was")


async def test_a_cancelled_transfer_leaves_no_file_and_no_connection(tmp_path: Path) -> None:
    written = asyncio.Event()
    with WireServer(stalled(BODY)) as server:
        async with own_client(server.url) as client:
            transfer = client.stream_to_file("fn", None, tmp_path / "x", progress=lambda *_: written.set())
            task = asyncio.ensure_future(transfer)
            await written.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert os.listdir(tmp_path) == []
            assert await asyncio.to_thread(server.wait_closed)


async def test_closing_frames_ends_them() -> None:
    with WireServer(stalled(BODIES["csv"][:300])) as server:
        async with own_client(server.url) as client:
            frames = client.read_csv("fn", chunksize=10)
            await anext(frames)
            await frames.aclose()  # type: ignore[attr-defined]
            assert [frame async for frame in frames] == []
            assert await asyncio.to_thread(server.wait_closed)
