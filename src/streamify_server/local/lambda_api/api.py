"""The Lambda API: Invoke, InvokeWithResponseStream, and read operations of the control plane."""

import base64
import re
from urllib.parse import parse_qs, unquote

from streamify_server.local.api_errors import ApiError
from streamify_server.local.delivery import CutShortError, Delivery
from streamify_server.local.faults import Fault
from streamify_server.local.functions import Function
from streamify_server.local.http.connection import Connection, TruncatedBodyError
from streamify_server.local.http.request import Request
from streamify_server.local.invocation import Invocation, Outcome
from streamify_server.local.names import function_arn, parse_function_name
from streamify_server.local.service import LambdaService
from streamify_server.local.trace import new_request_id

from . import event_stream
from .ask import Ask
from .control_api import ControlApi, Route

REQUEST_LIMIT = 6 * 1024 * 1024
EVENT_LIMIT = 1024 * 1024


class LambdaApi:
    """Routes requests and answers them as AWS does."""

    def __init__(self, service: LambdaService) -> None:
        self._service = service
        # Methods and paths are those of the botocore model; tests compare them.
        routes: list[tuple[str, str, Route]] = [
            ("POST", "/2015-03-31/functions/([^/]+)/invocations", self._invoke),
            ("POST", "/2021-11-15/functions/([^/]+)/response-streaming-invocations", self._invoke_streaming),
            *ControlApi(service, self._find).routes,
        ]
        self._routes = [(method, re.compile(path), route) for method, path, route in routes]

    async def __call__(self, request: Request, connection: Connection) -> None:
        request_id = new_request_id()
        path, _, query = request.target.partition("?")
        try:
            route, parts = self._route(request.method, path)
            await route(Ask(request, connection, request_id, parts, parse_qs(query) if query else {}))
        except ApiError as error:
            await connection.skip_body(REQUEST_LIMIT)
            headers = [("x-amzn-requestid", request_id), *error.headers]
            await connection.respond(error.status, headers, error.body)
        except CutShortError as cut:
            if str(cut) != "clean":
                raise
        except TruncatedBodyError as truncated:
            refusal = ApiError("InvalidRequestContentException", str(truncated))
            await connection.respond(refusal.status, refusal.headers, refusal.body)

    def _route(self, method: str, path: str) -> tuple[Route, list[str]]:
        for verb, pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match and verb == method:
                return route, [unquote(part) for part in match.groups()]
        raise ApiError("UnknownOperationException", _unknown(method, path))

    async def _invoke(self, ask: Ask) -> None:
        function, arn = self._find(ask)
        kind = ask.one_of("x-amz-invocation-type", ("RequestResponse", "Event", "DryRun"), "RequestResponse")
        payload = await ask.payload(EVENT_LIMIT if kind == "Event" else REQUEST_LIMIT)
        version = ("x-amz-executed-version", function.version)
        if kind == "DryRun":
            return await ask.respond(204, [version])
        call = ask.call(function, arn, payload, "event" if kind == "Event" else "buffered")
        fault = self._service.fault_for(function, ask.request_id)
        if kind == "Event":
            self._service.submit_event(call)
            return await ask.respond(202, [])
        invocation = self._service.submit(call)
        body, outcome = await collect(invocation, self._service.documented)
        headers = [
            ("content-type", "application/json"),
            ("x-amzn-requestid", ask.request_id),
            version,
            ("x-amzn-trace-id", call.trace_id),
        ]
        if outcome.status != "success":
            headers.append(("x-amz-function-error", "Unhandled"))
        if call.tail:
            headers.append(("x-amz-log-result", base64.b64encode(invocation.log_tail).decode()))
        delivery = self._delivery(ask, function, fault)
        try:
            return await delivery.respond(200, headers, body)
        finally:
            delivery.over()

    async def _invoke_streaming(self, ask: Ask) -> None:
        function, arn = self._find(ask)
        kind = ask.one_of("x-amz-invocation-type", ("RequestResponse", "DryRun"), "RequestResponse")
        payload = await ask.payload(REQUEST_LIMIT)
        # Documented as 204; on AWS, a streamed dry run was observed to run the function and answer 200.
        if kind == "DryRun" and self._service.documented:
            return await ask.respond(204, [("x-amz-executed-version", function.version)])
        call = ask.call(function, arn, payload, "streaming")
        delivery = self._delivery(ask, function, self._service.fault_for(function, ask.request_id), True)
        invocation = self._service.submit(call)
        try:
            return await self._stream(ask, invocation, delivery)
        finally:
            delivery.over()
            invocation.detach()

    async def _stream(self, ask: Ask, invocation: Invocation, delivery: Delivery) -> None:
        content_type = await invocation.content_type() or (await invocation.result()).content_type
        headers = [
            ("content-type", event_stream.CONTENT_TYPE),
            ("x-amzn-remapped-content-type", content_type),
            ("x-amz-executed-version", invocation.call.function.version),
            ("x-amzn-trace-id", invocation.call.trace_id),
            ("x-amzn-requestid", ask.request_id),
        ]
        await delivery.start(200, headers)
        documented = self._service.documented
        async for batch in event_stream.frames(invocation, documented, delivery, content_type):
            await delivery.send(batch)
        await delivery.finish()

    def _find(self, ask: Ask) -> tuple[Function, str]:
        """Return the requested function, and its ARN with the caller's qualifier."""
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

    def _delivery(self, ask: Ask, function: Function, fault: Fault | None, framed: bool = False) -> Delivery:
        tell = self._service.fault_teller(function, ask.request_id)
        return Delivery(ask.connection, fault, tell, framed=framed)


def _unknown(method: str, path: str) -> str:
    if method in ("POST", "PUT", "PATCH", "DELETE") and path.startswith("/20"):
        return (
            f"LocalLambda has no {method} {path}: its functions are added and changed with "
            "LocalLambda.add_function(), their URLs opened with function_url()."
        )
    return f"{method} {path} is not an operation of this server."


async def collect(invocation: Invocation, documented: bool) -> tuple[bytes, Outcome]:
    """Return the body of a buffered invocation and its outcome as the caller sees it.

    A buffered caller does not see an error in the trailers of a streamed response, as captured on AWS.
    """
    body = await invocation.whole()
    outcome = await invocation.result()
    if outcome.status == "success":
        return body, outcome
    if outcome.in_trailers and not documented:
        return body, Outcome("success")
    return outcome.error, outcome
