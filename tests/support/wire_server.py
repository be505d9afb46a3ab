"""A TCP server that says exactly what a test tells it to, and counts what it is asked."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from streamify_client.wire.eventstream import encode_frame

STREAM_TYPE = "application/vnd.amazon.eventstream"
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nx: "


@dataclass(slots=True)
class Request:
    """What a client sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int  # which connection it came on, counted from 1


@dataclass(slots=True)
class Peer:
    """The server's end of a connection, in the hands of a behaviour."""

    sock: socket.socket
    request: Request
    gone: threading.Event = field(default_factory=threading.Event)
    keep: bool = True

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def head(
        self,
        headers: Mapping[str, str] | None = None,
        *,
        status: str = "200 OK",
        chunked: bool = True,
    ) -> None:
        """Send the head of a streamed answer."""
        fields = {"content-type": STREAM_TYPE, "x-amzn-requestid": "req-1", "x-amz-executed-version": "7"}
        fields |= headers or {}
        if chunked:
            fields["transfer-encoding"] = "chunked"
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        """Send one HTTP chunk."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def payload(self, data: bytes) -> None:
        """Send a PayloadChunk in an HTTP chunk of its own."""
        self.chunk(payload_frame(data))

    def end(self) -> None:
        """End the chunked body."""
        self.send(b"0\r\n\r\n")

    def reply(self, status: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer."""
        fields = {"content-length": str(len(body)), **(headers or {})}
        self.head(fields, status=status, chunked=False)
        self.send(body)

    def refuse(
        self, status: str, error_type: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Refuse the request as Lambda does."""
        body = json.dumps({"Type": "User", "message": message}).encode()
        self.reply(
            status,
            body,
            {"content-type": "application/json", "x-amzn-errortype": error_type, **(headers or {})},
        )

    def fin(self) -> None:
        """Close in the polite way, wherever the answer stands."""
        self.keep = False

    def rst(self) -> None:
        """Close in the rude way."""
        self.keep = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def wait_gone(self, timeout: float = 20) -> bool:
        """Wait until the client has gone away; return whether it did."""
        self.sock.settimeout(timeout)
        try:
            gone = not self.sock.recv(1)
        except TimeoutError:
            return False
        except OSError:
            gone = True
        if gone:
            self.keep = False
            self.gone.set()
        return gone


Behaviour = Callable[[Peer], None]


class WireServer:
    """Serves each request with the next behaviour; the last one serves all further requests.

    Args:
        behaviours: What to do with a request.
        context: A TLS context, to serve https.
    """

    def __init__(self, *behaviours: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self._behaviours = behaviours
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._errors: list[BaseException] = []
        self.requests: list[Request] = []
        self.connections = 0
        self.closed_connections = threading.Semaphore(0)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> "WireServer":
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        shut(self._listener)
        for sock in self._sockets:
            shut(sock)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a behaviour still waits"
        if self._errors:
            raise self._errors[0]

    def wait_closed(self, count: int = 1, timeout: float = 20) -> bool:
        """Wait until so many connections have ended, whoever ended them."""
        return all(self.closed_connections.acquire(timeout=timeout) for _ in range(count))

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            self._spawn(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._sockets.append(sock)
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while (request := read_request(sock, number)) is not None:
                    peer = self._answer(sock, request)
                    if not peer.keep:
                        return
        except OSError:
            pass
        except BaseException as error:
            self._errors.append(error)
        finally:
            self.closed_connections.release()

    def _answer(self, sock: socket.socket, request: Request) -> Peer:
        self.requests.append(request)
        behaviour = self._behaviours[min(len(self.requests), len(self._behaviours)) - 1]
        peer = Peer(sock, request)
        behaviour(peer)
        return peer


def shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    sock.close()


def read_request(sock: socket.socket, number: int) -> Request | None:
    """Read one request with a Content-Length; None when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += sock.recv(65536)
    method, target, _ = first.split(" ", 2)
    return Request(method, target, headers, body, number)


def payload_frame(data: bytes) -> bytes:
    """Lambda's PayloadChunk, header by header as AWS writes it."""
    headers = {
        ":event-type": "PayloadChunk",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    return encode_frame(headers, data)


def complete_frame(fields: bytes = b"{}") -> bytes:
    """Lambda's InvokeComplete."""
    headers = {
        ":event-type": "InvokeComplete",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return encode_frame(headers, fields)


def whole(*payloads: bytes, complete: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Make a behaviour: a response that is as it should be."""

    def behave(peer: Peer) -> None:
        peer.head(headers)
        for data in payloads:
            peer.payload(data)
        peer.chunk(complete_frame(complete))
        peer.end()

    return behave


def truncated(*payloads: bytes) -> Behaviour:
    """Make a behaviour: a response whose HTTP ends politely, and too early."""

    def behave(peer: Peer) -> None:
        peer.head()
        for data in payloads:
            peer.payload(data)
        peer.end()

    return behave


def stalled(*payloads: bytes) -> Behaviour:
    """Make a behaviour: a response that stops, until the client goes away."""

    def behave(peer: Peer) -> None:
        peer.head()
        for data in payloads:
            peer.payload(data)
        assert peer.wait_gone()

    return behave


def dripping(beginning: bytes) -> Behaviour:
    """Begin a head or a chunk's size, and go on with it a byte at a time until the client is gone."""

    def behave(peer: Peer) -> None:
        peer.keep = False
        peer.sock.settimeout(0.05)
        with contextlib.suppress(OSError):
            peer.send(beginning)
            for _ in range(400):
                peer.send(b"0")
                with contextlib.suppress(TimeoutError):
                    if not peer.sock.recv(1):
                        break
            else:
                return
        peer.gone.set()

    return behave


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """Return the URL of a server that leaves connections unanswered: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
