"""The Lambda API: Invoke, InvokeWithResponseStream, and the reads of the control plane."""

import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from streamify_server.frames import encode_frame

from .api_errors import ApiError
from .events import Mode
from .functions import Function
from .http1 import BodyTooLargeError, Connection, Request, TruncatedBodyError
from .invocation import Call, Invocation, Outcome
from .names import function_arn, parse_function_name
from .trace import new_request_id, trace_header

if TYPE_CHECKING:
    from .service import LambdaService

EVENT_STREAM = "application/vnd.amazon.eventstream"
REQUEST_LIMIT = 6 * 1024 * 1024
EVENT_LIMIT = 1024 * 1024
CLIENT_CONTEXT_LIMIT = 3583


def payload_chunk(data: bytes) -> bytes:
    """A PayloadChunk frame, its headers in the order in which AWS writes them."""
    return _frame("PayloadChunk", "application/octet-stream", data)


def invoke_complete(**fields: str) -> bytes:
    """The InvokeComplete frame, with any of ErrorCode, ErrorDetails and LogResult."""
    return _frame("InvokeComplete", "application/json", json.dumps(fields).encode())


def _frame(event: str, content_type: str, payload: bytes) -> bytes:
    headers = [(":event-type", event), (":content-type", content_type), (":message-type", "event")]
    return encode_frame(headers, payload)


class LambdaApi:
    """Routes requests and answers them as AWS does."""

    def __init__(self, service: "LambdaService") -> None:
        self._service = service
        self._routes: list[tuple[str, re.Pattern[str], _Route]] = [
            ("POST", re.compile(r"/2015-03-31/functions/([^/]+)/invocations"), self._invoke),
            (
                "POST",
                re.compile(r"/2021-11-15/functions/([^/]+)/response-streaming-invocations"),
                self._invoke_with_response_stream,
            ),
        ]

    async def __call__(self, request: Request, connection: Connection) -> None:
        request_id = new_request_id()
        path, _, query = request.target.partition("?")
        try:
            route, name = self._route(request.method, path)
            await route(_Ask(request, connection, request_id, name, parse_qs(query)))
        except ApiError as error:
            headers = [("x-amzn-requestid", request_id), *error.headers]
            await connection.respond(error.status, headers, error.body)
        except TruncatedBodyError:
            connection.abort()

    def _route(self, method: str, path: str) -> tuple["_Route", str]:
        for verb, pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match and verb == method:
                return route, unquote(match[1]) if match.groups() else ""
        raise ApiError("UnknownOperationException", f"{method} {path} is no operation of this server.")

    async def _invoke(self, ask: "_Ask") -> None:
        function, arn = self.find(ask)
        kind = ask.one_of("x-amz-invocation-type", ("RequestResponse", "Event", "DryRun"), "RequestResponse")
        limit = EVENT_LIMIT if kind == "Event" else REQUEST_LIMIT
        payload = await ask.payload(limit)
        if kind == "DryRun":
            return await ask.respond(204, [("x-amz-executed-version", function.version)])
        call = ask.call(function, arn, payload, "event" if kind == "Event" else "buffered")
        invocation = self._service.submit(call)
        if kind == "Event":
            self._service.discard(invocation)
            return await ask.respond(202, [("x-amzn-remapped-content-length", "0")])
        body, outcome = await collect(invocation, self._service.documented)
        headers = [("x-amz-executed-version", function.version), ("x-amzn-trace-id", call.trace_id)]
        if outcome.status != "success":
            headers.append(("x-amz-function-error", "Unhandled"))
        if call.tail:
            headers.append(("x-amz-log-result", _base64(invocation.log_tail)))
        content_type = ("content-type", "application/json")
        return await ask.respond(200, [content_type, ("x-amzn-remapped-content-length", "0"), *headers], body)

    async def _invoke_with_response_stream(self, ask: "_Ask") -> None:
        function, arn = self.find(ask)
        kind = ask.one_of("x-amz-invocation-type", ("RequestResponse", "DryRun"), "RequestResponse")
        payload = await ask.payload(REQUEST_LIMIT)
        if kind == "DryRun" and self._service.documented:
            return await ask.respond(204, [("x-amz-executed-version", function.version)])
        invocation = self._service.submit(ask.call(function, arn, payload, "streaming"))
        try:
            await self._stream(ask, invocation)
        finally:
            invocation.detach()
        return None

    async def _stream(self, ask: "_Ask", invocation: Invocation) -> None:
        content_type = await invocation.content_type()
        posted = content_type or (await invocation.result()).content_type
        headers = [
            ("content-type", EVENT_STREAM),
            ("x-amzn-remapped-content-type", posted),
            ("x-amz-executed-version", invocation.call.function.version),
            ("x-amzn-trace-id", invocation.call.trace_id),
            ("x-amzn-requestid", ask.request_id),
        ]
        await ask.connection.start(200, headers)
        async for piece in invocation.pieces():
            await ask.connection.send(payload_chunk(piece))
        for frame in ending(await invocation.result(), invocation, self._service.documented):
            await ask.connection.send(frame)
        await ask.connection.finish()

    def find(self, ask: "_Ask") -> tuple[Function, str]:
        """The function that a request names, and its ARN as the caller qualified it."""
        named = parse_function_name(ask.name)
        if named is None:
            raise ApiError("InvalidParameterValueException", f"Not the name or ARN of a function: {ask.name}")
        asked = ask.query.get("Qualifier", [""])[0] or None
        if asked and named.qualifier and asked != named.qualifier:
            message = "The derived qualifier from the function name does not match the specified qualifier."
            raise ApiError("InvalidParameterValueException", message)
        qualifier = asked or named.qualifier
        region, account = self._service.region, self._service.account
        arn = function_arn(named.region or region, named.account or account, named.name, qualifier)
        function = self._service.functions.get(named.name)
        here = named.region in (None, region) and named.account in (None, account)
        if function is None or not here or not function.has_qualifier(qualifier):
            raise ApiError("ResourceNotFoundException", f"Function not found: {arn}")
        return function, arn


