"""An iterator that says something while the one below it is silent."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

_END = object()


class with_pauses:  # noqa: N801  (used like a generator function)
    """The items, and `filler` whenever none has come for `seconds`.

    The items are made on a thread of their own. One item is made ahead of what was asked for at most.
    """

    def __init__(self, items: Iterator[Any], seconds: float, filler: Any) -> None:
        self._items = items
        self._seconds = seconds
        self._filler = filler
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pending = False

    def __iter__(self) -> with_pauses:
        return self

    def __next__(self) -> Any:
        if not self._pending:
            self._ask(True)
        try:
            item, error = self._made.get(timeout=self._seconds)
        except queue.Empty:
            return self._filler
        self._pending = False
        if error is not None:
            raise error
        if item is _END:
            raise StopIteration
        return item

    def close(self) -> None:
        """Close the items, once the one that is being made is there."""
        if self._thread is None:
            self._items.close()  # type: ignore[attr-defined]
        else:
            self._asked.put(False)
            self._thread.join()

    def _ask(self, more: bool) -> None:
        if self._thread is None:
            context = contextvars.copy_context()
            self._thread = threading.Thread(
                target=context.run, args=(self._make,), name="streamify-keepalive", daemon=True
            )
            self._thread.start()
        self._pending = True
        self._asked.put(more)

    def _make(self) -> None:
        while self._asked.get():
            try:
                self._made.put((next(self._items, _END), None))
            except BaseException as error:
                self._made.put((None, error))
        self._items.close()  # type: ignore[attr-defined]


async def with_pauses_async(items: AsyncIterator[Any], seconds: float, filler: Any) -> AsyncIterator[Any]:
    """The items, and `filler` whenever none has come for `seconds`."""
    import asyncio

    making: asyncio.Task[Any] | None = None
    try:
        while True:
            making = making or asyncio.ensure_future(_next(items))
            await asyncio.wait([making], timeout=seconds)
            if not making.done():
                yield filler
                continue
            item = making.result()
            making = None
            if item is _END:
                return
            yield item
    finally:
        if making is not None:
            making.cancel()
            await asyncio.wait([making])
        await items.aclose()  # type: ignore[attr-defined]


async def _next(items: AsyncIterator[Any]) -> Any:
    try:
        return await items.__anext__()
    except StopAsyncIteration:
        return _END
