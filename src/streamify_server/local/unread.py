"""Finds responses that were sent completely but not read by the caller.

The server's own socket does not show that. They are found in Linux's list of sockets, and among the live
response objects of urllib3 and aiohttp, which may have read them into a buffer.
"""

import gc
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

# Linux's lists of sockets: https://docs.kernel.org/networking/proc_net_tcp.html
_LISTS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_CLOSE_WAIT = "08"
# Response classes whose `connection` attribute tells whether they still hold a connection.
_RESPONSES = (("urllib3.response", "HTTPResponse"), ("aiohttp.client_reqrep", "ClientResponse"))


def unread_ports(servers: Collection[int], *, tls: bool = False) -> set[int]:
    """Return the local ports of sockets with unread bytes from these servers (Linux).

    Args:
        servers: The ports of the servers.
        tls: Whether the servers end connections with a TLS alert, which an idle caller does not read.
    """
    return {port for path in _LISTS for port in _unread(path, servers, tls)}


def _unread(path: Path, servers: Collection[int], tls: bool) -> Iterator[int]:
    try:
        lines = path.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        _, local, remote, state, queues, *_ = line.split()
        if int(remote.rpartition(":")[2], 16) not in servers:
            continue
        # When the server has closed the connection, the FIN counts as one byte.
        end = state == _CLOSE_WAIT
        if int(queues.partition(":")[2], 16) > int(end) and not (end and tls):
            yield int(local.rpartition(":")[2], 16)


def held_ports(servers: Collection[int]) -> set[int]:
    """Return the local ports of connections to these servers that responses in this process still hold.

    A response may have been read only into its client's buffer, which no socket shows.
    """
    ports = _held(servers)
    if ports:
        # Unreferenced responses that are not collected yet do not count.
        gc.collect()
        ports = _held(servers)
    return ports


def _held(servers: Collection[int]) -> set[int]:
    modules = [(sys.modules.get(module), name) for module, name in _RESPONSES]
    kinds = {kind for module, name in modules if module for kind in _with_subclasses(getattr(module, name))}
    if not kinds:
        return set()
    ends = [_ends(thing.connection) for thing in gc.get_objects() if type(thing) in kinds]
    return {own for own, peer in ends if peer in servers}


def _with_subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _with_subclasses(subclass)


def _ends(connection: object) -> tuple[int, int]:
    """Return the local and the remote port of a connection; zeros if it has none."""
    transport = getattr(connection, "transport", None)
    held = transport.get_extra_info("socket") if transport else getattr(connection, "sock", None)
    try:
        return held.getsockname()[1], held.getpeername()[1]  # type: ignore[union-attr]
    except (AttributeError, OSError, IndexError):
        return 0, 0
