"""Posting of a streamed response to the Runtime API."""

from __future__ import annotations

import json
import threading

from streamify_server.errors import ResponseRefusedError
from streamify_server.wire.errors import BODY, TYPE, error_json

from .api import RuntimeApiError
from .sink import ResponseSink, refused

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from .api import RuntimeApi


class ResponsePoster:
    """Posts the streamed response of one invocation.

    Args:
        api: The Runtime API.
        request_id: The id of the invocation.
        invocation_id: Echoed to the Runtime API, if it was given.
        payload: The event as received.
    """

    def __init__(self, api: RuntimeApi, request_id: str, invocation_id: str | None, payload: bytes) -> None:
        self._api = api
        self.payload: bytes = payload
        self._request_id = request_id
        self._invocation_id = invocation_id
        self._lock = threading.Lock()
        self.answered: bool = False  # whether a response has been sent or begun

    def open(self, content_type: str, prelude: bytes) -> ResponseSink:
        """Begin the response; the prelude is sent on its own.

        Raises:
            ResponseRefusedError: The platform cannot be reached, or the invocation already has a response.
        """
        with self._lock:
            if self.answered:
                raise ResponseRefusedError("The invocation has been answered already.")
            self.answered = True
            path = f"{self._request_id}/response"
            try:
                connection = self._api.begin(path, self._headers(content_type))
            except OSError as error:
                raise refused(error) from error
        sink = ResponseSink(connection, path)
        if prelude:
            sink.write(prelude)
            sink.flush()
        return sink

    def fail(self, error: BaseException) -> None:
        """Respond with this error, unless a response has begun."""
        with self._lock:
            if self.answered:
                return
            self.answered = True
        headers = {"content-type": "application/json", **self._echo()}
        body = json.dumps({**error_json(error), "requestId": self._request_id}).encode()
        try:
            self._api.send(f"{self._request_id}/error", headers, body)
        except (OSError, RuntimeApiError):
            pass  # the platform no longer reads the response

    def _headers(self, content_type: str) -> dict[str, str]:
        return {
            "Content-Type": content_type,
            "Lambda-Runtime-Function-Response-Mode": "streaming",
            "Transfer-Encoding": "chunked",
            "Trailer": f"{TYPE}, {BODY}",
            **self._echo(),
        }

    def _echo(self) -> dict[str, str]:
        return {"Lambda-Runtime-Invocation-Id": self._invocation_id} if self._invocation_id else {}
