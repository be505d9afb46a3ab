"""The runtime: awslambdaric's loop, with a client that posts streams.

    python -m streamify_server.runtime app.handler

AWS's runtime client does the event loop, the context object, log formats, errors, SnapStart and Managed
Instances; what talks to the Runtime API is ours. A handler without `@streaming_handler` behaves as under
awslambdaric itself.
"""

from __future__ import annotations

import json
import os
import site
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

from . import posting
from ._runtime_api import Answer, RuntimeApi, RuntimeApiError, StreamedPost
from ._trailers import BODY, TYPE, error_json, error_trailers

# awslambdaric would load its native extension, and behind a layer that of the managed runtime, whatever its
# version. What talks to the Runtime API is ours.
sys.modules["runtime_client"] = cast(Any, None)
try:
    from awslambdaric import bootstrap, lambda_runtime_client
    from awslambdaric.lambda_config import LambdaConfigProvider
    from awslambdaric.lambda_runtime_client import (
        InvocationRequest,
        LambdaMultiConcurrentRuntimeClient,
        LambdaRuntimeClient,
    )
finally:
    del sys.modules["runtime_client"]

_XRAY_LIMIT = 1024 * 1024
_PATIENCE = 1.0  # seconds for a chunk that is on its way


class ResponseRefusedError(ConnectionError):
    """The platform did not take the response to its end."""


class ResponsePoster:
    """Posts the streamed response of one invocation."""

    def __init__(self, api: RuntimeApi, request: Any) -> None:
        self._api = api
        self._request = request
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
            self._post = self._api.stream(self._request.invoke_id, self._headers(content_type))
            return self._post

    def _error(self, error: BaseException) -> tuple[str, dict[str, str], bytes]:
        headers = {"content-type": "application/json", **self._echo()}
        body = json.dumps({**error_json(error), "requestId": self._request.invoke_id}).encode()
        return f"{self._request.invoke_id}/error", headers, body

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
        invocation_id = self._request.invocation_id
        return {"Lambda-Runtime-Invocation-Id": invocation_id} if invocation_id else {}


class _Streaming:
    """Puts our own /next, /response and /error under one of awslambdaric's clients."""

    def __init__(self, address: str, on_failure: Callable[..., Any]) -> None:
        self._api = RuntimeApi(address, _user_agent())
        self._on_failure = on_failure
        self._poster: ResponsePoster | None = None

    def next(self) -> Any:
        """Wait for an invocation, and seat a poster for its response."""
        try:
            answer = self._api.next()
        except (OSError, RuntimeApiError) as error:
            answer = self._on_failure(error, self._api.next, True)
        request = _invocation(answer)
        self._poster = ResponsePoster(self._api, request)
        posting.seat(self._poster, request.invoke_id)
        return request

    def result(self, invoke_id: str, result: bytes, content_type: str, invocation_id: str | None) -> None:
        """Post the result of a handler, unless it has been streamed."""
        if not self._streamed():
            self._send(f"{invoke_id}/response", {"content-type": content_type}, result, invocation_id)

    def error(self, invoke_id: str, error: str, xray_fault: str, invocation_id: str | None) -> None:
        """Post the error of a handler, unless it has been told in the trailers of its stream."""
        if not self._streamed():
            headers = {"content-type": "application/json"}
            if len(xray_fault.encode()) < _XRAY_LIMIT:
                headers["lambda-runtime-function-xray-error-cause"] = xray_fault
            self._send(f"{invoke_id}/error", headers, error.encode(), invocation_id)

    def _streamed(self) -> bool:
        posting.seat(None)
        return self._poster is not None and self._poster.answered

    def _send(self, path: str, headers: dict[str, str], body: bytes, invocation_id: str | None) -> None:
        if invocation_id:
            headers["lambda-runtime-invocation-id"] = invocation_id
        try:
            self._api.send(path, headers, body)
        except (OSError, RuntimeApiError) as error:
            self._on_failure(error)


