"""Rows, encoded one by one and written in batches limited by size and time.

One chunk per row doubled the bytes of verified streams and cost ten times the encoding.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, Any

from streamify_server.checkpoints import Checkpoint, StreamHandedOver
from streamify_server.runtime import ticker as _ticker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from .output import Output

WriteText = Callable[[str], Any]
WriteRow = Callable[[Any], Any]

_BATCH = 32 * 1024  # characters after which a batch is written at once
_UNCOUNTED = 32  # at most so many rows are counted together
_MOMENT = 0.002  # seconds that a row waits for more rows


class Rows:
    """A body of rows.

    Args:
        rows: The rows, from a sync or an async iterable.
        encoder: Turns a function that takes text into one that takes a row.
        first: Text before the rows.
    """

    def __init__(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        encoder: Callable[[WriteText], WriteRow],
        first: Iterable[Any] | None = None,
    ) -> None:
        self._rows = rows
        self._encoder = encoder
        self._first = first
        if callable(close := getattr(rows, "aclose", None) or getattr(rows, "close", None)):
            self.close = close

    def _streamify_push(self, out: Output) -> Any:
        batch = _Batch(out)
        write_row = self._encoder(batch.texts.append)
        if self._first is not None:
            write_row(self._first)
            batch.write()
        if isinstance(self._rows, AsyncIterable):
            return _push_async(self._rows, write_row, batch)
        return _push(self._rows, write_row, batch)

    def _streamify_pull(self) -> tuple[Any, Any, None]:
        if isinstance(self._rows, AsyncIterable):
            return None, self.__aiter__(), None
        return iter(self), None, None

    def __iter__(self) -> Iterator[str]:
        assert not isinstance(self._rows, AsyncIterable)
        text: list[str] = []
        write_row = self._encoder(text.append)
        for row in [self._first] if self._first is not None else []:
            write_row(row)
        for row in self._rows:
            if type(row) is not Checkpoint:
                write_row(row)
                yield "".join(text)
                text.clear()
        if text:
            yield "".join(text)

    async def __aiter__(self) -> AsyncIterator[str]:
        assert isinstance(self._rows, AsyncIterable)
        text: list[str] = []
        write_row = self._encoder(text.append)
        if self._first is not None:
            write_row(self._first)
        async for row in self._rows:
            if type(row) is not Checkpoint:
                write_row(row)
                yield "".join(text)
                text.clear()
        if text:
            yield "".join(text)


def _push(rows: Iterable[Any], write_row: WriteRow, batch: _Batch) -> None:
    texts, lock = batch.texts, batch.lock
    try:
        for row in rows:
            if type(row) is Checkpoint:
                with lock:
                    batch.checkpoint(row)
                continue
            batch.at = None
            write_row(row)
            if len(texts) >= batch.counts_at:
                with lock:
                    if batch.is_full():
                        batch.write()
    except StreamHandedOver:
        batch.stop()
        raise
    except BaseException:
        batch.abandon()
        raise
    batch.finish()


async def _push_async(rows: AsyncIterable[Any], write_row: WriteRow, batch: _Batch) -> None:
    texts, lock = batch.texts, batch.lock
    try:
        async for row in rows:
            if type(row) is Checkpoint:
                if batch.tells:
                    await batch.room()
                with lock:
                    batch.checkpoint(row)
                continue
            batch.at = None
            write_row(row)
            if len(texts) >= batch.counts_at:
                with lock:
                    full = batch.is_full()
                if full:
                    await batch.room()
                    with lock:
                        batch.write()
    except StreamHandedOver:
        batch.stop()
        raise
    except BaseException:
        batch.abandon()
        raise
    await batch.room()
    batch.finish()


class _Batch:
    """Pending text, to be written by the producer or by the ticker's thread.

    The producer appends to `texts` without the lock, which would cost as much as everything else. The holder
    of the lock takes from the front. Both are atomic in the interpreter.

    Attributes:
        lock: Held while text is written.
        texts: The text, as it was added.
        counts_at: The number of texts at which the producer checks their size.
        at: The producer's position after the last row, if it is to be sent once that row has been written;
            None before the next row is added.
    """

    def __init__(self, out: Output) -> None:
        self.lock = threading.Lock()
        self.texts: list[str] = []
        self.counts_at = 1
        self._counted = self._characters = 0  # counted texts, and their characters
        self._step = 1  # how many texts are counted together
        self._idle = True  # rows come so slowly that the next one need not wait
        self.at: Checkpoint | None = None
        self._out = out
        self._over = False
        self._writes = 0
        self._seen = 0

    def is_full(self) -> bool:
        """Whether to write the text without waiting for more; with the lock held."""
        texts = self.texts
        self._characters += sum(map(len, texts[self._counted :]))
        self._counted = len(texts)
        if self._idle or self._characters >= _BATCH:
            return True
        self.counts_at = self._counted + self._step
        return False

    def write(self) -> None:
        """Write all pending text; with the lock held."""
        self._writes += 1
        if self._idle:
            self._idle = False
            _ticker.watch(self)
        there = len(self.texts)
        text = "".join(self.texts[:there])
        # Only few long texts may be added uncounted, or they would hold many times a batch. The latest ones
        # predict the length of the next ones; there may be many short ones before them.
        latest = self.texts[max(0, there - _UNCOUNTED) : there]
        self._step = max(1, min(_UNCOUNTED, _BATCH * len(latest) // (sum(map(len, latest)) or 1)))
        del self.texts[:there]
        self._counted = self._characters = 0
        self.counts_at = self._step
        if text:
            self._out.put(text)

    @property
    def tells(self) -> bool:
        """Whether a checkpoint must be sent now."""
        return self._out.tells

    def checkpoint(self, at: Checkpoint) -> None:
        """Send a checkpoint, now or when the rows are written; with the lock held."""
        if not self.texts:
            self._out.checkpoint(at)
        elif self._out.tells:
            self.write()
            self._out.checkpoint(at)
        elif self._out.goes_on:
            self.at = at

    def stop(self) -> None:
        """Stop writing."""
        with self.lock:
            self._over = True

    async def room(self) -> None:
        """Wait until there is room; always give other tasks a turn."""
        await self._out.drained()

    def finish(self) -> None:
        """Write the rest."""
        with self.lock:
            self._over = True
            self._idle = False
            self.write()

    def abandon(self) -> None:
        """Write the rows from before an error, if still possible."""
        try:
            self.finish()
        except BaseException:
            pass

    def tick(self, now: float) -> float | None:
        """Write rows that have waited long enough; on the ticker's thread."""
        if not self.lock.acquire(blocking=False):
            return now + _MOMENT
        try:
            return None if self._over else self._tick(now)
        except BaseException:
            return None  # writing failed; the producer's next batch will raise
        finally:
            self.lock.release()

    def _tick(self, now: float) -> float | None:
        if self._writes != self._seen:
            self._seen = self._writes  # the producer writes on its own
        elif not self.texts and self._rests():
            return None
        elif not self._out.full:
            self.write()
            self._seen = self._writes
            at, self.at = self.at, None  # the producer may add a row in the meantime
            if at is not None:
                self._out.checkpoint(at, waits=True)
        return now + _MOMENT

    def _rests(self) -> bool:
        """Let the producer write its next row directly, unless it has just added one."""
        self._idle, self.counts_at = True, 1
        if self.texts:
            self._idle = False
        return self._idle
