"""client.map, by threads and by tasks: order, laziness, failures, and what closing leaves behind."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from streamify_client import (
    AsyncStreamClient,
    ConfigurationError,
    HttpStatusError,
    MapItem,
    StreamClient,
    StreamClosedError,
    TruncatedStreamError,
)
from support.clients import CREDENTIALS, boto_client, stream_client
from support.http_peers import PLAIN, plain
from support.wire_server import Peer, WireServer, whole


def echoes(peer: Peer) -> None:
    plain(peer.request.body)(peer)


class Gatekeeper:
    """Answers a request when the test lets it, and knows how many wait."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self._gates: dict[bytes, threading.Event] = {}
        self._lock = threading.Lock()
        self.most = self._now = 0

    def gate(self, body: bytes) -> threading.Event:
        with self._lock:
            return self._gates.setdefault(body, threading.Event())

    def __call__(self, peer: Peer) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.arrived.release()
        assert self.gate(peer.request.body).wait(20)
        with self._lock:
            self._now -= 1
        plain(peer.request.body)(peer)

    def open(self, *bodies: bytes) -> None:
        for body in bodies:
            self.gate(body).set()

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=20)


def fails_at_2(peer: Peer) -> None:
    if peer.request.body == b"2":
        peer.head(PLAIN)
        peer.chunk(b"par")
        peer.fin()
    elif peer.request.body == b"3":
        plain(b"no", status="404 Not Found")(peer)
    else:
        echoes(peer)


def hangs(peer: Peer) -> None:
    peer.head(PLAIN)
    peer.chunk(b"some")
    peer.wait_gone()


def threads_of_map() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("streamify-map")]


def wait_for_threads_of_map() -> None:
    """Wait for threads that have been told to end."""
    for thread in threading.enumerate():
        if thread.name.startswith("streamify-map"):
            thread.join(20)
    assert threads_of_map() == []


# by threads


@pytest.fixture
def client() -> Iterator[StreamClient]:
    with StreamClient() as client:
        yield client


def test_items_come_in_the_order_of_their_payloads(client: StreamClient) -> None:
    with WireServer(echoes) as server:
        items = list(client.map(server.url, range(20), concurrency=4))
    assert [(item.index, item.payload, item.value) for item in items] == [(n, n, str(n)) for n in range(20)]
    assert all(item.error is None and item.result and item.result.bytes_received for item in items)
    assert threads_of_map() == []


def test_functions_by_name_are_mapped_the_same() -> None:
    with WireServer(whole(b"[1]")) as server, stream_client(server.url) as client:
        values = [item.value for item in client.map("fn", [{}, {}, {}], read="json")]
    assert values == [[1], [1], [1]]
    assert len(server.requests) == 3


def test_items_come_as_they_are_finished_when_no_order_is_wanted(client: StreamClient) -> None:
    gates = Gatekeeper()
    with WireServer(gates) as server:
        items = client.map(server.url, [0, 1, 2], concurrency=3, ordered=False)
        threading.Thread(target=lambda: (gates.wait(3), gates.open(b"2"))).start()  # type: ignore[func-returns-value]
        assert next(items).value == "2"
        gates.open(b"0")
        assert next(items).value == "0"
        gates.open(b"1")
        assert next(items).value == "1"
        with pytest.raises(StopIteration):
            next(items)


def test_payloads_are_taken_as_there_is_room(client: StreamClient) -> None:
    taken: list[int] = []

    def payloads() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    gates = Gatekeeper()
    gates.open(*(str(number).encode() for number in range(1, 10)))
    with WireServer(gates) as server:
        items = client.map(server.url, payloads(), concurrency=3)
        assert taken == []
        opener = threading.Thread(target=lambda: (gates.wait(3), gates.open(b"0")))  # type: ignore[func-returns-value]
        opener.start()
        assert next(items).index == 0
        opener.join()
        assert taken == [0, 1, 2]  # 1 and 2 were finished before, and held their room
        next(items)
        assert taken == [0, 1, 2, 3]
        items.close()
    assert gates.most <= 3


@pytest.mark.parametrize("read", ["text", "bytes"])
def test_one_failure_is_one_items_error(client: StreamClient, read: Any) -> None:
    with WireServer(fails_at_2) as server:
        items = list(client.map(server.url, [1, 2, 3, object(), 4], concurrency=2, read=read))
    kinds = [type(item.error) for item in items]
    assert kinds == [type(None), TruncatedStreamError, HttpStatusError, ConfigurationError, type(None)]
    assert [item.value for item in items] == [
        *(["1", None, None, None, "4"] if read == "text" else [b"1", None, None, None, b"4"])
    ]
    assert items[1].result is not None
    assert items[1].result.bytes_received == 3
    assert items[3].result is None


