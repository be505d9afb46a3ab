"""Views that split a body into lines, JSON values, server-sent events, or read it as a file."""

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from streamify_client._extras import require
from streamify_client.errors import ConfigurationError, DecodeError
from streamify_client.files.stream_file import RestDecoder, StreamFile
from streamify_client.wire.errors import WireError, why_not_json
from streamify_client.wire.jsonitems import JsonItemsDecoder
from streamify_client.wire.jsonl import JsonLinesDecoder
from streamify_client.wire.lines import MAX_ITEM, LineDecoder
from streamify_client.wire.sse import SseDecoder, SseFields
from streamify_client.wire.text import TextDecoder

from .attributes import StreamAttributes
from .core import StreamCore
from .views import AsyncView, BytesDecoder, Decoder, PiecesDecoder, Source, View

if TYPE_CHECKING:
    from streamify_client.files.arrow import ArrowStream

T = TypeVar("T")
Recipe = tuple[Hashable, Callable[[], Decoder[T]]]
"""What a view is made of: what makes two views the same, and a new decoder."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a ``text/event-stream``.

    Attributes:
        event: Its type; "message" if the stream did not set one.
        data: Its data, without the last line feed.
        id: The last event id in the stream, in this event or an earlier one; "" if none.
        retry: The last reconnection time in the stream, in milliseconds; None if none.
    """

    event: str
    data: str
    id: str = ""
    retry: int | None = None
    _origin: tuple[str, str | None] = field(default=("", None), repr=False, compare=False)

    def json(self) -> Any:
        """Parse the data as JSON and return the value.

        Raises:
            DecodeError: It is not JSON.
        """
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            function, request_id = self._origin
            reason = why_not_json(error)
            raise DecodeError(
                f"The data of the event {self.event!r} is not JSON: {reason}: {self.data[:60]!r}.",
                function=function or None,
                request_id=request_id,
            ) from error


class EventDecoder:
    """Decodes server-sent events into `ServerSentEvent` objects, which know their stream."""

    def __init__(self, max_size: int, core: StreamCore) -> None:
        self._decoder = SseDecoder(max_size=max_size)
        self._core = core

    @property
    def error(self) -> WireError | None:
        """As in every decoder."""
        return self._decoder.error

    def receive(self, data: bytes) -> list[ServerSentEvent]:
        """Take bytes in; return the events that are complete."""
        return self._events(self._decoder.receive(data))

    def finish(self) -> list[ServerSentEvent]:
        """The body has ended: an event without its blank line is discarded, as the standard requires."""
        return self._events(self._decoder.finish())

    def unread(self, left: list[ServerSentEvent]) -> list[bytes]:
        """Return the bytes after the last event handed out."""
        return self._decoder.unread(left)

    def forget(self) -> None:
        """As in every decoder."""
        self._decoder.forget()

    @property
    def line_feed_due(self) -> bool:
        """As `SseDecoder.line_feed_due`."""
        return self._decoder.line_feed_due

    def _events(self, found: list[SseFields]) -> list[ServerSentEvent]:
        origin = (self._core.invocation.function, self._core.request_id)
        return [ServerSentEvent(*fields, origin) for fields in found]


