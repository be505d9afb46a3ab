"""Compressed targets: formats by file name, and bodies that are already compressed."""

import bz2
import lzma
import zlib
from pathlib import PurePosixPath
from typing import Literal, Protocol, cast

from streamify_client._extras import require
from streamify_client.errors import ConfigurationError

Compression = Literal["infer", "gzip", "bz2", "xz", "zstd"]

_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
_MAGIC = {"gzip": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": b"\x28\xb5\x2f\xfd"}


class Compressor(Protocol):
    """The common interface of the compression libraries."""

    def compress(self, data: bytes, /) -> bytes:
        """Compress bytes; return compressed bytes, if there are any yet."""

    def flush(self) -> bytes:
        """Return the rest."""


def format_of(name: str, compression: Compression | None) -> str | None:
    """Return the format for a target with this name; None: unchanged.

    Raises:
        ConfigurationError: There is no such format, or its package is missing.
    """
    if compression == "infer":
        found = _SUFFIXES.get(PurePosixPath(name).suffix.lower())
    elif compression is None or compression in _MAGIC:
        found = compression
    else:
        known = ", ".join(repr(name) for name in ("infer", *_MAGIC))
        raise ConfigurationError(f"There is no compression {compression!r}; there are {known} and None.")
    if found == "zstd":
        require("zstandard", "A zstd file", "compress")
    return found


class Packer:
    """Compresses a body, unless it already has that format.

    A function may send a gzip file to a caller who names the target ``report.csv.gz``: that is written
    unchanged.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._begin = b""
        self._compressor: Compressor | None = None
        self._begun = False

    def pack(self, data: bytes) -> bytes:
        """Take bytes of the body in; return bytes for the target."""
        if not self._begun:
            self._begin += data
            if len(self._begin) < len(_MAGIC[self._kind]):
                return b""
            data = self._start()
        return self._compressor.compress(data) if self._compressor else data

    def finish(self) -> bytes:
        """The body has ended: return the target's rest."""
        rest = b"" if self._begun else self.pack_short(self._start())
        return rest + (self._compressor.flush() if self._compressor else b"")

    def pack_short(self, data: bytes) -> bytes:
        """Compress a body that was shorter than any mark of a format."""
        assert self._compressor is not None
        return self._compressor.compress(data)

    def _start(self) -> bytes:
        self._begun = True
        if not self._begin.startswith(_MAGIC[self._kind]):
            self._compressor = _new_compressor(self._kind)
        return self._begin


def _new_compressor(kind: str) -> Compressor:
    if kind == "gzip":
        return cast("Compressor", zlib.compressobj(wbits=31))
    if kind == "bz2":
        return bz2.BZ2Compressor()
    if kind == "xz":
        return lzma.LZMACompressor()
    zstandard = require("zstandard", "A zstd file", "compress")
    return cast("Compressor", zstandard.ZstdCompressor().compressobj())
