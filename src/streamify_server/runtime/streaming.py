"""A replacement for awslambdaric's `runtime_client` that lets streaming handlers post their own responses."""

from __future__ import annotations

import os

from streamify_server import posting

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .poster import ResponsePoster


class StreamingClient:
    """A `runtime_client` that wraps another; a response that was streamed is not posted again.

    A result of an undecorated handler that the platform refuses ends the process, as under awslambdaric;
    streaming handlers survive it.

    Args:
        client: awslambdaric's native extension, or an object with its interface.
        poster: Creates the poster of an invocation from its two ids and its payload.
    """

    def __init__(self, client: Any, poster: Callable[[str, str | None, bytes], ResponsePoster]) -> None:
        self._client = client
        self._make_poster = poster
        self._poster: ResponsePoster | None = None
        # The SAM CLI's emulator cannot stream; it would return preludes as part of the body.
        off = os.environ.get("STREAMIFY_RUNTIME") == "off"  # under the wrapper; attached.py installs nothing
        self._streams = not (off or os.environ.get("AWS_SAM_LOCAL"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def next(self, *arguments: Any) -> tuple[bytes, Any]:
        """Wait for an invocation, and provide a poster for the streaming handler that it calls."""
        body, headers = self._client.next(*arguments)
        if self._streams:
            request_id = headers.get("Lambda-Runtime-Aws-Request-Id")
            self._poster = self._make_poster(request_id, headers.get("Lambda-Runtime-Invocation-Id"), body)
            posting.seat(self._poster, request_id)
        return body, headers

    def post_invocation_result(self, *arguments: Any) -> None:
        """Post what a handler returned, unless it has been streamed."""
        if not self._answered():
            self._client.post_invocation_result(*arguments)

    def post_error(self, *arguments: Any) -> None:
        """Post what a handler raised, unless it was reported in the trailers of its stream."""
        if not self._answered():
            self._client.post_error(*arguments)

    def _answered(self) -> bool:
        posting.seat(None)
        return self._poster is not None and self._poster.answered
