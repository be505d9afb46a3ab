"""A client for Lambda's Runtime API on a plain socket: whole requests, and streamed responses with trailers.

http.client supports no trailers and imports ssl, so requests are written by hand. Whole requests may share a
connection; a streamed response has its own, which is closed at its end.
"""

from __future__ import annotations

import _socket  # the socket module adds enums, files and selectors, 2 ms of every cold start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Receiving(Protocol):
        """What an answer is read from, such as a socket."""

        def recv(self, size: int, /) -> bytes: ...


Socket = _socket.socket

_VERSION = "/2018-06-01/runtime"
_READ_SIZE = 64 * 1024
_HEAD_LIMIT = 1024 * 1024
_LINE_LIMIT = 1024


class RuntimeApiError(Exception):
    """The Runtime API answered with an unexpected status."""

    def __init__(self, path: str, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        super().__init__(
            f"The Runtime API answered {status} to {path}: {body[:500].decode('utf-8', 'replace')}"
        )


class MalformedAnswerError(ConnectionError):
    """The answer of the Runtime API is not HTTP, or not supported by this client."""


class UnansweredError(ConnectionError):
    """The Runtime API closed the connection before the first byte of an answer."""


class Answer:
    """The status, header fields (names in lower case) and body of an answer.

    Attributes:
        reusable: Whether the connection can be used for another request.
    """

    __slots__ = ("body", "headers", "reusable", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes, reusable: bool) -> None:
        self.status: int = status
        self.headers: dict[str, str] = headers
        self.body: bytes = body
        self.reusable: bool = reusable


class RuntimeApi:
    """The Runtime API at `address` (`host:port`).

    Args:
        address: Its host and port.
        user_agent: The runtime's User-Agent.
        keep_alive: Whether whole requests share a connection; then only one thread may make them.
    """

    def __init__(self, address: str, user_agent: str, *, keep_alive: bool = False) -> None:
        self._address = address
        self._user_agent = user_agent
        self._keep_alive = keep_alive
        self._kept: Socket | None = None

    def next(self) -> Answer:
        """Wait for the next invocation, however long it takes."""
        path = f"{_VERSION}/invocation/next"
        answer = self._exchange("GET", path, {}, b"")
        if answer.status != 200:
            raise RuntimeApiError(path, answer.status, answer.body)
        return answer

    def send(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Post a whole body to a path below the invocations; any status but 2xx is an error."""
        self._send(f"{_VERSION}/invocation/{path}", headers, body)

    def send_init_error(self, error_type: str, body: bytes) -> None:
        """Report why the function cannot start."""
        headers = {"content-type": "application/json", "lambda-runtime-function-error-type": error_type}
        self._send(f"{_VERSION}/init/error", headers, body)

    def _send(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        answer = self._exchange("POST", path, {**headers, "content-length": str(len(body))}, body)
        if not 200 <= answer.status < 300:
            raise RuntimeApiError(path, answer.status, answer.body)

    def begin(self, path: str, headers: Mapping[str, str]) -> Socket:
        """Send the head of a POST below the invocations; return the connection, for the body."""
        connection = self._connect()
        try:
            headers = {**headers, "Connection": "close"}
            connection.sendall(self._head("POST", f"{_VERSION}/invocation/{path}", headers))
        except BaseException:
            connection.close()
            raise
        return connection

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if not self._keep_alive:
            headers = {**headers, "Connection": "close"}
        request = self._head(method, path, headers) + body
        kept, self._kept = self._kept, None
        if kept is not None:
            try:
                return self._ask(kept, request)
            except UnansweredError:
                pass  # closed while idle: the request has not been read
        return self._ask(self._connect(), request)

    def _ask(self, connection: Socket, request: bytes) -> Answer:
        try:
            try:
                connection.sendall(request)
                begun = connection.recv(_READ_SIZE)
            except ConnectionError as error:
                raise UnansweredError(str(error)) from error
            if not begun:
                raise UnansweredError("the Runtime API closed the connection before it had answered")
            answer = read_answer(connection, begun)
            if self._keep_alive and answer.reusable:
                self._kept = connection
            return answer
        finally:
            if self._kept is not connection:
                connection.close()

    def _connect(self) -> Socket:
        host, _, port = self._address.rpartition(":")
        # As bytes: a str would be encoded as IDNA, whose tables cost milliseconds of a cold start to import.
        found = _socket.getaddrinfo(host.strip("[]").encode(), int(port), 0, _socket.SOCK_STREAM)
        while True:
            family, kind, protocol, _, address = found.pop(0)
            connection = Socket(family, kind, protocol)
            try:
                connection.connect(address)
            except OSError:
                connection.close()
                if not found:
                    raise
            else:
                connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                return connection

    def _head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        fields = {"Host": self._address, "User-Agent": self._user_agent, **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """Encode one chunk in chunked transfer coding (RFC 9112, 7.1); an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Mapping[str, str], last: bytes = b"") -> bytes:
    """Encode the end of such a body, preceded by one more chunk if that is not empty."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in trailers.items())
    return (chunk(last) if last else b"") + f"0\r\n{lines}\r\n".encode()


def read_answer(connection: Receiving, begun: bytes = b"") -> Answer:
    """Read one answer completely.

    Args:
        connection: The connection to read from.
        begun: The bytes that have already been read.

    Raises:
        MalformedAnswerError: It is not HTTP, an interim answer, or has a head beyond 1 MiB.
        OSError: The connection was lost.
    """
    received = bytearray(begun)
    end = _receive_until(connection, received, b"\r\n\r\n", _HEAD_LIMIT)
    status_line, *lines = bytes(received[:end]).decode("utf-8", "surrogateescape").split("\r\n")
    del received[: end + 4]
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = _number(status_line[9:12])
    if not status_line.startswith("HTTP/1.") or not 200 <= status < 600:
        raise MalformedAnswerError(
            f"the Runtime API answered {status_line[:60]!r}, which is not a final status"
        )
    body = _read_body(connection, headers, received)
    persists = status_line.startswith("HTTP/1.1") and headers.get("connection", "").lower() != "close"
    framed = _is_chunked(headers) or "content-length" in headers
    return Answer(status, headers, body, persists and framed and not received)


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return headers.get("transfer-encoding", "").lower() == "chunked"


def _read_body(connection: Receiving, headers: Mapping[str, str], received: bytearray) -> bytes:
    """Take the body from the start of the received bytes; receive more as needed."""
    if _is_chunked(headers):
        return _read_chunks(connection, received)
    if "content-length" not in headers:
        return b""
    length = _number(headers["content-length"])
    _receive_bytes(connection, received, length)
    body = bytes(received[:length])
    del received[:length]
    return body


def _read_chunks(connection: Receiving, received: bytearray) -> bytes:
    body = bytearray()
    while True:
        end = _receive_until(connection, received, b"\r\n", _LINE_LIMIT)
        size = _number(bytes(received[:end]).partition(b";")[0].strip().decode("latin-1"), 16)
        start = end + 2
        _receive_bytes(connection, received, start + size + 2)
        body += received[start : start + size]
        if received[start + size : start + size + 2] != b"\r\n":
            raise MalformedAnswerError("a chunk of the Runtime API's answer is longer than it says")
        del received[: start + size + 2]
        if size == 0:
            return bytes(body)


def _number(text: str, base: int = 10) -> int:
    if len(text) > 16 or not text.isascii() or not text.isalnum():  # int() would accept signs and underscores
        raise MalformedAnswerError(f"the Runtime API answered {text[:40]!r} where a number belongs")
    try:
        return int(text, base)
    except ValueError:
        raise MalformedAnswerError(f"the Runtime API answered {text[:40]!r} where a number belongs") from None


def _receive_until(connection: Receiving, received: bytearray, mark: bytes, limit: int) -> int:
    """Return the position of the mark, receiving at most `limit` bytes before it."""
    searched = 0
    while (end := received.find(mark, searched)) < 0 and len(received) < limit + len(mark):
        searched = max(0, len(received) - len(mark) + 1)
        _receive(connection, received)
    if not 0 <= end <= limit:
        raise MalformedAnswerError(f"the Runtime API's answer has a line or head of more than {limit} bytes")
    return end


def _receive_bytes(connection: Receiving, received: bytearray, size: int) -> None:
    while len(received) < size:
        _receive(connection, received)


def _receive(connection: Receiving, received: bytearray) -> None:
    data = connection.recv(_READ_SIZE)
    if not data:
        raise ConnectionResetError("the Runtime API closed the connection before it had answered")
    received += data
