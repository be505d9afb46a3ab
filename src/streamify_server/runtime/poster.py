"""Posts the streamed response of one invocation over the Runtime API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from streamify_server._runtime_api import RuntimeApi, RuntimeApiError, StreamedPost
from streamify_server._trailers import BODY, TYPE, error_json, error_trailers

_PATIENCE = 1.0  # seconds for a chunk that is on its way


class ResponseRefusedError(ConnectionError):
    """The platform did not take the response to its end."""


class ResponsePoster:
    """Posts the streamed response of one invocation."""

    def __init__(self, api: RuntimeApi, request_id: str, invocation_id: str | None) -> None:
        self._api = api
        self._request_id = request_id
        self._invocation_id = invocation_id
        self._lock = threading.Lock()
        self._post: StreamedPost | None = None
        self._given_up: BaseException | None = None

    @property
    def answered(self) -> bool:
        """Whether there is a response, or the beginning of one."""
        return self._post is not None or self._given_up is not None

    def post(self, content_type: str, prelude: bytes, body: Iterator[bytes]) -> None:
        """Post the response.

        Raises:
            ResponseRefusedError: The platform did not take it to its end.
            Exception: What came out of `body`; the response has ended with it.
        """
        failure: BaseException | None = None
        try:
            post = self._begin(content_type)
            try:
                failure = self._send(post, prelude, body)
            finally:
                post.close()
        except (OSError, RuntimeApiError) as error:
            failure = self._given_up or ResponseRefusedError(_why(error))
        if failure is not None:
            raise failure

    def fail(self, error: BaseException, farewell: bytes) -> None:
        """End the response with this error now; without a response, it becomes the answer itself."""
        with self._lock:
            post = self._post
            self._given_up = error
            if post is None:
                self._tell(self._api.send, *self._error(error))
                return
        if self._tell(post.end, error_trailers(error), farewell=farewell, patience=_PATIENCE):
            post.close()

    def _tell(self, send: Callable[..., object], *args: Any, **options: Any) -> bool:
        """Whether it has been said; a platform that does not listen changes nothing any more."""
        try:
            return send(*args, **options) is not False
        except (OSError, RuntimeApiError):
            return True

    def _begin(self, content_type: str) -> StreamedPost:
        with self._lock:
            if self.answered:
                raise ConnectionAbortedError("the invocation has been answered already")
            self._post = self._api.stream(self._request_id, self._headers(content_type))
            return self._post

    def _error(self, error: BaseException) -> tuple[str, dict[str, str], bytes]:
        headers = {"content-type": "application/json", **self._echo()}
        body = json.dumps({**error_json(error), "requestId": self._request_id}).encode()
        return f"{self._request_id}/error", headers, body

    def _send(self, post: StreamedPost, prelude: bytes, body: Iterator[bytes]) -> BaseException | None:
        if prelude:
            post.chunk(prelude)
        while True:
            try:
                chunk = next(body, None)
            except Exception as error:
                self._tell(post.end, error_trailers(error))
                return error
            if chunk is None:
                post.end()
                return None
            post.chunk(chunk)

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


def _why(error: Exception) -> str:
    if isinstance(error, RuntimeApiError) and error.status == 413:
        return "The response is larger than Lambda takes (413): it has been cut off and its producer closed."
    if isinstance(error, RuntimeApiError) and error.status == 410:
        return "The invocation is over already (410): nobody waits for its response."
    return f"The response could not be sent to its end: {error}"
