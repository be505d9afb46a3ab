"""AsyncStreamClient: the same surface as StreamClient, and what is its own."""

import asyncio
import gc
import inspect
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.config import AioConfig

from client.test_async_bar_to_clear import closed, own_client
from client.test_bar_to_clear import says_nothing, stops_after_a_chunk
from client.test_response import HTTP, VERIFIED, prelude, verified
from streamify_client import (
    AsyncResponseStream,
    AsyncStreamClient,
    ConfigurationError,
    ConnectError,
    DecodeError,
    FunctionNotFoundError,
    HttpStatusError,
    ResponseStream,
    StreamClient,
    StreamClosedError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from support.clients import CREDENTIALS, aiobotocore_client, boto_client
from support.tls import make_authority
from support.wire_server import HALF_A_HEAD, Peer, WireServer, dripping, free_port, full_backlog, whole

# the surface

SYNC_ONLY = {"as_file", "to_arrow"}
ASYNC_ONLY = {"aclose"}


def surface(kind: type[Any]) -> dict[str, list[tuple[str, Any, Any]]]:
    """The public methods of a class, with their parameters."""
    found = {}
    for name, member in inspect.getmembers(kind):
        if name.startswith("_"):
            continue
        if callable(member):
            parameters = inspect.signature(member).parameters.values()
            found[name] = [(p.name, p.kind, p.default) for p in parameters]
        else:
            found[name] = []
    return found


@pytest.mark.parametrize(
    ("sync", "other"), [(StreamClient, AsyncStreamClient), (ResponseStream, AsyncResponseStream)]
)
def test_both_kinds_have_the_same_names_and_parameters(sync: type[Any], other: type[Any]) -> None:
    ours, theirs = surface(sync), surface(other)
    assert set(ours) - SYNC_ONLY == set(theirs) - ASYNC_ONLY
    for name in set(ours) & set(theirs):
        assert ours[name] == theirs[name], name
    assert inspect.signature(sync).parameters.keys() == inspect.signature(other).parameters.keys()


# opening


@pytest.mark.parametrize("how", ["await", "async with", "async for", "open", "view"])
async def test_a_stream_opens_on_first_use(how: str) -> None:
    with WireServer(whole(b"a")) as server:
        async with own_client(server.url) as client:
            stream = client.stream("fn")
            assert not server.requests
            if how == "await":
                assert await (await stream).text() == "a"
            elif how == "async with":
                async with stream as opened:
                    assert await opened.text() == "a"
            elif how == "async for":
                assert [text async for text in stream] == ["a"]
            elif how == "open":
                assert await (await stream.open()).text() == "a"
            else:
                assert await stream.text() == "a"
        assert len(server.requests) == 1


async def test_a_stream_that_was_never_opened_warns() -> None:
    with WireServer(whole()) as server:
        async with own_client(server.url) as client:
            with pytest.warns(RuntimeWarning, match="never opened"):
                client.stream("fn")


async def test_attributes_and_views() -> None:
    text = prelude(statusCode=201, headers={"Content-Type": "application/json", "X-A": "b"}, cookies=["c=1"])
    with WireServer(whole(text[:4], text[4:] + b"[1,", b"2]", headers=HTTP)) as server:
        async with own_client(server.url) as client, client.stream("fn") as stream:
            assert (stream.status_code, stream.content_type) == (201, "application/json")
            assert (stream.headers["x-a"], stream.cookies) == ("b", ("c=1",))
            assert await stream.json() == [1, 2]
        assert stream.result.bytes_received == 5


async def test_a_view_goes_on_where_another_stopped() -> None:
    with WireServer(whole(b"one\ntwo\nthr", b"ee\n")) as server:
        async with own_client(server.url) as client, client.stream("fn") as stream:
            async for line in stream.iter_lines():
                assert line == "one"
                break
            assert await stream.read() == b"two\nthree\n"
            with pytest.raises(StreamClosedError, match="read to its end"):
                await stream.read()


async def test_items_of_every_kind() -> None:
    bodies = [b'{"a": 1}\n{"a": 2}\n', b"data: x\n\n", b'[{"a": 1}, {"a": 2}]', b"1\n2"]
    with WireServer(*(whole(body[:7], body[7:]) for body in bodies)) as server:
        async with own_client(server.url) as client:
            assert [item async for item in client.stream("fn").iter_json()] == [{"a": 1}, {"a": 2}]
            assert [event.data async for event in client.stream("fn").iter_sse()] == ["x"]
            assert [item async for item in client.stream("fn").iter_json_items()] == [{"a": 1}, {"a": 2}]
            assert [line async for line in client.stream("fn").iter_lines()] == ["1", "2"]


async def test_text_that_is_no_text_is_a_decode_error_at_its_byte() -> None:
    with WireServer(whole(b"good ", b"\xff")) as server:
        async with own_client(server.url) as client:
            with pytest.raises(DecodeError) as caught:
                await client.stream("fn").text()
    assert caught.value.offset == 5


async def test_an_http_error_is_raised_with_the_beginning_of_its_body() -> None:
    with WireServer(whole(prelude(statusCode=404), b"no such report", headers=HTTP)) as server:
        async with own_client(server.url) as client:
            with pytest.raises(HttpStatusError) as caught:
                await client.stream("fn")
            assert (caught.value.status_code, caught.value.body) == (404, b"no such report")
            assert await client.stream("fn", raise_for_status=False).read() == b"no such report"
            assert server.connections == 1


async def test_a_verified_stream_is_read_as_its_original() -> None:
    with WireServer(whole(verified(b"a", b"b"), headers=VERIFIED), whole(b"bare")) as server:
        async with own_client(server.url, verified="require") as client:
            stream = client.stream("fn")
            assert await stream.text() == "ab"
            assert stream.result.verified
            with pytest.raises(ConfigurationError, match="verified='require'"):
                await client.stream("fn")


# errors


async def test_an_unknown_function_is_named() -> None:
    def unknown(peer: Peer) -> None:
        peer.refuse("404 Not Found", "ResourceNotFoundException", "Function not found: nope")

    with WireServer(unknown) as server:
        async with own_client(server.url) as client:
            with pytest.raises(FunctionNotFoundError, match="'nope' in region us-east-1"):
                await client.stream("nope")


async def test_a_throttle_is_waited_out_and_one_that_lasts_is_an_error() -> None:
    def throttle(peer: Peer) -> None:
        peer.refuse("429 Too Many Requests", "TooManyRequestsException", "later", {"retry-after": "0"})

    with WireServer(throttle, whole(b"a"), throttle) as server:
        async with own_client(server.url) as client:
            stream = client.stream("fn")
            assert await stream.read() == b"a"
            assert stream.result.attempts.count == 2
            with pytest.raises(ThrottledError):
                await client.stream("fn")
        assert len(server.requests) == 5


async def test_a_refused_connection_is_one_sentence() -> None:
    async with own_client(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(ConnectError, match="the connection was refused") as caught:
            await client.stream("fn")
    assert (caught.value.may_have_run, caught.value.attempts) == (False, 3)


async def test_a_name_that_cannot_be_resolved_is_one_sentence() -> None:
    async with own_client("http://lambda.nowhere.invalid") as client:
        with pytest.raises(ConnectError, match="cannot be resolved: check the region") as caught:
            await client.stream("fn")
    assert caught.value.attempts == 1


@pytest.mark.parametrize("kind", ["own", "legacy"])
async def test_a_connection_that_does_not_come_about_is_a_connect_timeout(kind: str) -> None:
    with full_backlog() as url:
        async with own_client(url, kind) as client:
            with pytest.raises(StreamTimeoutError) as caught:
                await client.stream("fn", connect_timeout=0.2)
    assert (caught.value.phase, caught.value.may_have_run) == ("connect", False)


async def test_retries_invoke_again_while_nothing_was_yielded() -> None:
    def lost(peer: Peer) -> None:
        peer.head()
        peer.fin()

    with WireServer(lost, whole(b"a")) as server:
        async with own_client(server.url) as client:
            assert await client.stream("fn", retries=1).read() == b"a"
        assert len(server.requests) == 2


@pytest.mark.parametrize("leave", ["close", "aclose"])
@pytest.mark.parametrize("opened", [False, True], ids=["opening", "reading"])
async def test_closing_frees_the_connection_of_a_task_that_waits(leave: str, opened: bool) -> None:
    asked, loop = asyncio.Event(), asyncio.get_running_loop()

    def behave(peer: Peer) -> None:
        if opened:
            peer.head()
        loop.call_soon_threadsafe(asked.set)
        peer.wait_gone()

    with WireServer(behave) as server:
        async with own_client(server.url) as client:
            stream = client.stream("fn")
            if opened:
                await stream.open()
            task = asyncio.create_task(stream.read())
            await asked.wait()
            await asyncio.sleep(0)
            if (closing := getattr(stream, leave)()) is not None:
                await closing
            with pytest.raises(StreamClosedError):
                await task
            assert await closed(server)
        assert len(server.requests) == 1


@pytest.mark.parametrize("also_the_task", [False, True])
async def test_cancelling_an_opening_leaves_no_trace_on_the_task_that_opens(
    also_the_task: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)  # whose context takes a task more
    asked, loop, cancelling = asyncio.Event(), asyncio.get_running_loop(), []

    def behave(peer: Peer) -> None:
        loop.call_soon_threadsafe(asked.set)
        peer.wait_gone()

    async def open_stream(stream: AsyncResponseStream) -> None:
        try:
            async with asyncio.timeout(20):
                await stream.open()
        finally:
            cancelling.append(task.cancelling())

    with WireServer(behave) as server:
        async with own_client(server.url) as client:
            stream = client.stream("fn")
            task = asyncio.create_task(open_stream(stream))
            await asked.wait()
            assert asyncio.all_tasks() == {asyncio.current_task(), task}
            stream.cancel()
            if also_the_task:
                task.cancel()
            with pytest.raises(asyncio.CancelledError if also_the_task else StreamClosedError):
                await task
            assert cancelling == [int(also_the_task)]
            assert await closed(server)


async def test_cancel_ends_a_pause_between_attempts() -> None:
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def throttle(peer: Peer) -> None:
        peer.refuse("429 Too Many Requests", "TooManyRequestsException", "later", {"retry-after": "19"})
        loop.call_soon_threadsafe(answered.set)

    with WireServer(throttle) as server:
        async with own_client(server.url) as client:
            stream = client.stream("fn")
            task = asyncio.create_task(stream.read())
            await answered.wait()
            await asyncio.sleep(0.05)
            stream.cancel()
            with pytest.raises(StreamClosedError, match="cancelled"):
                await task
        assert len(server.requests) == 1


async def test_missing_credentials_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with AsyncStreamClient(region_name="eu-west-1", endpoint_url="http://127.0.0.1:9") as client:
        with pytest.raises(ConfigurationError, match="credentials are missing"):
            await client.stream("fn")


async def test_bad_arguments_are_refused_before_anything_is_sent() -> None:
    async with own_client("http://127.0.0.1:9") as client:
        with pytest.raises(ConfigurationError, match="no option 'time_out'"):
            client.stream("fn", time_out=1)  # type: ignore[call-arg]
        with pytest.raises(ConfigurationError, match="not JSON"):
            client.stream("fn", "{")
    with pytest.raises(ConfigurationError, match="no option 'read_timeout'"):
        AsyncStreamClient(read_timeout=1)  # type: ignore[call-arg]


async def test_the_httpx_backend_is_refused_before_anything_is_sent() -> None:
    backend = pytest.importorskip(
        "aiobotocore.httpxsession", reason="an older aiobotocore has no other backend"
    )
    config = AioConfig(http_session_cls=backend.HttpxSession)
    async with aiobotocore_client("http://127.0.0.1:9", http_session_cls=backend.HttpxSession) as raw:
        with pytest.raises(ConfigurationError, match="aiohttp backend"):
            AsyncStreamClient(raw)
    async with own_client("http://127.0.0.1:9", config=config) as client:
        with pytest.raises(ConfigurationError, match="aiohttp backend"):
            await client.stream("fn")


# clients


async def test_a_client_that_was_passed_in_stays_open_and_keeps_its_own_ways() -> None:
    def broken(peer: Peer) -> None:
        peer.refuse("500 Internal Server Error", "ServiceException", "broken")

    with WireServer(broken) as server:
        async with aiobotocore_client(server.url, "standard") as raw:
            async with AsyncStreamClient(raw) as client:
                with pytest.raises(Exception, match="broken"):
                    await client.stream("fn")
                assert len(server.requests) == 1
            with pytest.raises(raw.exceptions.ServiceException):
                await raw.invoke_with_response_stream(FunctionName="fn")
            assert len(server.requests) == 4


@pytest.mark.parametrize("kind", ["own", "legacy"])
async def test_a_closed_client_says_so(kind: str) -> None:
    async with own_client("http://127.0.0.1:9", kind) as client:
        await client.close()
        with pytest.raises(StreamClosedError, match="client is closed"):
            await client.stream("fn")


async def test_a_client_of_the_other_library_is_refused() -> None:
    boto = boto_client("http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="boto3, not of aiobotocore: pass it to StreamClient"):
        AsyncStreamClient(boto)
    boto.close()
    async with aiobotocore_client("http://127.0.0.1:9") as raw:
        with pytest.raises(
            ConfigurationError, match="aiobotocore, not of boto3: pass it to AsyncStreamClient"
        ):
            StreamClient(raw)


async def test_the_users_config_goes_first() -> None:
    with WireServer(whole()) as server:
        async with own_client(server.url, config=AioConfig(user_agent_extra="mine/1.0")) as client:
            await client.stream("fn").read()
    assert "mine/1.0" in server.requests[0].headers["user-agent"]


async def test_many_tasks_share_a_client() -> None:
    def echo(peer: Peer) -> None:
        whole(peer.request.body)(peer)

    with WireServer(echo) as server:
        async with own_client(server.url) as client:
            texts = await asyncio.gather(*(client.stream("fn", [n]).text() for n in range(8)))
    assert texts == [f"[{n}]" for n in range(8)]


async def test_a_double_that_is_no_client_of_aiobotocore_works_too() -> None:
    class Double:
        async def invoke_with_response_stream(self, **_: Any) -> dict[str, Any]:
            async def events() -> Any:
                yield {"PayloadChunk": {"Payload": b"a"}}
                yield {"InvokeComplete": {}}

            return {"EventStream": events(), "StatusCode": 200}

    assert await AsyncStreamClient(Double()).stream("fn").text() == "a"


# files


async def test_a_stream_goes_to_a_file_that_is_whole_or_not_there(tmp_path: Path) -> None:
    def cut(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        peer.fin()

    seen: list[int] = []
    target = tmp_path / "out.csv"
    with WireServer(whole(b"a,b\n", b"1,2\n"), cut) as server:
        async with own_client(server.url) as client:
            result = await client.stream_to_file(
                "fn", None, target, progress=lambda done, total: seen.append(done)
            )
            assert (target.read_bytes(), result.bytes_received, seen[-1]) == (b"a,b\n1,2\n", 8, 8)
            with pytest.raises(TruncatedStreamError):
                await client.stream_to_file("fn", None, target)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]  # noqa: ASYNC240
    assert target.read_bytes() == b"a,b\n1,2\n"


async def test_a_cancelled_transfer_leaves_no_file(tmp_path: Path) -> None:
    with WireServer(stops_after_a_chunk) as server:
        async with own_client(server.url) as client:
            begun = asyncio.Event()
            task = asyncio.create_task(
                client.stream_to_file("fn", None, tmp_path / "out", progress=lambda *_: begun.set())
            )
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await closed(server)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_a_target_that_exists_costs_no_invocation(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.touch()
    with WireServer(whole()) as server:
        async with own_client(server.url) as client:
            with pytest.raises(FileExistsError):
                await client.stream_to_file("fn", None, target, overwrite=False)
        assert not server.requests


# what is left behind


async def leave_by_break(client: AsyncStreamClient) -> None:
    async for _ in client.stream("fn"):
        break


async def leave_by_exception(client: AsyncStreamClient) -> None:
    async def consume() -> None:
        async for _ in client.stream("fn"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await consume()


async def leave_by_with(client: AsyncStreamClient) -> None:
    async with client.stream("fn") as stream:
        async for _ in stream:
            break


async def leave_by_dropping(client: AsyncStreamClient) -> None:
    stream = await client.stream("fn")
    await anext(stream.iter_bytes())


async def leave_by_task_cancel(client: AsyncStreamClient) -> None:
    stream = await client.stream("fn")
    await anext(stream.iter_bytes())
    task = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def leave_by_timeout(client: AsyncStreamClient) -> None:
    with pytest.raises(StreamTimeoutError):
        await client.stream("fn", idle_timeout=0.01).read()


LEAVES: list[Callable[[AsyncStreamClient], Awaitable[None]]] = [
    leave_by_break,
    leave_by_exception,
    leave_by_with,
    leave_by_dropping,
    leave_by_task_cancel,
    leave_by_timeout,
]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("leave", LEAVES, ids=lambda leave: leave.__name__)
async def test_no_way_of_leaving_leaves_a_connection_behind(
    leave: Callable[[AsyncStreamClient], Awaitable[None]], tls: bool, tmp_path: Path
) -> None:
    context, bundle = make_authority(tmp_path) if tls else (None, None)
    options: dict[str, Any] = {"verify": bundle} if tls else {}
    with WireServer(stops_after_a_chunk, context=context) as server:
        async with own_client(server.url, **options) as client:
            await leave(client)
            assert await closed(server)
            gc.collect()
            gc.disable()
            try:
                before = len(os.listdir("/proc/self/fd"))
                for _ in range(20):
                    await leave(client)
                assert await closed(server, 20)
                await asyncio.sleep(0)
                assert len(os.listdir("/proc/self/fd")) <= before
            finally:
                gc.enable()
            assert len(asyncio.all_tasks()) == 1


async def test_over_tls_finished_connections_are_reused_and_lost_ones_are_errors(tmp_path: Path) -> None:
    context, bundle = make_authority(tmp_path)

    def cut(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        peer.fin()

    with WireServer(whole(b"a"), whole(b"b"), cut, context=context) as server:
        async with own_client(server.url, verify=bundle) as client:
            assert [await client.stream("fn").text() for _ in range(2)] == ["a", "b"]
            assert server.connections == 1
            with pytest.raises(TruncatedStreamError):
                await client.stream("fn").read()


async def test_a_certificate_that_is_not_trusted_is_a_connect_error(tmp_path: Path) -> None:
    context, _ = make_authority(tmp_path)
    with WireServer(whole(), context=context) as server:
        async with own_client(server.url) as client:
            with pytest.raises(ConnectError, match="verify= takes a CA bundle") as caught:
                await client.stream("fn")
    assert not caught.value.may_have_run


def test_a_stream_that_outlives_its_event_loop_is_freed_quietly() -> None:
    async def leave_open(url: str) -> Any:
        client = AsyncStreamClient(endpoint_url=url, **CREDENTIALS)
        stream = await client.stream("fn")
        await client.close()
        return stream

    with WireServer(stops_after_a_chunk) as server:
        stream = asyncio.run(leave_open(server.url))
        stream.cancel()
        stream.close()
        del stream
        gc.collect()


def test_a_generator_that_holds_a_client_is_closed_with_its_loop(caplog: pytest.LogCaptureFixture) -> None:
    """Both it and the client are closed then, at the same time and in any order."""
    held = []

    async def holding(url: str) -> AsyncIterator[bytes]:
        async with AsyncStreamClient(endpoint_url=url, **CREDENTIALS) as client:
            yield await client.stream("fn").read()

    async def main(url: str) -> None:
        generators = [holding(url) for _ in range(8)]
        held.extend(generators)
        assert [await anext(generator) for generator in generators] == [b"a"] * 8

    with WireServer(*[whole(b"a")] * 8) as server:
        asyncio.run(main(server.url))
        assert server.wait_closed()
    assert not caplog.records


@pytest.mark.parametrize("behaviour", [says_nothing, dripping(HALF_A_HEAD)], ids=["silence", "drops"])
async def test_the_total_timeout_ends_an_opening(behaviour: Any) -> None:
    with WireServer(whole(), behaviour) as server:
        async with own_client(server.url) as client:
            await client.stream("fn").read()  # making the client would count
            with pytest.raises(StreamTimeoutError) as caught:
                await client.stream("fn", total_timeout=0.5)
            assert await closed(server)
    assert (caught.value.phase, caught.value.limit) == ("total", 0.5)
