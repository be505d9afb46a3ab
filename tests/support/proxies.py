"""A proxy that does to streams what proxies do: it drops headers, or collects the body."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def proxied(url: str, *, drops: str = "", collects: bool = False) -> Iterator[str]:
    """A URL at which another one is reached by way of a proxy.

    Args:
        url: What is behind it.
        drops: A request header that does not get through, in lower case.
        collects: Whether a response is passed on when it is over.
    """
    behind = urlsplit(url)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            first, *lines = iter(lambda: self.rfile.readline().rstrip(b"\r\n").decode("latin-1"), "")
            fields = [line.partition(":") for line in lines]
            length = sum(int(value) for name, _, value in fields if name.lower() == "content-length")
            body = self.rfile.read(length)
            dropped = ("host", "connection", drops)
            kept = [f"{name}:{value}" for name, _, value in fields if name.lower() not in dropped]
            head = [first, f"Host: {behind.netloc}", "Connection: close", *kept, "", ""]
            with socket.create_connection((behind.hostname or "", behind.port or 80)) as server:
                server.sendall("\r\n".join(head).encode("latin-1") + body)
                pieces = iter(lambda: server.recv(65536), b"")
                for piece in [b"".join(pieces)] if collects else pieces:
                    self.wfile.write(piece)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        serving = threading.Thread(target=proxy.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}{behind.path}"
        finally:
            proxy.shutdown()
            serving.join()
