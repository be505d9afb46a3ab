"""Function URLs by asyncio, over real sockets: the rows of the bar, and what is asyncio's own."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from streamify_client import (
    AsyncStreamClient,
    ConfigurationError,
    ConnectError,
    CorruptStreamError,
    FunctionError,
    HttpStatusError,
    StreamClosedError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from support.clients import CREDENTIALS
from support.http_peers import (
    NULS,
    PLAIN,
    cut,
    in_one_piece,
    plain,
    refuses,
    says_nothing,
    signature_of,
    stalls,
)
from support.tls import make_authority
from support.wire_server import Behaviour, Peer, WireServer

from .test_http import THROTTLE, VERIFIED, verified


@pytest.fixture
async def client() -> AsyncIterator[AsyncStreamClient]:
    """A client that leaves no descriptor and no task behind."""
    before = psutil.Process().num_fds()
    async with AsyncStreamClient() as client:
        yield client
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert psutil.Process().num_fds() <= before


async def failing(
    error: type[StreamifyError], client: AsyncStreamClient, url: str, **options: Any
) -> tuple[bytes, Any]:
    """Read until the error; return what was yielded before it, and the error."""
    chunks: list[bytes] = []
    with pytest.raises(error) as caught:  # noqa: PT012
        async for chunk in client.stream(url, **options).iter_bytes():
            chunks.append(chunk)  # noqa: PERF401
    assert caught.value.function == url
    return b"".join(chunks), caught.value


async def closed(server: WireServer, count: int = 1) -> bool:
    return await asyncio.to_thread(server.wait_closed, count)


async def test_a_url_is_a_stream_like_every_other(client: AsyncStreamClient) -> None:
    with WireServer(plain("grü".encode()[:3], "grü".encode()[3:], headers={"set-cookie": "a=1"})) as server:
        async with client.stream(server.url + "/x?a=1", {"rows": 3}, query={"b": 2}) as stream:
            assert (stream.status_code, stream.cookies, stream.request_id) == (200, ("a=1",), "req-1")
            assert [text async for text in stream] == ["gr", "ü"]
        assert await client.stream(server.url).text() == "grü"
    assert [request.connection for request in server.requests] == [1, 1]
    request = server.requests[0]
    assert (request.method, request.target, request.body) == ("POST", "/x?a=1&b=2", b'{"rows":3}')


@pytest.mark.parametrize(
    ("behaviour", "options", "phase", "came"),
    [
        (says_nothing, {"first_byte_timeout": 0.2}, "first_byte", b""),
        (says_nothing, {"total_timeout": 0.2}, "total", b""),
        (stalls, {"idle_timeout": 0.2}, "idle", b"some"),
        (stalls, {"total_timeout": 1}, "total", b"some"),
    ],
)
async def test_a_limit_that_passes_is_a_timeout_after_one_invocation(
    client: AsyncStreamClient, behaviour: Behaviour, options: Any, phase: str, came: bytes
) -> None:
    with WireServer(behaviour) as server:
        got, error = await failing(StreamTimeoutError, client, server.url, **options)
        assert await closed(server)
    assert (got, error.phase, error.may_have_run, len(server.requests)) == (came, phase, True, 1)


async def test_a_connection_that_does_not_come_about_is_a_timeout_of_that_phase(
    client: AsyncStreamClient,
) -> None:
    with WireServer(says_nothing) as server:  # accepts, and never answers to TLS
        url = server.url.replace("http:", "https:")
        _, error = await failing(StreamTimeoutError, client, url, connect_timeout=0.2)
    assert (error.phase, error.may_have_run) == ("connect", False)


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_lost_connection_is_a_truncated_stream(client: AsyncStreamClient, how: str) -> None:
    with WireServer(cut(how), lambda peer: getattr(peer, how)()) as server:
        came, error = await failing(TruncatedStreamError, client, server.url)
        assert (came, error.bytes_received, error.may_have_run) == (b"some", 4, True)
        await failing(TruncatedStreamError, client, server.url)
    assert len(server.requests) == 2


async def test_a_body_whose_end_says_nothing_is_not_taken_for_whole(client: AsyncStreamClient) -> None:
    def behave(peer: Peer) -> None:
        peer.head({**PLAIN, "connection": "close"}, chunked=False)
        peer.send(b"all of it?")
        peer.fin()

    with WireServer(behave) as server:
        came, _ = await failing(TruncatedStreamError, client, server.url)
    assert came == b"all of it?"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (plain(b'{"statusCode": 200}' + NULS + b"body"), CorruptStreamError),
        (plain(b"no rows", status="404 Not Found"), HttpStatusError),
        (plain(b"?", headers={"content-encoding": "compress"}), ConfigurationError),
        (plain(*verified(b"a")[:-1], headers=VERIFIED), TruncatedStreamError),
        (plain(*verified(b"a", last="error", errorType="E"), headers=VERIFIED), FunctionError),
        (
            refuses("429 Too Many Requests", "TooManyRequestsException", THROTTLE, {"retry-after": "0"}),
            ThrottledError,
        ),
    ],
)
async def test_answers_mean_the_same_as_for_the_sync_client(
    client: AsyncStreamClient, behaviour: Behaviour, kind: type[StreamifyError]
) -> None:
    with WireServer(behaviour) as server:
        await failing(kind, client, server.url)


async def test_lambdas_own_throttle_is_tried_again_and_no_other(
    client: AsyncStreamClient,
) -> None:
    throttle = refuses("429 Too Many Requests", "TooManyRequestsException", THROTTLE, {"retry-after": "0"})
    own = plain(b"slow down", status="429 Too Many Requests", headers={"retry-after": "0"})
    with WireServer(throttle, plain(b"ok"), own) as server:
        assert await client.stream(server.url).text() == "ok"
        await failing(HttpStatusError, client, server.url)
    assert len(server.requests) == 3


async def test_a_refused_connection_is_a_connect_error(client: AsyncStreamClient) -> None:
    with WireServer(says_nothing) as server:
        url = server.url
    _, error = await failing(ConnectError, client, url)
    assert (error.refused, error.may_have_run, error.attempts) == (True, False, 3)


async def test_break_frees_the_connection_at_once(client: AsyncStreamClient) -> None:
    with WireServer(stalls) as server:
        async for chunk in client.stream(server.url):
            assert chunk == "some"
            break
        assert await closed(server)


async def test_a_finished_connection_is_used_again(client: AsyncStreamClient) -> None:
    with WireServer(plain(b"a"), in_one_piece(b"b")) as server:
        for _ in range(4):
            await client.stream(server.url, {"n": 1}).read()
    assert (len(server.requests), server.connections) == (4, 1)


@pytest.mark.parametrize("behaviour", [says_nothing, stalls])
@pytest.mark.parametrize("way", ["cancel the stream", "cancel the task"])
async def test_cancelling_wakes_whoever_opens_or_reads(
    client: AsyncStreamClient, behaviour: Behaviour, way: str
) -> None:
    reached = threading.Event()

    def tells(peer: Peer) -> None:
        reached.set()
        behaviour(peer)

    with WireServer(tells) as server:
        stream = client.stream(server.url)
        task = asyncio.create_task(stream.read())
        assert await asyncio.to_thread(reached.wait, 20)
        if way == "cancel the task":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await asyncio.to_thread(stream.cancel)
            with pytest.raises(StreamClosedError, match="cancelled"):
                await task
        assert await closed(server)


async def test_over_tls_streams_are_read_cut_left_and_reused(tmp_path: Path) -> None:
    context, bundle = make_authority(tmp_path)
    with WireServer(plain(b"a"), plain(b"b"), cut("fin"), stalls, context=context) as server:
        async with AsyncStreamClient(verify=bundle) as client:
            assert await client.stream(server.url).text() + await client.stream(server.url).text() == "ab"
            await failing(TruncatedStreamError, client, server.url)
            async for _ in client.stream(server.url):
                break
            assert await closed(server, 2)
        async with AsyncStreamClient() as distrusting:
            await failing(ConnectError, distrusting, server.url)
    assert [request.connection for request in server.requests] == [1, 1, 1, 2]


async def test_a_request_is_signed_when_asked() -> None:
    with WireServer(plain(b"ok")) as server:
        async with AsyncStreamClient(**CREDENTIALS) as client:
            assert await client.stream(server.url + "/ä?q=1", {"a": 1}, auth="iam").text() == "ok"
    actual, expected = signature_of(server.requests[0], "secret")
    assert actual == expected


async def test_an_aiobotocore_session_lends_its_credentials() -> None:
    from aiobotocore.session import get_session

    session = get_session()
    session.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret")
    with WireServer(plain(b"ok")) as server:
        async with AsyncStreamClient(session=session, region_name="us-east-1") as client:
            await client.stream(server.url, auth="iam").read()
    actual, expected = signature_of(server.requests[0], "secret")
    assert actual == expected


def test_a_loop_that_ends_right_after_a_break_leaves_nothing() -> None:
    before = psutil.Process().num_fds()

    async def leave(url: str) -> None:
        client = AsyncStreamClient()
        async for _ in client.stream(url):
            break

    with WireServer(stalls) as server:
        asyncio.run(leave(server.url))
        assert server.wait_closed()
    assert psutil.Process().num_fds() == before
