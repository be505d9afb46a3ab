"""One streamed response, read with blocking calls."""

from itertools import chain
from types import TracebackType
from typing import Any, Self

from streamify_client.stream.attributes import parse_json
from streamify_client.stream.core import StreamCore
from streamify_client.stream.item_views import ItemViews, bytes_recipe, text_recipe
from streamify_client.stream.reader import Blocking, StreamReader
from streamify_client.stream.views import View, drive
from streamify_client.transports.seam import Transport


class ResponseStream(ItemViews):
    """A function's response as it arrives; what `StreamClient.stream` returns.

    The function is invoked once, on first use: ``with``, iterating, a view, or `open`. Iterating yields text.
    If the loop ends normally, the whole response has arrived; in all other cases an error is raised.
    ``break`` frees the connection at once, except in a ``with`` block, where another view may continue
    reading.

    Example:
        >>> with client.stream("report", {"rows": 3}) as stream:  # doctest: +SKIP
        ...     print(stream.status_code, stream.content_type)
        ...     for chunk in stream.iter_bytes():
        ...         print(len(chunk))
    """

    _reader: StreamReader

    def __init__(
        self, core: StreamCore, transport: Transport, *, encoding: str = "utf-8", errors: str = "strict"
    ) -> None:
        super().__init__(core, encoding=encoding, errors=errors)
        self._reader = StreamReader(core, Blocking(transport))

    def open(self) -> Self:
        """Invoke the function and read up to the start of the body.

        After this the caller must `close` the stream.

        Raises:
            StreamifyError: See `streamify_client.errors`.
        """
        drive(self._reader.refill(None))
        self._reader.opened_explicitly = True
        return self

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> View[str]:
        return self.iter_text()

    def iter_bytes(self, chunk_size: int | None = None) -> View[bytes]:
        """Iterate over the body's bytes, in the pieces in which they arrive.

        Args:
            chunk_size: Wait for pieces of this many bytes instead; only the last one may be smaller.
        """
        return View(self._reader, *bytes_recipe(chunk_size))

    def iter_text(self, encoding: str | None = None, errors: str | None = None) -> View[str]:
        """Iterate over the body's text, decoded as it arrives.

        A character that is split between two chunks stays whole.

        Args:
            encoding: Used instead of the stream's own, which is UTF-8 unless `StreamClient.stream` was given
                another.
            errors: What to do with bytes that cannot be decoded, as for `bytes.decode`. By default they raise
                DecodeError.
        """
        return View(self._reader, *text_recipe(self._text_options(encoding, errors)))

    def read(self) -> bytes:
        """Return the rest of the body as bytes."""
        return b"".join(chain.from_iterable(self.iter_bytes().batches()))

    def text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the rest of the body as text."""
        return "".join(chain.from_iterable(self.iter_text(encoding, errors).batches()))

    def json(self) -> Any:
        """Parse the rest of the body as JSON and return the value.

        Raises:
            DecodeError: It is not JSON.
        """
        return parse_json(self._core, self.read())

    def close(self) -> None:
        """Free the connection, for reuse if the response is complete. Later reads raise StreamClosedError."""
        drive(self._reader.aclose())

    def cancel(self) -> None:
        """End the stream, from any thread.

        This returns at once. In the thread that reads or opens the stream, StreamClosedError is raised.

        The function keeps running and is billed until it ends: Lambda does not stop it when a caller
        disconnects.
        """
        self._core.cancel()
