"""Responses that were sent whole and not read: known only at the other end of their connections."""

import gc
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

# Linux's lists of sockets: https://docs.kernel.org/networking/proc_net_tcp.html
_LISTS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_CLOSE_WAIT = "08"
# Response classes that say with `connection` whether they still hold one.
_RESPONSES = (("urllib3.response", "HTTPResponse"), ("aiohttp.client_reqrep", "ClientResponse"))


def unread_ports(servers: Collection[int], *, tls: bool = False) -> set[int]:
    """The ports of sockets of this machine that hold unread bytes from these servers (Linux).

    Args:
        servers: The ports of the servers.
        tls: Whether the servers end connections with an alert, which an idle caller does not read.
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
        # The end of a connection that the server has closed counts for one byte.
        end = state == _CLOSE_WAIT
        if int(queues.partition(":")[2], 16) > int(end) and not (end and tls):
            yield int(local.rpartition(":")[2], 16)


def held_ports(servers: Collection[int]) -> set[int]:
    """The ports of connections to these servers that responses in this process still hold.

    A response may be read into its client's buffer and no further: no socket shows that.
    """
    ports = _held(servers)
    if ports:
        # What is no longer referenced is not held, only not collected yet.
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
    """The ports of a connection, its own and its peer's; zeros if it has none."""
    transport = getattr(connection, "transport", None)
    held = transport.get_extra_info("socket") if transport else getattr(connection, "sock", None)
    try:
        return held.getsockname()[1], held.getpeername()[1]  # type: ignore[union-attr]
    except (AttributeError, OSError, IndexError):
        return 0, 0
