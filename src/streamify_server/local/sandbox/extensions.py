"""Extensions of one execution environment: who has registered, and the events that wait for them.

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
    """A call of the Extensions API that is refused; `kind` is the error type that says how."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Extensions:
    """The registered extensions, each with a queue of its own."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[Mapping[str, Any]]] = {}
        self._events: dict[str, Sequence[str]] = {}
        self._names: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._ready = asyncio.Event()
        self._ready.set()

    def expect(self, name: str) -> None:
        """An extension was started by this name: the first invocation waits until it waits for an event."""
        self._awaited.add(name)
        self._ready.clear()

    def settled(self, name: str) -> None:
        """An extension waits for its first event, or has ended before."""
        self._awaited.discard(name)
        if not self._awaited:
            self._ready.set()

    async def ready(self) -> None:
        """Wait for the extensions that were started."""
        await self._ready.wait()

    def register(self, name: str | None, events: Any) -> str:
        """Register an extension; return the identifier that it has to show.

        Raises:
            ExtensionError: It has no name, an unknown event, or has registered before.
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
        """The next event of an extension, once there is one.

        Raises:
            ExtensionError: No extension registered with this identifier.
        """
        known = self.known(identifier)
        self.settled(self._names[known])
        return await self._queues[known].get()

    def known(self, identifier: str | None) -> str:
        """The identifier, if an extension registered with it.

        Raises:
            ExtensionError: None did.
        """
        if identifier not in self._queues:
            message = (
                f"Unknown extension {identifier}" if identifier else "Missing Lambda-Extension-Identifier"
            )
            raise ExtensionError("Extension.UnknownExtensionIdentifier", message)
        return identifier

    @property
    def registered(self) -> bool:
        """Whether any has."""
        return bool(self._queues)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Hand an event to every extension that registered for its kind."""
        for identifier, queue in self._queues.items():
            if event["eventType"] in self._events[identifier]:
                queue.put_nowait(event)


def external_extensions(opt: Path | None) -> list[Path]:
    """The programs of the layers that Lambda starts beside the runtime: those in /opt/extensions."""
    folder = opt / "extensions" if opt else None
    if folder is None or not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_file() and os.access(path, os.X_OK)]
