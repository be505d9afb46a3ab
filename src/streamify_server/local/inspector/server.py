"""The inspector's page and its stream of changes, over HTTP, for those who know the token."""

import asyncio
import hmac
import json
import time
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from streamify_server.local.http1 import Connection
from streamify_server.local.request import Request

from .store import Cursor, Store

# Pages are told of changes at most this often, however many chunks there are.
_PAUSE_SECONDS = 0.05
_KEEPALIVE_SECONDS = 15.0
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_SECURITY = [
    ("content-security-policy", _POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
]
_WRONG_TOKEN = "The inspector's URL holds a token that is new at each start: open the one printed last.\n"


class InspectorServer:
    """Answers under `/<token>/` and nowhere else.

    Args:
        store: What it shows.
        token: What the path of every request must start with.
        about: What the page says of the server that it looks at.
    """

    def __init__(self, store: Store, token: str, about: Mapping[str, Any]) -> None:
        self._store = store
        self._token = token
        self._about = about
        static = files(__package__).joinpath("static")
        self._files = {file.name: file for file in static.iterdir()}

    async def __call__(self, request: Request, connection: Connection) -> None:
        token, _, name = request.target.partition("?")[0].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            message = (
                "The inspector's URL holds a token that is new at each start: open the one printed last.\n"
            )
            return await _text(connection, 403, message)
        match request.method, name:
            case "GET", "events":
                return await self._events(connection)
            case "POST", "clear":
                self._store.clear()
                return await connection.respond(204, _SECURITY)
            case "GET" | "HEAD", _ if file := self._files.get(name or "index.html"):
                content_type = _CONTENT_TYPES[Path(file.name).suffix]
                headers = [("content-type", content_type), *_SECURITY]
                return await connection.respond(200, headers, file.read_bytes())
        return await _text(connection, 404, "There is no such page.\n")

    async def _events(self, connection: Connection) -> None:
        """Server-sent events: `hello`, then a message with all changes whenever there are some."""
        await connection.start(200, [("content-type", "text/event-stream"), *_SECURITY])
        await connection.send(_event(self._about, name="hello"))
        changed = asyncio.Event()
        changed.set()
        self._store.on_change.add(changed.set)
        cursor: Cursor = {}
        try:
            while True:
                if await _is_set(changed, _KEEPALIVE_SECONDS):
                    changed.clear()
                    await connection.send(_event({"now": time.time(), **self._store.changes(cursor)}))
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    await connection.send(b":\n\n")
        finally:
            self._store.on_change.discard(changed.set)


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _text(connection: Connection, status: int, message: str) -> None:
    headers = [("content-type", "text/plain; charset=utf-8"), *_SECURITY]
    await connection.respond(status, headers, message.encode())


def _event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    # JSON in ASCII has no line breaks of any kind, so one `data:` line holds it.
    lines = [*([f"event: {name}"] if name else []), f"data: {json.dumps(data, separators=(',', ':'))}"]
    return ("\n".join(lines) + "\n\n").encode()
