"""The Runtime API's client on real sockets: what it writes is HTTP, and it takes no other answer."""

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server.runtime.api import MalformedAnswerError, RuntimeApi, UnansweredError
from streamify_server.runtime.sink import ResponseSink
from streamify_server.wire.errors import error_trailers


def serve_one(listener: socket.socket) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Read one streamed response to its end and answer 202: its body, and its trailers."""
    connection, _ = listener.accept()
    reader, body = h11.Connection(h11.SERVER), []
    with connection:
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(connection.recv(65536))
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                connection.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                return body, dict(event.headers)


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=4), st.text(max_size=20), st.binary(max_size=9))
@settings(max_examples=20)
def test_any_chunks_and_any_error_arrive_as_they_were_written(
    chunks: list[bytes], message: str, last: bytes
) -> None:
    trailers = error_trailers(ValueError(message))
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as server:
        served = server.submit(serve_one, listener)
        api = RuntimeApi(f"127.0.0.1:{listener.getsockname()[1]}", "test")
        sink = ResponseSink(api.begin("id/response", {"Transfer-Encoding": "chunked"}), "id/response")
        for data in chunks:
            sink.write(data)
        sink.fail(ValueError(message), last)
        body, received = served.result(10)
    assert b"".join(body) == b"".join(chunks) + last
    assert received == {name.lower().encode(): value.encode() for name, value in trailers.items()}


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1_0\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * (1024 * 1024),
    ],
)
def test_an_answer_that_is_no_http_is_an_error_of_the_connection(answer: bytes) -> None:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # until the client has gone, so that nothing is reset under it
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as server:
        served = server.submit(serve, listener)
        api = RuntimeApi(f"127.0.0.1:{listener.getsockname()[1]}", "test")
        with pytest.raises(MalformedAnswerError, match="the Runtime API"):
            api.next()
        try:
            served.result(10)
        except ConnectionError:
            pass  # the client left before all was sent


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
LAST = OK.replace(b"content-length", b"Connection: Close\r\ncontent-length")
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


def serve(listener: socket.socket, connections: Sequence[Sequence[bytes]]) -> None:
    """Accept a connection for each list of answers, and close it after the last."""
    for answers in connections:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    data = connection.recv(65536)
                    assert data, "the client has left"
                    request += data
                assert request.startswith(b"GET /2018-06-01/runtime/invocation/next ")
                connection.sendall(answer)


def bodies(connections: Sequence[Sequence[bytes]], asked: int) -> list[bytes]:
    """What a client gets that keeps its connection, from a server that gives these answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as server:
        listener.settimeout(10)
        served = server.submit(serve, listener, connections)
        api = RuntimeApi(f"127.0.0.1:{listener.getsockname()[1]}", "test", keep_alive=True)
        try:
            return [api.next().body for _ in range(asked)]
        finally:
            served.result(20)


def test_whole_requests_share_a_connection() -> None:
    assert bodies([[OK, CHUNKED, LAST]], 3) == [b"hi"] * 3


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        LAST,
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray",
    ],
    ids=["an old HTTP", "connection: close", "more than was asked for"],
)
def test_an_answer_that_ends_its_connection_is_the_last_on_it(answer: bytes) -> None:
    assert bodies([[answer], [LAST]], 2) == [b"hi"] * 2


def test_an_answer_without_a_length_is_the_last_on_its_connection() -> None:
    assert bodies([[b"HTTP/1.1 200 OK\r\n\r\n"], [LAST]], 2) == [b"", b"hi"]


def test_a_connection_that_was_closed_while_it_was_idle_is_replaced() -> None:
    assert bodies([[OK], [OK, LAST]], 3) == [b"hi"] * 3


def test_a_request_is_not_sent_again_once_its_answer_has_begun() -> None:
    with pytest.raises(ConnectionError, match="before it had answered"):
        bodies([[OK, OK[:-1]]], 2)


def test_a_request_over_a_new_connection_is_sent_once() -> None:
    with pytest.raises(UnansweredError):
        bodies([[b""]], 1)