def ending(outcome: Outcome, invocation: Invocation, documented: bool) -> list[bytes]:
    """The frames that follow the last byte of the function's response.

    As captured on AWS the end of a failed stream looks like that of a whole one, and an error that came
    instead of a response is its payload; as documented the end event names the error.
    """
    fields = {}
    frames = []
    if outcome.status != "success":
        if documented:
            fields["ErrorCode"] = outcome.error_type or "Runtime.Unknown"
            fields["ErrorDetails"] = outcome.error.decode("utf-8", "replace")
        elif not outcome.in_response:
            frames.append(payload_chunk(outcome.error))
    if invocation.call.tail:
        fields["LogResult"] = _base64(invocation.log_tail)
    return [*frames, invoke_complete(**fields)]


async def collect(invocation: Invocation, documented: bool) -> tuple[bytes, Outcome]:
    """The body of a buffered invocation and its outcome as its caller sees it.

    An error in the trailers of a streamed response is lost to a buffered caller, as captured on AWS.
    """
    pieces = [piece async for piece in invocation.pieces()]
    outcome = await invocation.result()
    if outcome.status == "success":
        return b"".join(pieces), outcome
    if outcome.in_trailers and not documented:
        return b"".join(pieces), Outcome("success")
    return outcome.error, outcome


class _Ask:
    """A request to the Lambda API with the checks that every invocation makes."""

    def __init__(
        self,
        request: Request,
        connection: Connection,
        request_id: str,
        name: str,
        query: dict[str, list[str]],
    ) -> None:
        self.request = request
        self.connection = connection
        self.request_id = request_id
        self.name = name
        self.query = query

    async def respond(self, status: int, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        await self.connection.respond(status, [("x-amzn-requestid", self.request_id), *headers], body)

    def one_of(self, header: str, values: tuple[str, ...], default: str) -> str:
        value = self.request.header(header) or default
        if value not in values:
            allowed = ", ".join(values)
            raise ApiError("InvalidParameterValueException", f"{header} must be one of {allowed}: {value}")
        return value

    async def payload(self, limit: int) -> bytes:
        try:
            body = await self.connection.read_body(limit)
        except BodyTooLargeError:
            message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
            raise ApiError("RequestTooLargeException", message) from None
        if not body:
            return b"{}"
        try:
            json.loads(body)
        except (ValueError, RecursionError) as error:
            message = f"Could not parse request body into json: {error}"
            raise ApiError("InvalidRequestContentException", message) from None
        return body

    def call(self, function: Function, arn: str, payload: bytes, mode: Mode) -> Call:
        return Call(
            function=function,
            request_id=self.request_id,
            invoked_arn=arn,
            payload=payload,
            trace_id=trace_header(self.request.header("x-amzn-trace-id")),
            mode=mode,
            client_context=self._client_context(),
            tenant_id=self.request.header("x-amz-tenant-id"),
            tail=self.one_of("x-amz-log-type", ("None", "Tail"), "None") == "Tail",
        )

    def _client_context(self) -> str | None:
        encoded = self.request.header("x-amz-client-context")
        if encoded is None:
            return None
        if len(encoded) > CLIENT_CONTEXT_LIMIT:
            message = f"Client context must be at most {CLIENT_CONTEXT_LIMIT} bytes: {len(encoded)}"
            raise ApiError("InvalidRequestContentException", message)
        try:
            text = base64.b64decode(encoded, validate=True).decode()
            json.loads(text)
        except (binascii.Error, ValueError):
            message = "Client context must be a valid Base64-encoded JSON object."
            raise ApiError("InvalidRequestContentException", message) from None
        # A header cannot carry a line break, which JSON allows between its tokens.
        return " ".join(text.splitlines())


_Route = Callable[[_Ask], Awaitable[None]]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
