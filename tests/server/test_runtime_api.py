"""The Runtime API's client on real sockets: what it writes is HTTP, and it takes no other answer."""

import socket
from concurrent.futures import ThreadPoolExecutor

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server.runtime.api import MalformedAnswerError, RuntimeApi
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
@settings(max_examples=20, deadline=None)
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
