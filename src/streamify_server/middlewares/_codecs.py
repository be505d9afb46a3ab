"""Content codings as incremental transforms: each chunk is flushed, so that it can be decoded at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ._options import known, missing_extra

# RFC 9659 limits the window of zstd in HTTP to 8 MB, which is what browsers support.
ZSTD_WINDOW_LOG = 23

# Good ratios at a speed suitable for responses to one caller; the libraries' own defaults suit files.
_DEFAULTS: dict[str, dict[str, int]] = {
    "zstd": {"level": 3},
    "br": {"quality": 4, "lgwin": 22, "lgblock": 0},
    "gzip": {"level": 6},
    "deflate": {"level": 6},
}
CODINGS = tuple(_DEFAULTS)


class Compressor(Protocol):
    """Compresses one body."""

    def feed(self, chunk: bytes, /) -> bytes:
        """Compress and flush a chunk: a reader can decode it before the next one arrives."""

    def flush(self) -> bytes:
        """Return the bytes that make everything fed so far decodable."""

    def finish(self) -> bytes:
        """Return the end of the compressed body."""


def compressor(coding: str, options: Mapping[str, Any], *, flush: bool = True) -> Compressor:
    """Return a new compressor for one body.

    Args:
        coding: "zstd", "br", "gzip" or "deflate".
        options: Settings that override the defaults.
        flush: Flush after every chunk; False compresses a whole body a little better.
    """
    settings = {**_DEFAULTS[coding], **options}
    if coding == "zstd":
        return _Zstd(settings["level"], flush)
    if coding == "br":
        return _Brotli(settings, flush)
    return _Zlib(settings["level"], 31 if coding == "gzip" else 15, flush)


def check(coding: str, options: Mapping[str, Any]) -> None:
    """Check that a coding has these settings and that its library is installed.

    Raises:
        TypeError: A setting is unknown.
        ModuleNotFoundError: The library is missing; the message names the extra.
        ValueError: A setting is out of range.
    """
    known(coding, options, _DEFAULTS[coding])
    try:
        compressor(coding, options).finish()
    except ModuleNotFoundError:
        raise missing_extra(
            f"http_content_encoding with {coding}", "brotli" if coding == "br" else "zstandard", "compress"
        ) from None
    except Exception as error:
        raise ValueError(f"{coding} cannot compress with {dict(options)}: {error}") from None


class _Zlib:
    __slots__ = ("_compressor", "_flush")

    def __init__(self, level: int, wbits: int, flush: bool) -> None:
        import zlib

        self._compressor = zlib.compressobj(level, wbits=wbits)
        self._flush = zlib.Z_SYNC_FLUSH if flush else zlib.Z_NO_FLUSH

    def feed(self, chunk: bytes, /) -> bytes:
        compressed = self._compressor.compress(chunk)
        return compressed + self._compressor.flush(self._flush) if self._flush else compressed

    def flush(self) -> bytes:
        import zlib

        return self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _Brotli:
    __slots__ = ("_compressor", "_flush")

    def __init__(self, settings: Mapping[str, int], flush: bool) -> None:
        import brotli

        self._compressor: Any = brotli.Compressor(**settings)
        self._flush = flush

    def feed(self, chunk: bytes, /) -> bytes:
        compressed: bytes = self._compressor.process(chunk)
        return compressed + self._compressor.flush() if self._flush else compressed

    def flush(self) -> bytes:
        compressed: bytes = self._compressor.flush()
        return compressed

    def finish(self) -> bytes:
        compressed: bytes = self._compressor.finish()
        return compressed


class _Zstd:
    __slots__ = ("_compressor", "_flush")

    def __init__(self, level: int, flush: bool) -> None:
        import zstandard

        parameters = zstandard.ZstdCompressionParameters.from_level(level)
        if parameters.window_log > ZSTD_WINDOW_LOG:
            parameters = zstandard.ZstdCompressionParameters.from_level(level, window_log=ZSTD_WINDOW_LOG)
        self._compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        self._flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK if flush else None

    def feed(self, chunk: bytes, /) -> bytes:
        compressed = self._compressor.compress(chunk)
        return compressed if self._flush is None else compressed + self._compressor.flush(self._flush)

    def flush(self) -> bytes:
        import zstandard

        return self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compressor.flush()
