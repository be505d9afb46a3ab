"""File objects for a stream, for pandas, pyarrow, csv and similar readers."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from streamify_client.wire.errors import WireError

_READ_AHEAD = 8192  # what `peek` shows: enough for a line, cheap to copy for each one


class RestDecoder:
    """Keeps the data of a read that a file object has not used, so that another view can continue."""

    error: WireError | None = None

    def __init__(self) -> None:
        self.rest: memoryview = memoryview(b"")

    def receive(self, data: bytes) -> list[bytes]:
        """Return the bytes; the file object keeps their rest here."""
        return [data]

    def finish(self) -> list[bytes]:
        """There is nothing left."""
        return []

    def unread(self, left: Sequence[bytes] = ()) -> list[bytes]:
        """Return what was not read."""
        return list(left) or [bytes(self.rest)]

    def forget(self) -> None:
        """There is nothing to forget."""


class StreamFile(io.BufferedIOBase):
    """A binary file that reads a stream once, from its beginning to its end.

    An incomplete stream raises; it never looks like the end of the file. `read(n)` returns what is available,
    at least one byte, unless the file does full reads.

    Args:
        chunks: The stream's chunks.
        held: Keeps the rest of a chunk.
        close: Frees the stream.
        full_reads: Return fewer bytes than requested only at the end.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        held: RestDecoder,
        close: Callable[[], None],
        *,
        full_reads: bool = False,
    ) -> None:
        self._chunks: Iterator[bytes] | None = chunks
        self._held = held
        self._close = close
        self._full_reads = full_reads
        self._position = 0

    @property
    def name(self) -> str:
        """A name for messages; it is not a path."""
        return "<stream>"

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, ``b""`` at the end; without a size, all that is left."""
        if size is None or size < 0:
            return b"".join(iter(self.read1, b""))
        data = self.read1(size)
        if not self._full_reads or len(data) == size:
            return data
        parts = [data]
        missing = size - len(data)
        while missing and (data := self.read1(missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Return what is there, up to `size` bytes; wait only if nothing is."""
        if size == 0:
            self._open_chunks()
            return b""
        chunk = self._chunk()
        end = len(chunk) if size < 0 else min(size, len(chunk))
        self._held.rest = chunk[end:]
        self._position += end
        return bytes(chunk[:end])

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer, as `read` does."""
        return _fill(buffer, self.read)

    def readinto1(self, buffer: Any, /) -> int:
        """Read into a buffer, as `read1` does."""
        return _fill(buffer, self.read1)

    def peek(self, size: int = 0, /) -> bytes:
        """Return some of the bytes that come next and leave them there."""
        return bytes(self._chunk()[:_READ_AHEAD])

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def close(self) -> None:
        """Close the file, and the stream under it."""
        if not self.closed:
            self._chunks = None
            self._close()
        super().close()

    def __del__(self) -> None:
        """Do nothing: IOBase would close the stream, and what that means is for its view to say."""

    def _open_chunks(self) -> Iterator[bytes]:
        if self._chunks is None:
            raise ValueError("I/O operation on closed file.")
        return self._chunks

    def _chunk(self) -> memoryview:
        chunks = self._open_chunks()
        while not self._held.rest:
            data = next(chunks, None)
            if data is None:
                break
            self._held.rest = memoryview(data)
        return self._held.rest


def _fill(buffer: Any, read: Callable[[int], bytes]) -> int:
    with memoryview(buffer).cast("B") as view:
        data = read(len(view))
        view[: len(data)] = data
    return len(data)


class TextReader(io.TextIOBase):
    r"""A text file over pieces of text, which `read` hands out as they come.

    `io.TextIOWrapper` waits until it has all that was asked for, so a parser that asks for a large block
    would see no row before the block is full. Lines end at ``\n``, and their ends are left as they are.
    """

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._text = ""
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> str:
        """Return what is there, up to `size` characters, ``""`` at the end; without a size, all."""
        if size is None or size < 0:
            return self._take(len(self._text)) + "".join(self._texts)
        return self._take(self._position + size) if self._has_text() else ""

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # the base class takes no None
        """Return the next line with its end."""
        parts = []
        left = size if size is not None and size >= 0 else None
        while left != 0 and self._has_text():
            end = self._text.find("\n", self._position) + 1 or len(self._text)
            if left is not None:
                end = min(end, self._position + left)
            part = self._take(end)
            parts.append(part)
            if part.endswith("\n"):
                break
            left = None if left is None else left - len(part)
        return "".join(parts)

    def _has_text(self) -> bool:
        while self._position >= len(self._text):
            text = next(self._texts, None)
            if text is None:
                return False
            self._text, self._position = text, 0
        return True

    def _take(self, end: int) -> str:
        start, self._position = self._position, min(end, len(self._text))
        return self._text[start:end]
