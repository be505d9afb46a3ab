"""Serves the inspector's page and its stream of changes over HTTP.

It runs on the event loop of the emulator and takes events as they happen, so that no queue between them can
grow. Pages fetch what is new to them from one bounded store, so that a slow page costs nothing.
"""

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from streamify_server.local.events import Event
from streamify_server.local.http.connection import Connection
from streamify_server.local.http.listener import Listener
from streamify_server.local.http.request import Request

from .store import Cursor, Store, Waterfall
from .timeline import LONG_GAP

# The minimum time between two updates of a page, however many chunks there are.
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


# Repeats the invocation with this request id; returns None, or an error as a sentence.
Replay = Callable[[str], str | None]


class Inspector:
    """Serves the page.

    Args:
        payloads: Whether to show the content of payloads, responses and logs, or only times and sizes.
        about: Information about the emulator to show on the page.
        replay: Repeats an invocation.
        host: The address to listen on.
    """

    def __init__(
        self, *, payloads: bool, about: Mapping[str, Any], replay: Replay, host: str = "127.0.0.1"
    ) -> None:
        self._store = Store(payloads=payloads)
        # The first part of every path, not a cookie, which browsers send to all ports of 127.0.0.1.
        self._token = secrets.token_urlsafe(24)
        about = {**about, "payloads": payloads, "longGap": LONG_GAP}
        self._listener = Listener(InspectorServer(self._store, self._token, about, replay), host=host)

    async def open(self, port: int = 0) -> None:
        """Start serving.

        Raises:
            OSError: The port is taken.
        """
        await self._listener.open(port)

    async def close(self) -> None:
        """Stop serving and close the connections of open pages."""
        await self._listener.close()

    def observe(self, event: Event) -> None:
        """Take an event of the emulator."""
        self._store.observe(event)

    @property
    def url(self) -> str:
        """The URL of the page, including the token."""
        return f"http://{self._listener.address}/{self._token}/"


class InspectorServer:
    """Answers requests whose path starts with `/<token>/`.

    With a token in a query or a cookie, files and events would need rules of their own, and a cookie would be
    sent to every other port of 127.0.0.1.

    Args:
        store: The invocations to show.
        token: The first part of the path of every request.
        about: Information about the emulator to show on the page.
        replay: Repeats an invocation.
    """

    def __init__(self, store: Store, token: str, about: Mapping[str, Any], replay: Replay) -> None:
        self._store = store
        self._replay = replay
        self._token = token
        self._about = about
        static = files(__package__).joinpath("static")
        self._files = {file.name: file for file in static.iterdir()}

    async def __call__(self, request: Request, connection: Connection) -> None:
        token, _, name = request.target.partition("?")[0].removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return await _text(connection, 403, _WRONG_TOKEN)
        action, _, number = name.partition("/")
        match request.method, action:
            case "GET", "events":
                return await self._events(connection)
            case "POST", "clear":
                self._store.clear()
                return await connection.respond(204, _SECURITY)
            case ("POST", "replay") | ("GET", "export"):
                return await self._act(action, number, connection)
            case "GET" | "HEAD", _ if file := self._files.get(name or "index.html"):
                content_type = _CONTENT_TYPES[Path(file.name).suffix]
                headers = [("content-type", content_type), *_SECURITY]
                return await connection.respond(200, headers, file.read_bytes())
        return await _text(connection, 404, "There is no such page.\n")

    async def _act(self, action: str, number: str, connection: Connection) -> None:
        found = self._store.find(int(number)) if number.isdecimal() and len(number) < 10 else None
        if found is None:
            return await _text(connection, 404, "This invocation is no longer kept.\n")
        if action == "export":
            return await _download(connection, found)
        if problem := self._replay(found.request_id):
            return await _text(connection, 409, f"{problem}\n")
        return await connection.respond(204, _SECURITY)

    async def _events(self, connection: Connection) -> None:
        """Send server-sent events: `hello`, then a message with all changes whenever there are some."""
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


async def _download(connection: Connection, invocation: Waterfall) -> None:
    disposition = f'attachment; filename="invocation-{invocation.request_id}.json"'
    headers = [("content-type", "application/json"), ("content-disposition", disposition), *_SECURITY]
    body = json.dumps(invocation.export(), indent=2, ensure_ascii=False)
    await connection.respond(200, headers, body.encode("utf-8", "backslashreplace"))


async def _text(connection: Connection, status: int, message: str) -> None:
    headers = [("content-type", "text/plain; charset=utf-8"), *_SECURITY]
    await connection.respond(status, headers, message.encode())


def _event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    # ASCII JSON contains no line breaks, so it fits in one `data:` line.
    lines = [*([f"event: {name}"] if name else []), f"data: {json.dumps(data, separators=(',', ':'))}"]
    return ("\n".join(lines) + "\n\n").encode()
