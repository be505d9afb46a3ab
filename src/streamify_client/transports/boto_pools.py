"""Our own connection pools under a boto3 client, for our own calls.

botocore asks its HTTP session for a pool manager at each request. While one of our calls runs, it gets one of
ours, with the same settings, but connections that keep our time limits and can be cancelled. The caller's own
calls and their pool are not affected.
"""

import contextlib
import copy
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .urllib3_connections import POOLS, ProcessLocal, current_exchange

_lock = threading.Lock()
_NAME = "_get_connection_manager"


def lend_pools(session: Any) -> Callable[[], None]:
    """Use our pools for our own calls through a botocore session; return a function that undoes this.

    Sessions of another kind, as in tests, are not changed: their responses are then read with urllib3's
    public methods, and a cancel takes effect when the headers arrive.
    """
    if not hasattr(type(session), _NAME):
        return lambda: None
    with _lock:
        pools = getattr(vars(session).get(_NAME), "__self__", None)
        if not isinstance(pools, LentPools):
            pools = LentPools(session)
            setattr(session, _NAME, pools.manager_for)
        pools.users += 1

    def take_back() -> None:
        with _lock:
            pools.users -= 1
            if pools.users:
                return
            with contextlib.suppress(AttributeError):
                delattr(session, _NAME)
        pools.close()

    return take_back


class LentPools:
    """The pools of one session.

    Attributes:
        users: How many transports use them.
    """

    def __init__(self, session: Any) -> None:
        self.users = 0
        self._own_manager_for = getattr(type(session), _NAME)
        self._session = weakref.ref(session)  # no cycle: connections must die by reference count
        self._managers = ProcessLocal(dict)

    def manager_for(self, url: str, proxy_url: str | None = None) -> Any:
        """Return the pool manager for a request."""
        own = self._own_manager_for(self._session(), url, proxy_url)
        if current_exchange.get(None) is None:
            return own
        managers: dict[str | None, Any] = self._managers.get()
        found = managers.get(proxy_url)
        if found is None:
            found = managers.setdefault(proxy_url, Manager(own))
        return found

    def close(self) -> None:
        """Close idle connections."""
        managers: dict[str | None, Any] = self._managers.get()
        for manager in managers.values():
            manager.clear()
        managers.clear()


class Manager:
    """Used by botocore as a pool manager: one with the same settings, and our kind of pools.

    urllib3 parses a URL and compares two dozen settings to find the pool of a request. All of them are the
    same for one manager, so that scheme, host and port are enough.
    """

    def __init__(self, manager: Any) -> None:
        from urllib3._collections import RecentlyUsedContainer

        self._manager: Any = copy.copy(manager)
        self._manager.pools = RecentlyUsedContainer(10)
        self._manager.pool_classes_by_scheme = POOLS
        self._found: dict[str, Any] = {}

    def connection_from_url(self, url: str) -> Any:
        """Return the pool for a URL."""
        path = url.find("/", len("https://"))
        origin = url if path < 0 else url[:path]
        pool = self._found.get(origin)
        if pool is None or pool.pool is None:  # urllib3 closes those that were not used for long
            pool = self._found[origin] = self._manager.connection_from_url(url)
        return pool

    def clear(self) -> None:
        """Close all connections."""
        self._manager.clear()
        self._found.clear()
