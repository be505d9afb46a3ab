"""Handling of calls that only keep a function warm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ._options import check_options

if TYPE_CHECKING:
    from streamify_server.middleware import Request


class warmup:
    """Responds to the calls of a warm-up plugin with the text "warmup", before the handler runs.

    Args:
        is_warming_up: Whether this event is such a call; by default one whose `source` is
            "serverless-plugin-warmup".

    Example:
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import warmup
        >>> @streaming_handler(middlewares=[warmup()])
        ... def handler(event, context):
        ...     yield "work"
        >>> handler({"source": "serverless-plugin-warmup"}, None), handler({}, None)
        (b'warmup', b'work')
    """

    def __init__(self, *, is_warming_up: Callable[[Any], bool] | None = None) -> None:
        check_options(locals())
        self._is_warming_up = is_warming_up or _by_plugin

    def before(self, request: Request) -> str | None:
        """Respond if this is a warm-up call."""
        return "warmup" if self._is_warming_up(request.event) else None


def _by_plugin(event: Any) -> bool:
    return isinstance(event, Mapping) and event.get("source") == "serverless-plugin-warmup"
