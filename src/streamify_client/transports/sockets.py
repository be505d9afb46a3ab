"""Operations on sockets of any library."""

import contextlib
import socket
from typing import Any

_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 5}


def shut_down(sock: Any) -> None:
    """Shut a socket down, with or without TLS, without waiting; this wakes a read in another thread."""
    while not isinstance(sock, socket.socket):  # urllib3's TLS inside of TLS is an object around a socket
        sock = getattr(sock, "socket", None)
        if sock is None:
            return
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own would take TLS away under the reader


def keep_alive(sock: socket.socket) -> None:
    """Enable TCP keepalives, well within the 350 s after which a NAT gateway drops a silent connection."""
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if option := getattr(socket, name, None):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
