"""The Lambda extensions of one execution environment, and their queued events.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

import asyncio
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

EVENTS = ("INVOKE", "SHUTDOWN")


class ExtensionError(Exception):
    """The Extensions API rejects a call; `kind` is the error type in the response."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Extensions:
    """The registered extensions, each with its own event queue."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[Mapping[str, Any]]] = {}
        self._events: dict[str, Sequence[str]] = {}
        self._names: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._ready = asyncio.Event()
        self._ready.set()

    def expect(self, name: str) -> None:
        """Note that an extension was started; the first invocation waits until it asks for an event."""
        self._awaited.add(name)
        self._ready.clear()

    def settled(self, name: str) -> None:
        """Note that an extension has asked for its first event, or has exited before that."""
        self._awaited.discard(name)
        if not self._awaited:
            self._ready.set()

    async def ready(self) -> None:
        """Wait until all started extensions have settled."""
        await self._ready.wait()

    def register(self, name: str | None, events: Any) -> str:
        """Register an extension and return its identifier, which it must send with later calls.

        Raises:
            ExtensionError: The name is missing or already registered, or an event is unknown.
        """
        if not name:
            raise ExtensionError("Extension.InvalidExtensionName", "Empty extension name")
        if not isinstance(events, list) or not set(events) <= set(EVENTS):
            raise ExtensionError("Extension.InvalidEventType", f"Events are {' and '.join(EVENTS)}: {events}")
        if name in self._names.values():
            raise ExtensionError("Extension.AlreadyRegistered", f"{name} has registered already")
        identifier = str(uuid.uuid4())
        self._names[identifier] = name
        self._events[identifier] = events
        self._queues[identifier] = asyncio.Queue()
        return identifier

    async def next(self, identifier: str | None) -> Mapping[str, Any]:
        """Wait for the next event of an extension and return it.

        Raises:
            ExtensionError: The identifier is unknown.
        """
        known = self.known(identifier)
        self.settled(self._names[known])
        return await self._queues[known].get()

    def known(self, identifier: str | None) -> str:
        """Return the identifier if it belongs to a registered extension.

        Raises:
            ExtensionError: The identifier is unknown.
        """
        if identifier not in self._queues:
            message = (
                f"Unknown extension {identifier}" if identifier else "Missing Lambda-Extension-Identifier"
            )
            raise ExtensionError("Extension.UnknownExtensionIdentifier", message)
        return identifier

    @property
    def registered(self) -> bool:
        """Whether any extension has registered."""
        return bool(self._queues)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Queue an event for every extension that registered for its type."""
        for identifier, queue in self._queues.items():
            if event["eventType"] in self._events[identifier]:
                queue.put_nowait(event)


def external_extensions(opt: Path | None) -> list[Path]:
    """Return the executables in the layers' /opt/extensions, which Lambda starts beside the runtime."""
    folder = opt / "extensions" if opt else None
    if folder is None or not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_file() and os.access(path, os.X_OK)]