class _StreamingRuntimeClient(LambdaRuntimeClient):  # type: ignore[misc]
    """awslambdaric's client for one invocation at a time."""

    def __init__(self, address: str, use_thread_for_polling_next: bool = False) -> None:
        # A Python socket lets signal handlers run while it waits: polling needs no thread.
        super().__init__(address, False)
        self._streaming = _Streaming(address, self.handle_exception)

    def wait_next_invocation(self) -> Any:
        """The next invocation."""
        return self._streaming.next()

    def post_invocation_result(
        self,
        invoke_id: str,
        result_data: Any,
        content_type: str = "application/json",
        invocation_id: Any = None,
    ) -> None:
        """Post what a handler returned."""
        self._streaming.result(invoke_id, _encoded(result_data), content_type, invocation_id)

    def post_invocation_error(
        self, invoke_id: str, error_response_data: str, xray_fault: str, invocation_id: Any = None
    ) -> None:
        """Post what a handler raised."""
        self._streaming.error(invoke_id, error_response_data, xray_fault, invocation_id)


class _StreamingMultiConcurrentClient(LambdaMultiConcurrentRuntimeClient):  # type: ignore[misc]
    """awslambdaric's client for the forked workers of Managed Instances."""

    def __init__(self, address: str, use_thread_for_polling_next: bool = False) -> None:
        super().__init__(address, False)
        self._streaming = _Streaming(address, self.handle_exception)

    wait_next_invocation: Callable[..., Any] = _StreamingRuntimeClient.wait_next_invocation
    post_invocation_result: Callable[..., Any] = _StreamingRuntimeClient.post_invocation_result
    post_invocation_error: Callable[..., Any] = _StreamingRuntimeClient.post_invocation_error


def _encoded(result: Any) -> bytes:
    return result if isinstance(result, bytes) else result.encode()


def _user_agent() -> str:
    return str(lambda_runtime_client._user_agent())


def _invocation(answer: Answer) -> Any:
    """An invocation as awslambdaric's loop takes it; a field that is absent or empty is None."""

    def field(name: str) -> str | None:
        return answer.headers.get(f"lambda-runtime-{name}") or None

    return InvocationRequest(
        invoke_id=field("aws-request-id") or "",
        x_amzn_trace_id=field("trace-id"),
        invoked_function_arn=field("invoked-function-arn") or "",
        deadline_time_in_ms=int(field("deadline-ms") or 0),
        client_context=field("client-context"),
        cognito_identity=field("cognito-identity"),
        tenant_id=field("aws-tenant-id"),
        content_type=answer.headers.get("content-type") or None,
        event_body=answer.body,
        invocation_id=field("invocation-id"),
    )


def _why(error: Exception) -> str:
    if isinstance(error, RuntimeApiError) and error.status == 413:
        return "The response is larger than Lambda takes (413): it has been cut off and its producer closed."
    if isinstance(error, RuntimeApiError) and error.status == 410:
        return "The invocation is over already (410): nobody waits for its response."
    return f"The response could not be sent to its end: {error}"


def main(arguments: list[str]) -> None:
    """Run `arguments[1]`, a handler such as `app.handler`, until the platform ends the process."""
    config = LambdaConfigProvider(arguments)
    if root := os.environ.get("LAMBDA_TASK_ROOT"):
        site.addsitedir(root)  # for its .pth files, which the managed bootstrap reads as well
    if config.is_multi_concurrent:
        _run_workers(config)
    else:
        bootstrap.run(config.handler, _StreamingRuntimeClient(config.api_address))


def _run_workers(config: Any) -> None:
    from awslambdaric.lambda_multi_concurrent_utils import MultiConcurrentRunner

    class StreamingRunner(MultiConcurrentRunner):  # type: ignore[misc]
        @classmethod
        def run_single(cls, handler: str, api_addr: str, use_thread: bool, socket_path: str) -> None:
            if socket_path:
                cls._redirect_output(socket_path)
            bootstrap.run(handler, _StreamingMultiConcurrentClient(api_addr, use_thread))

    StreamingRunner.run_concurrent(
        config.handler,
        config.api_address,
        config.use_thread_polling,
        config.lmi_socket_path,
        int(config.max_concurrency),
    )


if __name__ == "__main__":
    main(sys.argv)
