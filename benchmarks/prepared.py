"""Serves prepared responses from another process, so that only the reader's work is measured.

with Prepared.start() as server: ...                # in the benchmark
python benchmarks/prepared.py CERTIFICATE           # the process, which prints its ports
"""

import functools
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bodies import Body, by_name, by_url


@dataclass(frozen=True, slots=True)
class Prepared:
    """The URLs of the responses.

    Attributes:
        endpoint: The URL of the Lambda API, and of Function URLs, whose path is the body's name.
        tls_endpoint: The same with TLS.
        ca_bundle: The CA file for clients that use TLS.
    """

    endpoint: str
    tls_endpoint: str
    ca_bundle: str

    def base(self, *, tls: bool) -> str:
        return self.tls_endpoint if tls else self.endpoint

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["Prepared"]:
        """Run the process for the duration of a block."""
        import trustme

        with tempfile.TemporaryDirectory() as folder:
            authority, bundle, own = trustme.CA(), Path(folder, "ca.pem"), Path(folder, "own.pem")
            authority.cert_pem.write_to_path(str(bundle))
            authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
            command = [sys.executable, __file__, str(own)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                try:
                    plain, tls = process.stdout.readline().split()  # type: ignore[union-attr]
                    yield cls(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", str(bundle))
                finally:
                    process.kill()


@functools.lru_cache(maxsize=8)
def pieces(target: str) -> list[bytes]:
    """Return what to send for a request's target: in one piece, or in those that are sent separately."""
    parts = target.strip("/").split("/")
    sdk = parts[-1] == "response-streaming-invocations"
    body = Body.from_name(parts[-2] if sdk else parts[-1])
    sent = list(by_name(body) if sdk else by_url(body))
    if body.live:
        return sent
    middle = len(sent) // 2 if body.together > 1 else len(sent)
    return [b"".join(half) for half in (sent[:middle], sent[middle:]) if half]


@functools.lru_cache
def barrier(target: str, parties: int) -> threading.Barrier:
    return threading.Barrier(parties)


def serve(sock: socket.socket, context: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with context.wrap_socket(sock, server_side=True) if context else sock as connection:
            while target := read_request(connection):
                answer(connection, target)


def answer(connection: socket.socket, target: str) -> None:
    parts = target.strip("/").split("/")
    body = Body.from_name(parts[-2] if parts[-1] == "response-streaming-invocations" else parts[-1])
    due = time.monotonic()
    for number, piece in enumerate(pieces(target)):
        if number and body.together > 1:
            barrier(target, body.together).wait()
        while body.live and (left := due - time.monotonic()) > 0:
            time.sleep(left)
        connection.sendall(piece)
        due += body.live


def read_request(connection: socket.socket) -> str | None:
    """Read one request and return its target; None if the client has disconnected."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return None
        data += more
    top, _, rest = data.partition(b"\r\n\r\n")
    lines = top.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    if b"transfer-encoding: chunked" in lines:
        while not rest.endswith(b"0\r\n\r\n"):
            rest += connection.recv(65536)
    while len(rest) < length:
        rest += connection.recv(65536)
    return top.split(b" ", 2)[1].decode()


def accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], context), daemon=True).start()


def main() -> None:
    """Serve until the process is killed."""
    threading.stack_size(256 * 1024)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    plain, tls = (socket.create_server(("127.0.0.1", 0), backlog=2048) for _ in range(2))
    print(plain.getsockname()[1], tls.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(tls, context), daemon=True).start()
    accept(plain, None)


if __name__ == "__main__":
    main()
