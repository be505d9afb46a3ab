"""Content codings, read bit by bit as a browser reads them."""

import zlib
from collections.abc import Callable

import brotli
import zstandard

# A fresh decoder each: bytes in, what can be read so far out.
DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    "br": lambda: brotli.Decompressor().process,
    "gzip": lambda: zlib.decompressobj(31).decompress,
    "deflate": lambda: zlib.decompressobj().decompress,
}
