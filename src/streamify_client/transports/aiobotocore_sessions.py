"""Our own requests through an aiobotocore client, with its connections and its pool.

aiobotocore asks its HTTP session for an aiohttp session at each request. While one of our calls runs, it gets
one of ours on the same connector: no redirect is followed (aiohttp would send payload and session token to
another host), nothing is sent twice, and the limits are those of the call. The caller's own calls are not
affected.
"""

import contextlib
import io
import weakref
from collections.abc import Callable
from typing import Any

from streamify_client.errors import ConfigurationError

from .aiohttp_bodies import current_exchange, make_session

LARGE = 256 * 1024  # bytes: aiohttp sends bytes in one go, and a file piece by piece
_NAME = "_get_session"


def lend_sessions(http_session: Any) -> Callable[[], None]:
    """Use our aiohttp sessions for our own calls through aiobotocore's HTTP session.

    Returns:
        A function that undoes this.

    Raises:
        ConfigurationError: This version of aiobotocore, or this kind of session, does not allow it.
    """
    if type(http_session).__module__ == "aiobotocore.httpsession" and not hasattr(type(http_session), _NAME):
        raise ConfigurationError(
            "This aiobotocore is too old: pip install 'streamify[aio]' gets a newer one."
        )
    if not hasattr(type(http_session), _NAME):
        return lambda: None
    lent = getattr(vars(http_session).get(_NAME), "__self__", None)
    if not isinstance(lent, LentSessions):
        lent = LentSessions(http_session)
        setattr(http_session, _NAME, lent.session_for)
    lent.users += 1

    def take_back() -> None:
        lent.users -= 1
        if not lent.users:
            with contextlib.suppress(AttributeError):
                delattr(http_session, _NAME)
            lent.detach()

    return take_back


class LentSessions:
    """Our sessions on the connectors of one aiobotocore client.

    Attributes:
        users: How many transports use them.
    """

    def __init__(self, http_session: Any) -> None:
        self.users = 0
        self._own_session_for = getattr(type(http_session), _NAME)
        self._http_session = weakref.ref(http_session)  # no cycle
        self._lent: weakref.WeakKeyDictionary[Any, _Lent] = weakref.WeakKeyDictionary()

    async def session_for(self, proxy_url: str | None) -> Any:
        """Return the aiohttp session for a request."""
        own = await self._own_session_for(self._http_session(), proxy_url)
        exchange = current_exchange.get()
        if exchange is None:
            return own
        if own.connector._loop is not exchange.loop:
            raise ConfigurationError(
                "The aiobotocore client belongs to another event loop: make it, and the AsyncStreamClient "
                "around it, in the loop that uses them."
            )
        found = self._lent.get(own)
        if found is None:
            found = self._lent[own] = _Lent(own.connector)
        return found

    def detach(self) -> None:
        """Release the connectors."""
        for lent in self._lent.values():
            lent.session.detach()
        self._lent.clear()


class _Lent:
    """Used by aiobotocore as an aiohttp session."""

    def __init__(self, connector: Any) -> None:
        self.session = make_session(connector, owned=False, skip_auto_headers={"content-type"})

    def request(self, method: str, *, data: Any = None, timeout: Any = None, **options: Any) -> Any:
        """Send a request, without following redirects."""
        if isinstance(data, bytes | bytearray) and len(data) > LARGE:
            data = io.BytesIO(data)
        return self.session.request(method, data=data, allow_redirects=False, **options)

    def __del__(self) -> None:
        self.session.detach()
