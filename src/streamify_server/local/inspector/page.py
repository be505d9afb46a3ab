"""The page, its address and its token, on the event loop of the emulator that it looks at."""

import secrets
from collections.abc import Mapping
from typing import Any

from streamify_server.local.events import Event
from streamify_server.local.listener import Listener

from .hints import LONG_GAP
from .server import InspectorServer
from .store import Store


class Inspector:
    """Serves the page; it lives on the event loop of the emulator whose events it is given.

    Args:
        payloads: Whether to show what payloads and responses say, or only times and sizes.
        about: What the page says of the server that it looks at.
        host: The address to listen on.
    """

    def __init__(self, *, payloads: bool, about: Mapping[str, Any], host: str = "127.0.0.1") -> None:
        self._store = Store(payloads=payloads)
        self._token = secrets.token_urlsafe(24)
        about = {**about, "payloads": payloads, "longGap": LONG_GAP}
        self._listener = Listener(InspectorServer(self._store, self._token, about), host=host)

    async def open(self, port: int = 0) -> None:
        """Start serving.

        Raises:
            OSError: The port is taken.
        """
        await self._listener.open(port)

    async def close(self) -> None:
        """Stop serving; pages that are open are told so by the end of their connections."""
        await self._listener.close()

    def observe(self, event: Event) -> None:
        """Take in an event of the emulator."""
        self._store.observe(event)

    @property
    def url(self) -> str:
        """The URL of the page, with the token that lets its reader in."""
        return f"http://{self._listener.address}/{self._token}/"