class ItemViews(StreamAttributes):
    """The views of a stream that is read with blocking calls."""

    _reader: Source

    def close(self) -> None:
        """Free the connection."""
        raise NotImplementedError

    def iter_lines(
        self, encoding: str | None = None, errors: str | None = None, *, max_size: int = MAX_ITEM
    ) -> View[str]:
        r"""Iterate over the body's lines, without their ends, each as soon as it is complete.

        Only ``\n`` and ``\r\n`` end a line: a lone ``\r`` and U+2028 are content. After ``break`` in a
        ``with`` block, the next view begins with the following line.

        Args:
            encoding: Used instead of the stream's own.
            errors: What to do with bytes that cannot be decoded, as for `bytes.decode`.
            max_size: The maximum length of a line in bytes; a longer one raises DecodeError.
        """
        return View(self._reader, *_lines(self._text_options(encoding, errors), max_size))

    def iter_json(self, *, max_size: int = MAX_ITEM) -> View[Any]:
        """Iterate over the values of JSON Lines: one value per line, in UTF-8; blank lines are skipped.

        Args:
            max_size: The maximum length of a line in bytes.

        Raises:
            DecodeError: A line is not JSON; the message says which. All values before it were yielded.
        """
        return View(self._reader, *_json_lines(max_size))

    def iter_json_items(self, path: str = "item", *, max_size: int = MAX_ITEM) -> View[Any]:
        """Iterate over the values at a path of one large JSON document, each as soon as it is complete.

        The parser reads ahead, so no other view can continue in mid-stream.

        Args:
            path: In ijson's notation: ``item`` for the elements of a top-level array, ``rows.item`` for those
                of the array in ``rows``.
            max_size: The maximum size of a value, approximately in bytes.

        Raises:
            ConfigurationError: ijson is missing (``pip install 'streamify[json]'``).
            DecodeError: The body is not JSON, or the document ends too early.
        """
        return View(self._reader, *_json_items(path, max_size))

    def iter_sse(self, *, max_size: int = MAX_ITEM) -> View[ServerSentEvent]:
        """Iterate over server-sent events, following the HTML standard.

        An event is complete at its blank line; an incomplete one at the end of the body is discarded, as the
        standard requires. Bytes that are not UTF-8 become U+FFFD.

        Args:
            max_size: The maximum size of an event in bytes.
        """
        return View(self._reader, *_events(max_size, self._core))

    def as_file(self, *, full_reads: bool = False) -> StreamFile:
        """Return the rest of the body as a binary file.

        It raises the errors of the stream: an incomplete body never looks like the end of the file. Closing
        the file closes the stream.

        Args:
            full_reads: Whether ``read(n)`` waits until it has `n` bytes, as Arrow requires. Otherwise it
                returns what is available.
        """
        view = View(self._reader, "file", RestDecoder)
        held = view.decoder
        assert isinstance(held, RestDecoder)
        return StreamFile(view, held, self.close, full_reads=full_reads)

    def to_arrow(self) -> "ArrowStream":
        """Return the rest of the body, an Arrow IPC stream, for libraries that accept Arrow data.

        Polars, DuckDB, pandas and pyarrow read it through ``__arrow_c_stream__``.

        Raises:
            ConfigurationError: pyarrow is missing (``pip install 'streamify[arrow]'``).
        """
        from streamify_client.files.arrow import ArrowStream

        require("pyarrow", "to_arrow", "arrow")
        return ArrowStream(self.as_file(full_reads=True), self._explain)


class AsyncItemViews(StreamAttributes):
    """The same views for asyncio; ``as_file`` and ``to_arrow`` are for blocking calls only."""

    _reader: Source

    def iter_lines(
        self, encoding: str | None = None, errors: str | None = None, *, max_size: int = MAX_ITEM
    ) -> AsyncView[str]:
        """As `ResponseStream.iter_lines`."""
        return AsyncView(self._reader, *_lines(self._text_options(encoding, errors), max_size))

    def iter_json(self, *, max_size: int = MAX_ITEM) -> AsyncView[Any]:
        """As `ResponseStream.iter_json`."""
        return AsyncView(self._reader, *_json_lines(max_size))

    def iter_json_items(self, path: str = "item", *, max_size: int = MAX_ITEM) -> AsyncView[Any]:
        """As `ResponseStream.iter_json_items`."""
        return AsyncView(self._reader, *_json_items(path, max_size))

    def iter_sse(self, *, max_size: int = MAX_ITEM) -> AsyncView[ServerSentEvent]:
        """As `ResponseStream.iter_sse`."""
        return AsyncView(self._reader, *_events(max_size, self._core))


def bytes_recipe(chunk_size: int | None) -> Recipe[bytes]:
    """The body's bytes."""
    if chunk_size is None:
        return "bytes", BytesDecoder
    _check_size(chunk_size, "chunk_size")
    return ("bytes", chunk_size), lambda: PiecesDecoder(chunk_size)


def text_recipe(options: tuple[str, str]) -> Recipe[str]:
    """The body's text."""
    return ("text", *options), lambda: TextDecoder(*options)


def _lines(options: tuple[str, str], max_size: int) -> Recipe[str]:
    _check_size(max_size)
    return ("lines", *options, max_size), lambda: LineDecoder(*options, max_size=max_size)


def _json_lines(max_size: int) -> Recipe[Any]:
    _check_size(max_size)
    return ("json lines", max_size), lambda: JsonLinesDecoder(max_size=max_size)


def _json_items(path: str, max_size: int) -> Recipe[Any]:
    _check_size(max_size)
    require("ijson", "iter_json_items", "json")
    return ("json items", path, max_size), lambda: JsonItemsDecoder(path, max_size=max_size)


def _events(max_size: int, core: StreamCore) -> Recipe[ServerSentEvent]:
    _check_size(max_size)
    return ("events", max_size), lambda: EventDecoder(max_size, core)


def _check_size(max_size: int, name: str = "max_size") -> None:
    if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
        raise ConfigurationError(f"{name} must be a whole number of bytes, 1 or more, not {max_size!r}.")
