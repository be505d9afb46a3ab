"""The Runtime API of one worker (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)."""

import asyncio
import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from streamify_server.local.http.connection import Connection, TruncatedBodyError
from streamify_server.local.http.request import Request
from streamify_server.local.invocation import (
    BUFFERED_LIMIT,
    Invocation,
    Outcome,
    ResponseTooLargeError,
    failure,
)

from .extensions import ExtensionError
from .states import InvalidTransitionError, RuntimeCall, State, valid_error_type
from .worker import Worker

_VERSION = "/2018-06-01"
_INVOCATION = re.compile(_VERSION + r"/runtime/invocation/([^/]+)/(response|error)")
_EXTENSIONS = "/2020-01-01/extension"
_EXTENSION_IDENTIFIER = "lambda-extension-identifier"
_JSON = [("content-type", "application/json")]
_ERROR_TYPE = "lambda-runtime-function-error-type"
_ERROR_BODY = "lambda-runtime-function-error-body"
_MAX_ERROR_BODY = BUFFERED_LIMIT
# A runtime's response on one connection, and its exit or its next call, may be seen in either order.
_ORDER_SECONDS = 2.0
# How long a runtime that reported an init error may take to exit.
_LAST_WORDS_SECONDS = 0.5


class RuntimeApi:
    """Answers the calls of the runtime in one worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._answering = asyncio.Lock()
        self._asked = asyncio.Event()

    async def __call__(self, request: Request, connection: Connection) -> None:
        path = request.target.partition("?")[0]
        match = _INVOCATION.fullmatch(path)
        try:
            if match and request.method == "POST":
                await self._post(match[1], match[2], request, connection)
            else:
                await self._other(request.method, path, request, connection)
        except InvalidTransitionError as error:
            await _refuse(connection, 403, "InvalidStateTransition", str(error))
        except ExtensionError as error:
            await _refuse(connection, 403, error.kind, str(error))
        except TruncatedBodyError:
            connection.abort()

    async def _other(self, method: str, path: str, request: Request, connection: Connection) -> None:
        match method, path.removeprefix(_VERSION):
            case "GET", "/runtime/invocation/next":
                await self._next(connection)
            case "POST", "/runtime/init/error":
                await self._start_error(RuntimeCall.INIT_ERROR, request, connection)
            case "POST", "/runtime/restore/error":
                await self._start_error(RuntimeCall.RESTORE_ERROR, request, connection)
            case "GET", "/runtime/restore/next":
                self._worker.called(RuntimeCall.RESTORE_NEXT)
                await connection.respond(200, _JSON)
            case (_, extension) if extension.startswith(_EXTENSIONS):
                await self._extension(method, extension.removeprefix(_EXTENSIONS), request, connection)
            case "GET", "/ping":
                await connection.respond(200, [("content-type", "text/plain")], b"pong")
            case _:
                await connection.respond(404, [("content-type", "text/plain")], b"404 page not found\n")

    async def _extension(self, method: str, path: str, request: Request, connection: Connection) -> None:
        extensions, function = self._worker.extensions, self._worker.function
        body = await _beginning(connection, _MAX_ERROR_BODY)
        identifier = request.header(_EXTENSION_IDENTIFIER)
        match method, path:
            case "POST", "/register":
                made = extensions.register(request.header("lambda-extension-name"), _events(body))
                told = {"functionName": function.name, "functionVersion": function.version}
                told["handler"] = function.handler
                await connection.respond(200, [*_JSON, (_EXTENSION_IDENTIFIER, made)], _json(told))
            case "GET", "/event/next":
                event = await extensions.next(identifier)
                headers = [*_JSON, ("lambda-extension-event-identifier", str(uuid.uuid4()))]
                await connection.respond(200, headers, _json(event))
            case "POST", "/init/error" | "/exit/error":
                extensions.known(identifier)
                self._worker.note(f"EXTENSION reports {path.strip('/')}: {body.decode('utf-8', 'replace')}")
                await _accept(connection)
            case _:
                await connection.respond(404, [("content-type", "text/plain")], b"404 page not found\n")

    async def _next(self, connection: Connection) -> None:
        while await connection.batch():
            pass
        await self._answered()
        invocation = await self._worker.next(connection.hung_up)
        gone = connection.hung_up()
        # A process that exits with unread bytes resets its connection: it has not read the whole invocation.
        self._worker.not_taken = lambda: gone or connection.was_reset
        await connection.respond(200, self._next_headers(invocation), invocation.call.payload)

    async def _answered(self) -> None:
        """Wait for a response that is still being read on another connection."""
        self._asked.set()
        if not self._answering.locked():
            return
        try:
            async with asyncio.timeout(_ORDER_SECONDS), self._answering:
                pass
        except TimeoutError:
            pass

    def _next_headers(self, invocation: Invocation) -> list[tuple[str, str]]:
        call = invocation.call
        named = {
            "Lambda-Runtime-Aws-Request-Id": call.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self._worker.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": call.invoked_arn,
            "Lambda-Runtime-Trace-Id": call.trace_id,
            "Lambda-Runtime-Client-Context": call.client_context,
            "Lambda-Runtime-Cognito-Identity": call.cognito_identity,
            "Lambda-Runtime-Aws-Tenant-Id": call.tenant_id,
            "Lambda-Runtime-Invocation-Id": self._worker.invocation_id,
        }
        return [*_JSON, *((name, value) for name, value in named.items() if value)]

    async def _post(self, request_id: str, what: str, request: Request, connection: Connection) -> None:
        worker, invocation = self._worker, self._worker.current
        if request_id == worker.finished_id and not worker.begun and worker.state is not State.READY:
            worker.called(
                RuntimeCall.RESPONSE if what == "response" else RuntimeCall.ERROR
            )  # raises: the invocation was answered before
        echoed = request.header("lambda-runtime-invocation-id")
        if request_id == worker.finished_id or echoed not in (None, worker.invocation_id):
            return await _refuse(connection, 410, "InvokeTimeout", "Invoke timeout")
        if invocation is None or request_id != invocation.call.request_id or not worker.begun:
            return await _refuse(connection, 400, "InvalidRequestID", "Invalid request ID")
        if what == "response":
            return await self._response(invocation, request, connection)
        return await self._error(request, connection)

    async def _response(self, invocation: Invocation, request: Request, connection: Connection) -> None:
        self._worker.called(RuntimeCall.RESPONSE)
        mode = request.header("lambda-runtime-function-response-mode")
        if mode not in (None, "streaming"):
            # The state does not change: Lambda's own server does not let such a runtime continue either.
            self._worker.reject(failure("Runtime.InvalidResponseModeHeader", "Invalid response mode header"))
            message = "Invalid function response mode"
            return await _refuse(connection, 400, "InvalidFunctionResponseMode", message)
        self._asked.clear()
        async with self._answering:
            invocation.begin(request.header("content-type") or "application/octet-stream")
            outcome, refusal = await self._read(invocation, connection)
            if outcome and outcome.in_trailers:
                await self._last_words(connection)
            if outcome and self._worker.current is invocation:
                self._worker.respond(outcome)
        await asyncio.sleep(0)  # the caller is waiting, so its response goes out first
        if refusal:
            return await _refuse(connection, *refusal)
        if not connection.responded:
            await _accept(connection)
        return None

    async def _last_words(self, connection: Connection) -> None:
        """Accept the response and wait for the traceback that the runtime then writes to this log."""
        try:
            await _accept(connection)
        except OSError:
            pass  # it has exited; what it wrote is in the log
        await self._died()

    async def _read(
        self, invocation: Invocation, connection: Connection
    ) -> tuple[Outcome | None, tuple[int, str, str] | None]:
        """Forward the response; return its outcome (None if the process died) and the refusal, if any."""
        try:
            while batch := await connection.batch():
                await invocation.write(batch)
        except ResponseTooLargeError as error:
            refusal = (413, "RequestEntityTooLarge", str(error))
            return failure("Function.ResponseSizeTooLarge", str(error)), refusal
        except TruncatedBodyError:
            refusal = (400, "TruncatedHTTPRequest", "HTTP request detected as truncated")
            if await self._died():
                return None, refusal
            return failure("Runtime.TruncatedResponse", "The response was cut off."), refusal
        return outcome_of_trailers(connection.trailers), None

    async def _died(self) -> bool:
        """Wait briefly and return whether the process exited, after a response that was cut off."""
        ended = asyncio.ensure_future(self._worker.ended())
        asked = asyncio.ensure_future(self._asked.wait())
        await asyncio.wait((ended, asked), timeout=_ORDER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        died = ended.done()
        ended.cancel()
        asked.cancel()
        return died

    async def _error(self, request: Request, connection: Connection) -> None:
        self._worker.called(RuntimeCall.ERROR)
        body = await _beginning(connection, _MAX_ERROR_BODY)
        error_type = valid_error_type(request.header(_ERROR_TYPE) or "")
        content_type = request.header("content-type") or "application/json"
        self._worker.respond(Outcome("error", error_type, body, content_type))
        await _accept(connection)

    async def _start_error(self, call: RuntimeCall, request: Request, connection: Connection) -> None:
        self._worker.called(call)
        body = await _beginning(connection, _MAX_ERROR_BODY)
        error_type = valid_error_type(request.header(_ERROR_TYPE) or "")
        self._worker.init_failed(Outcome("error", error_type, body))
        await _accept(connection)
        asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._worker.kill)


def outcome_of_trailers(trailers: dict[str, str]) -> Outcome:
    """Return the outcome of a complete response: success, unless its trailers report an error."""
    error_type = trailers.get(_ERROR_TYPE)
    if not error_type:
        return Outcome("success")
    encoded = trailers.get(_ERROR_BODY, "")
    try:
        error = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        error = encoded.encode()
    return Outcome("error", error_type, error, in_trailers=True)


async def _beginning(connection: Connection, limit: int) -> bytes:
    """Read the body and return at most `limit` bytes of it."""
    kept = bytearray()
    async for piece in connection.body():
        kept += piece[: limit - len(kept)]
    return bytes(kept)


async def _accept(connection: Connection) -> None:
    await connection.respond(202, _JSON, b'{"status":"OK"}\n')


async def _refuse(connection: Connection, status: int, error_type: str, message: str) -> None:
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    await connection.respond(status, _JSON, body)


def _events(body: bytes) -> Any:
    """Return the events that an extension registers for; `register` rejects a body that is not JSON."""
    try:
        return json.loads(body).get("events", []) if body else []
    except (ValueError, AttributeError):
        return body


def _json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode()