def test_a_function_of_the_stream_reads_it(client: StreamClient) -> None:
    with WireServer(echoes) as server:
        items = client.map(server.url, ["[1, 2]"], read=lambda stream: (stream.status_code, stream.json()))
        assert [item.value for item in items] == [(200, [1, 2])]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"concurrency": 0}, "concurrency must be"),
        ({"read": "lines"}, "read must be"),
        ({"idle_timeout": -1}, "idle_timeout"),
        ({"idel_timeout": 1}, "no option"),
    ],
)
def test_bad_arguments_are_refused_at_once(client: StreamClient, options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        client.map("http://127.0.0.1:9", [1], **options)


@pytest.mark.parametrize("one", [{"a": 1}, "text", b"{}", 3, None])
async def test_one_payload_in_place_of_several_is_refused_at_once(client: StreamClient, one: Any) -> None:
    """A dict would be iterated over for its keys, a text for its letters."""
    with pytest.raises(ConfigurationError, match=f"map takes several payloads.*not one {type(one).__name__}"):
        client.map("http://127.0.0.1:9", one)
    async with AsyncStreamClient() as aio:
        with pytest.raises(ConfigurationError, match="map takes several payloads"):
            aio.map("http://127.0.0.1:9", one)


@pytest.mark.parametrize("leave", ["break", "close", "with", "exception", "collect"])
def test_leaving_the_loop_cancels_the_rest(client: StreamClient, leave: str) -> None:
    def first_is_quick(peer: Peer) -> None:
        (echoes if peer.request.body == b"0" else hangs)(peer)

    def start() -> Any:
        items = client.map(server.url, range(100), concurrency=4)
        assert next(items).value == "0"
        return items

    with WireServer(first_is_quick) as server:
        if leave == "break":
            for _ in client.map(server.url, range(100), concurrency=4):
                break
        elif leave == "with":
            with client.map(server.url, range(100), concurrency=4) as items:
                next(items)
        elif leave == "exception":
            with pytest.raises(ZeroDivisionError):
                raise_in_a_loop(client, server.url)
        else:
            items = start()
            if leave == "close":
                items.close()
                assert list(items) == []
            del items
            gc.collect()
        wait_for_threads_of_map()
        assert len(server.requests) <= 5


def raise_in_a_loop(client: StreamClient, url: str) -> None:
    for _ in client.map(url, range(100), concurrency=4):
        raise ZeroDivisionError


def test_what_the_payloads_raise_is_raised_and_cancels_the_rest(client: StreamClient) -> None:
    def payloads() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with WireServer(hangs) as server:
        with pytest.raises(OSError, match="the disk is gone"):
            list(client.map(server.url, payloads()))
        assert threads_of_map() == []


def test_the_pool_of_our_own_client_follows_the_concurrency() -> None:
    with WireServer(whole(b"a")) as server, stream_client(server.url) as client:
        list(client.map("fn", [{}], concurrency=80))
        boto: Any = []
        client._transport.on_client(boto.append)
        assert boto[0].meta.config.max_pool_connections == 80


def test_a_client_with_too_small_a_pool_is_warned_about() -> None:
    boto = boto_client("http://127.0.0.1:9")
    with (
        StreamClient(boto) as client,
        pytest.warns(UserWarning, match="max_pool_connections=10, fewer") as caught,
    ):
        client.map("fn", [], concurrency=11)
    boto.close()
    assert caught[0].filename == __file__


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_is_more_than_an_items_error_is_raised_and_cancels_the_rest(
    client: StreamClient, error: type[BaseException]
) -> None:
    def read(stream: Any) -> str:
        if text := stream.text():
            raise error(text)
        return ""

    def first_is_quick(peer: Peer) -> None:
        (echoes if peer.request.body == b"0" else hangs)(peer)

    with WireServer(first_is_quick) as server:
        with pytest.raises(error, match="0"):
            list(client.map(server.url, range(100), concurrency=4, read=read))
        wait_for_threads_of_map()
        assert len(server.requests) <= 4


def test_a_map_that_is_dropped_is_cancelled_without_waiting_for_it(client: StreamClient) -> None:
    busy, free = threading.Event(), threading.Event()

    def read(stream: Any) -> None:
        busy.set()
        assert free.wait(20)

    with WireServer(echoes) as server:
        items = client.map(
            server.url, [1, 2], concurrency=2, read=lambda s: None if s.text() == "1" else read(s)
        )
        assert next(items).error is None
        assert busy.wait(20)
        del items
        assert len(threads_of_map()) == 1
        free.set()
        wait_for_threads_of_map()


def test_closing_a_map_in_another_thread_ends_the_wait_for_an_item(client: StreamClient) -> None:
    reading = threading.Event()

    def read(stream: Any) -> str:
        reading.set()
        text: str = stream.text()
        return text

    with WireServer(hangs) as server:
        items = client.map(server.url, [1], read=read)
        closing = threading.Thread(target=lambda: (reading.wait(20), items.close()))  # type: ignore[func-returns-value]
        closing.start()
        with pytest.raises(StreamClosedError, match="was closed"):
            next(items)
        closing.join(20)
        assert list(items) == []


def test_a_function_of_the_stream_may_close_the_map(client: StreamClient) -> None:
    maps: list[Any] = []

    def read(stream: Any) -> None:
        maps[0].close()

    with WireServer(echoes) as server:
        maps.append(client.map(server.url, range(100), concurrency=1, read=read))
        with pytest.raises(StreamClosedError):
            next(maps[0])
        wait_for_threads_of_map()


# by tasks


async def collect(items: AsyncIterator[MapItem]) -> list[MapItem]:
    return [item async for item in items]


@pytest.fixture
async def aio() -> AsyncIterator[AsyncStreamClient]:
    async with AsyncStreamClient() as client:
        yield client
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:  # a cancelled task ends some turns of the loop later
        _, left = await asyncio.wait(left, timeout=20)
    assert not left


async def test_async_items_come_in_order(aio: AsyncStreamClient) -> None:
    with WireServer(echoes) as server:
        items = await collect(aio.map(server.url, range(20), concurrency=4))
    assert [(item.index, item.payload, item.value) for item in items] == [(n, n, str(n)) for n in range(20)]


async def test_async_functions_by_name_are_mapped_the_same() -> None:
    with WireServer(whole(b"[1]")) as server:
        async with AsyncStreamClient(endpoint_url=server.url, **CREDENTIALS) as client:
            items = await collect(client.map("fn", [{}, {}, {}], read="json", concurrency=60))
            boto: Any = []
            client._transport.on_client(boto.append)
            assert boto[0].meta.config.max_pool_connections == 60
    assert [item.value for item in items] == [[1], [1], [1]]


async def test_async_results_do_not_wait_for_payloads_that_are_late(aio: AsyncStreamClient) -> None:
    more = asyncio.Event()

    async def payloads() -> AsyncIterator[int]:
        yield 1
        await more.wait()
        yield 2

    with WireServer(echoes) as server:
        items = aio.map(server.url, payloads())
        assert (await anext(items)).value == "1"
        more.set()
        assert (await anext(items)).value == "2"
        with pytest.raises(StopAsyncIteration):
            await anext(items)


async def test_async_payloads_are_taken_as_there_is_room(aio: AsyncStreamClient) -> None:
    taken: list[int] = []

    async def payloads() -> AsyncIterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    gates = Gatekeeper()
    gates.open(*(str(number).encode() for number in range(1, 10)))
    with WireServer(gates) as server:
        items = aio.map(server.url, payloads(), concurrency=3)
        assert taken == []
        opener = threading.Thread(target=lambda: (gates.wait(3), gates.open(b"0")))  # type: ignore[func-returns-value]
        opener.start()
        assert (await anext(items)).index == 0
        opener.join()
        assert taken == [0, 1, 2]
        await items.aclose()
    assert gates.most <= 3


async def test_async_one_failure_is_one_items_error(aio: AsyncStreamClient) -> None:
    with WireServer(fails_at_2) as server:
        items = await collect(aio.map(server.url, [1, 2, 3, object(), 4], concurrency=2, ordered=True))
    kinds = [type(item.error) for item in items]
    assert kinds == [type(None), TruncatedStreamError, HttpStatusError, ConfigurationError, type(None)]


async def test_async_a_coroutine_function_reads_the_stream(aio: AsyncStreamClient) -> None:
    async def read(stream: Any) -> Any:
        return stream.status_code, await stream.json()

    with WireServer(echoes) as server:
        items = await collect(aio.map(server.url, ["[1, 2]"], read=read, ordered=False))
    assert [item.value for item in items] == [(200, [1, 2])]


@pytest.mark.parametrize("leave", ["break", "close", "aclose", "with", "cancel"])
async def test_async_leaving_cancels_the_rest(aio: AsyncStreamClient, leave: str) -> None:
    arrived = threading.Semaphore(0)

    def first_is_quick(peer: Peer) -> None:
        arrived.release()
        (echoes if peer.request.body == b"0" else hangs)(peer)

    async def consume() -> None:
        async for item in aio.map(server.url, range(100), concurrency=4):
            assert item.value == "0"
            if leave == "break":
                break

    with WireServer(first_is_quick) as server:
        if leave == "break":
            await consume()
        elif leave == "cancel":
            task = asyncio.create_task(consume())
            for _ in range(5):
                assert await asyncio.to_thread(arrived.acquire, timeout=20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            async with aio.map(server.url, range(100), concurrency=4) as items:
                await anext(items)
                if leave == "close":
                    items.close()
                elif leave == "aclose":
                    await items.aclose()
            assert await collect(items) == []


async def test_async_what_the_payloads_raise_is_raised_and_cancels_the_rest(aio: AsyncStreamClient) -> None:
    async def payloads() -> AsyncIterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with WireServer(hangs) as server, pytest.raises(OSError, match="the disk is gone"):
        await collect(aio.map(server.url, payloads()))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
async def test_async_what_is_more_than_an_items_error_is_raised_and_cancels_the_rest(
    aio: AsyncStreamClient, error: type[BaseException]
) -> None:
    async def read(stream: Any) -> None:
        if text := await stream.text():
            raise error(text)

    def first_is_quick(peer: Peer) -> None:
        (echoes if peer.request.body == b"0" else hangs)(peer)

    with WireServer(first_is_quick) as server:
        with pytest.raises(error, match="0"):
            await collect(aio.map(server.url, range(100), concurrency=4, read=read))
        assert len(server.requests) <= 4
