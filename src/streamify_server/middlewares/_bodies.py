"""What kind of body a response has."""

from __future__ import annotations

from typing import Any


def is_stream(body: Any) -> bool:
    """Whether looking at this body would use it up: an iterator, a file, anything async."""
    return any(hasattr(body, name) for name in ("__next__", "__anext__", "__aiter__", "__await__", "read"))
