"""Content codings (RFC 9110, 8.4.1): decode gzip, deflate, Brotli and Zstandard as the bytes arrive.

However much a few bytes expand to, no returned piece is larger than `LARGEST_PIECE`, and no more than about
`BATCH` bytes are decoded ahead.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from . import BytesLike, Mark
from .errors import CorruptInputError, TruncatedInputError, WireError

PIECE = 256 * 1024
BATCH = 1024 * 1024  # so much is expanded at once, or one piece
LARGEST_PIECE = 8 * 1024 * 1024  # of Zstandard, whose decompressor cannot be told where to stop
_ZSTD_STEP = 256  # a block of 4 bytes can stand for 128 KiB (RFC 8878, 3.1.1.2)
_ZSTD_WINDOW = 8 * 1024 * 1024  # what RFC 8878 (3.1.1.1.2) wants decoders to accept, and no more


class UnsupportedCodingError(ValueError):
    """A content coding that cannot be decoded here; `package` is what would help, if anything does."""

    def __init__(self, coding: str, package: str | None = None) -> None:
        super().__init__(coding)
        self.coding = coding
        self.package = package


class _Step(Protocol):
    """Decodes one coding."""

    def decompress(self, data: bytes) -> Iterator[bytes]: ...

    def whole(self) -> bool: ...


class ContentDecoder:
    """Decodes a Content-Encoding.

    Args:
        header: The header's value: codings in the order in which they were applied.

    Attributes:
        pending: Whether `more` may return something.

    Raises:
        UnsupportedCodingError: One of them is unknown, or its package is missing.
    """

    def __init__(self, header: str) -> None:
        names = [name.strip().lower() for name in header.split(",")]
        self.error: WireError | None = None
        self._steps = [_make_step(name) for name in reversed(names) if name not in ("", "identity")]
        self.pending: bool = False
        self._waiting: deque[bytes] = deque()
        self._pieces: Iterator[bytes] = iter(())
        self._begun = False

    @property
    def idle(self) -> bool:
        """Whether there is no coding."""
        return not self._steps

    def receive(self, data: BytesLike) -> list[bytes]:
        """Decode bytes; return some pieces, and keep the rest for `more`."""
        return self.receive_each([bytes(data)])

    def receive_each(self, chunks: list[bytes]) -> list[bytes]:
        """Decode chunks; no returned piece crosses their boundaries."""
        self._begun = self._begun or any(chunks)
        self._waiting.extend(chunks)
        return self.more()

    def more(self) -> list[bytes]:
        """Return further pieces; none if there are no more."""
        if self.error:
            raise self.error
        found: list[bytes] = []
        size = 0
        try:
            while size < BATCH and (piece := self._next()) is not None:
                if piece or isinstance(piece, Mark):
                    found.append(piece)
                    size += len(piece)
        except WireError as error:
            self.error = error
            if not found:
                raise
        self.pending = size >= BATCH
        return found

    def _next(self) -> bytes | None:
        while True:
            for piece in self._pieces:
                return piece
            if not self._waiting:
                return None
            chunk = self._waiting.popleft()
            if isinstance(chunk, Mark):
                return chunk
            pieces: Iterable[bytes] = (chunk,)
            for step in self._steps:
                pieces = _chain(step, pieces)
            self._pieces = iter(pieces)

    def finish(self) -> list[bytes]:
        """The input has ended: raise TruncatedInputError if the compressed data have not."""
        if self.error is None and self._begun and not all(step.whole() for step in self._steps):
            self.error = TruncatedInputError("the compressed body ended before its end")
        if self.error:
            raise self.error
        return []


def _chain(step: _Step, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if piece:
            yield from step.decompress(piece)


def _make_step(coding: str) -> _Step:
    makers: dict[str, Callable[[], _Step]] = {
        "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
        "x-gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
        "deflate": _Deflate,
        "br": _Brotli,
        "zstd": _Zstandard,
    }
    if coding not in makers:
        raise UnsupportedCodingError(coding)
    try:
        return makers[coding]()
    except ImportError as error:
        raise UnsupportedCodingError(coding, "streamify[compress]") from error


class _Zlib:
    """gzip, whose members may follow one another, and deflate."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._decompressor = zlib.decompressobj(bits)

    def decompress(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._decompressor.eof:
                self._decompressor = zlib.decompressobj(self._bits)
            try:
                piece = self._decompressor.decompress(data, PIECE)
                data = self._decompressor.unconsumed_tail or self._decompressor.unused_data
                yield piece
                while len(piece) >= PIECE and not data:  # what zlib still holds of the input
                    piece = self._decompressor.decompress(b"", PIECE)
                    yield piece
            except zlib.error as error:
                raise CorruptInputError(f"the compressed body is damaged ({error})") from None

    def whole(self) -> bool:
        return self._decompressor.eof


class _Deflate:
    """deflate is zlib's format; some servers omit zlib's header, which the first two bytes show."""

    def __init__(self) -> None:
        self._start = b""
        self._zlib: _Zlib | None = None

    def decompress(self, data: bytes) -> Iterator[bytes]:
        if self._zlib is None:
            self._start += data
            if len(self._start) < 2:
                return
            has_header = self._start[0] & 0x0F == 8 and int.from_bytes(self._start[:2], "big") % 31 == 0
            self._zlib = _Zlib(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
            data = self._start
        yield from self._zlib.decompress(data)

    def whole(self) -> bool:
        return self._zlib is not None and self._zlib.whole()


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._decompressor: Any = brotli.Decompressor()
        self._error: type[Exception] = brotli.error

    def decompress(self, data: bytes) -> Iterator[bytes]:
        while True:
            try:
                piece = self._decompressor.process(data, output_buffer_limit=PIECE)
            except self._error as error:
                raise CorruptInputError(f"the compressed body is damaged ({error})") from None
            if not piece:
                return
            yield piece
            data = b""  # more may come of what it has

    def whole(self) -> bool:
        return bool(self._decompressor.is_finished())


class _Zstandard:
    """Frames may follow one another."""

    def __init__(self) -> None:
        import zstandard

        self._codec: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._error: type[Exception] = zstandard.ZstdError
        self._frame: Any = self._codec.decompressobj()

    def decompress(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_STEP):
            part = data[start : start + _ZSTD_STEP]
            while part:
                if self._frame.eof:
                    self._frame = self._codec.decompressobj()
                try:
                    piece = self._frame.decompress(part)
                except self._error as error:
                    raise CorruptInputError(f"the compressed body is damaged ({error})") from None
                part = self._frame.unused_data if self._frame.eof else b""
                yield piece

    def whole(self) -> bool:
        return bool(self._frame.eof)
