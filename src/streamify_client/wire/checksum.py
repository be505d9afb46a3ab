"""CRC-32, by ISA-L where the extra ``fast`` is installed, else by zlib."""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

Crc32 = Callable[[Any, int], int]


@cache
def crc32_function() -> Crc32:
    """Return the fastest CRC-32 at hand; ``crc32(data, value)`` continues ``value`` over ``data``."""
    try:
        from isal.isal_zlib import crc32
    except ImportError:
        from zlib import crc32
    return cast("Crc32", crc32)
