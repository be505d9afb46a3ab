"""The last invocations, in memory and bounded, and what is new about them for each page that looks."""

from collections.abc import Callable
from itertools import count
from typing import Any

from streamify_server.local.events import Event, FaultInjected, InvocationStarted, LogWritten

from .waterfall import Limits, Seen, Waterfall

Cursor = dict[int, Seen]


class Store:
    """Takes in events and hands out changes; it does no I/O and belongs to one thread.

    Args:
        payloads: Whether to keep what payloads and responses say, and not only times and sizes.
        limits: How much to keep.
    """

    def __init__(self, *, payloads: bool = True, limits: Limits | None = None) -> None:
        self.payloads = payloads
        self.on_change: set[Callable[[], None]] = set()
        self._limits = limits or Limits()
        self._numbers = count(1)
        self._waterfalls: dict[str, Waterfall] = {}

    def observe(self, event: Event) -> None:
        """Take in what happened; what belongs to an invocation that is no longer kept is dropped."""
        if isinstance(event, LogWritten | FaultInjected):
            return
        if isinstance(event, InvocationStarted):
            if len(self._waterfalls) >= self._limits.invocations:
                del self._waterfalls[next(iter(self._waterfalls))]
            self._waterfalls[event.request_id] = Waterfall(
                next(self._numbers), event, payloads=self.payloads, limits=self._limits
            )
        elif event.request_id in self._waterfalls:
            self._waterfalls[event.request_id].update(event)
        else:
            return
        self._changed()

    def clear(self) -> None:
        """Forget everything that was seen so far."""
        self._waterfalls.clear()
        self._changed()

    def changes(self, cursor: Cursor) -> dict[str, Any]:
        """What is new since the last call with this cursor, which is brought up to date.

        Returns:
            `kept`: the numbers of all invocations that are kept. `invocations`: those that changed; each
            with its bars from the index `from` on, which replace whatever was given for them before.
        """
        changed = []
        for waterfall in self._waterfalls.values():
            seen = cursor.get(waterfall.number, Seen())
            if seen.revision != waterfall.revision:
                changes, cursor[waterfall.number] = waterfall.since(seen)
                changed.append(changes)
        kept = [waterfall.number for waterfall in self._waterfalls.values()]
        for number in set(cursor).difference(kept):
            del cursor[number]
        return {"kept": kept, "invocations": changed}

    def _changed(self) -> None:
        for notify in tuple(self.on_change):
            notify()
