"""Listening sockets and what becomes of their connections."""

import asyncio
import socket
from typing import Any

import pytest

from streamify_server.local.http.connection import Connection, TruncatedBodyError
from streamify_server.local.http.listener import Listener
from streamify_server.local.http.request import Request


async def test_closing_twice_at_the_same_time_closes_once() -> None:
    arrived = asyncio.Event()

    async def serve(request: Request, connection: Connection) -> None:
        arrived.set()
        await asyncio.Event().wait()

    listener = Listener(serve)
    await listener.open()
    _reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {listener.address}\r\n\r\n".encode())
    await arrived.wait()
    await asyncio.gather(listener.close(), listener.close())
    writer.close()


@pytest.mark.parametrize("turns", range(8))
async def test_a_connection_at_any_stage_of_its_beginning_does_not_keep_a_listener_open(turns: int) -> None:
    listener = Listener(echo)
    await listener.open()
    with socket.create_connection(("127.0.0.1", listener.port)):
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await listener.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_draining_waits_until_all_that_was_sent_is_handled() -> None:
    bodies: list[bytes] = []

    async def collect(request: Request, connection: Connection) -> None:
        bodies.append(await connection.read_body(100))

    listener = Listener(collect)
    await listener.open()
    with socket.create_connection(("127.0.0.1", listener.port)) as dying:
        head = f"POST / HTTP/1.1\r\nHost: {listener.address}\r\nContent-Length: 10\r\n\r\n"
        dying.sendall(head.encode() + b"last words")
    await listener.drain(30)
    assert bodies == [b"last words"]
    await listener.close()


async def exchange(listener: Listener, *requests: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write("".join(requests).replace("HOST", listener.address).encode())
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def echo(request: Request, connection: Connection) -> None:
    await connection.respond(200, [], await connection.read_body(100))


async def test_requests_on_one_connection_are_answered_in_turn() -> None:
    listener = Listener(echo)
    await listener.open()
    post = "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n\r\n"
    answer = await exchange(listener, post + "a", post + "b")
    assert [part[-1:] for part in answer.split(b"HTTP/1.1 200")[1:]] == [b"a", b"b"]
    await listener.close()


async def test_who_waits_for_a_continue_gets_one() -> None:
    listener = Listener(echo)
    await listener.open()
    head = "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(head.replace("HOST", listener.address).encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(b"x")
    assert (await reader.readuntil(b"\r\n\r\nx")).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    await listener.close()


async def test_a_connection_on_which_nothing_is_asked_for_is_closed() -> None:
    listener = Listener(echo, idle_seconds=0.05)
    await listener.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {listener.address}\r\n\r\n".encode())
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    await listener.close()


async def test_a_request_that_stops_in_its_head_is_refused() -> None:
    listener = Listener(echo, idle_seconds=0.05)
    await listener.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {listener.address}\r\n".encode())
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.endswith(b"did not come in time.")
    writer.close()
    await writer.wait_closed()
    await listener.close()


async def test_a_request_that_stops_in_its_body_is_given_up() -> None:
    async def say_why(request: Request, connection: Connection) -> None:
        with pytest.raises(TruncatedBodyError) as raised:
            await connection.read_body(100)
        await connection.respond(400, [], str(raised.value).encode())

    listener = Listener(say_why, idle_seconds=0.05)
    await listener.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(f"POST / HTTP/1.1\r\nHost: {listener.address}\r\nContent-Length: 9\r\n\r\nab".encode())
    assert (await reader.read()).endswith(b"The rest of the body did not come in time.")
    writer.close()
    await writer.wait_closed()
    await listener.close()


@pytest.mark.parametrize("port", [-1, 65536, "80"])
async def test_what_is_no_port_is_refused(port: Any) -> None:
    with pytest.raises(ValueError, match="0 to 65535"):
        await Listener(echo).open(port)


@pytest.mark.parametrize("host", ["nonsense.invalid", "192.0.2.1"])
async def test_a_host_that_is_not_of_this_machine_is_named(host: str) -> None:
    with pytest.raises(OSError, match=rf"{host}.* cannot be listened on: .*not an address of this machine"):
        await Listener(echo, host=host).open()


@pytest.mark.parametrize(
    ("version", "framing"), [("1.1", b"transfer-encoding: chunked"), ("1.0", b"connection: close")]
)
async def test_a_body_of_unknown_length_ends_as_the_version_allows(version: str, framing: bytes) -> None:
    async def stream(request: Request, connection: Connection) -> None:
        await connection.start(200, [])
        await connection.send_all([b"one", b"", b"two"])
        await connection.finish()

    listener = Listener(stream)
    await listener.open()
    answer = await exchange(listener, f"GET / HTTP/{version}\r\nHost: HOST\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert framing in head
    assert body == (b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" if version == "1.1" else b"onetwo")
    await listener.close()


async def test_what_several_chunks_of_one_read_answer_leaves_in_one_write() -> None:
    sent: list[int] = []

    async def stream(request: Request, connection: Connection) -> None:
        write = connection._transport.write

        def counted(data: bytes) -> None:
            sent.append(len(data))
            write(data)

        connection._transport.write = counted
        await connection.start(200, [])
        while batch := await connection.batch():
            await connection.send_all(batch)
        await connection.finish()

    listener = Listener(stream)
    await listener.open()
    chunks = "".join(f"1\r\n{number}\r\n" for number in range(10)) + "0\r\n\r\n"
    answer = await exchange(
        listener, f"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
    )
    assert answer.endswith(b"1\r\n8\r\n1\r\n9\r\n0\r\n\r\n")
    assert len(sent) == 3  # the head, the chunks, the end
    await listener.close()


async def test_what_is_no_http_is_a_bad_request() -> None:
    listener = Listener(echo)
    await listener.open()
    assert (await exchange(listener, "nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")
    assert b" 400 " in await exchange(listener, "GET / HTTP/1.1\r\n\r\n")
    await listener.close()
