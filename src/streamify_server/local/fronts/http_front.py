"""Serves Function URLs and REST APIs of API Gateway."""

import json
from collections.abc import AsyncIterator

from streamify_server.local.api_errors import ApiError
from streamify_server.local.delivery import CutShortError, Delivery
from streamify_server.local.functions import Function
from streamify_server.local.http.connection import BodyTooLargeError, Connection, TruncatedBodyError
from streamify_server.local.http.request import Request, refused
from streamify_server.local.invocation import Call, Invocation
from streamify_server.local.names import function_arn
from streamify_server.local.service import LambdaService
from streamify_server.local.stream_parts import STATE, part_of
from streamify_server.local.trace import new_request_id, trace_header
from streamify_server.response import PRELUDE_CONTENT_TYPE

from . import http_events, http_responses, sigv4
from .cors import cors_headers, is_preflight
from .front import Front
from .http_events import Endpoint, Received
from .http_responses import Head, MalformedResponseError, PreludeReader

_REQUEST_LIMIT = 6 * 1024 * 1024
_WITHOUT_BODY = (204, 205, 304)
_ADVICE = (
    " To let it in, name it in pass_origins= (`streamify dev --pass-origin`: the application answers it) or"
    " in cors= (the URL does)."
)


class RefusedError(Exception):
    """The endpoint rejects a request, or answers in place of a failed function."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HttpFront:
    """Answers HTTP requests by invoking a function."""

    def __init__(self, service: LambdaService, front: Front, endpoint: Endpoint) -> None:
        self._service = service
        self._front = front
        self.endpoint = endpoint

    def guard(self, request: Request, port: int, scheme: str, *, host: str) -> str | None:
        """Reject requests from pages of origins that are not configured."""
        return refused(request, port, scheme, host=host, allows=self._front.allows, advice=_ADVICE)

    async def __call__(self, request: Request, connection: Connection) -> None:
        request_id = new_request_id()
        extra = [("x-amzn-requestid", request_id)]
        if self._front.cors:
            extra += cors_headers(self._front.cors, request)
        try:
            if self._front.cors and is_preflight(request):
                return await connection.respond(200, extra)
            await self._serve(request, connection, request_id, extra)
        except ApiError as error:
            headers = [*extra, *error.headers]
            await connection.respond(error.status, headers, error.body)
        except RefusedError as error:
            await connection.skip_body(_REQUEST_LIMIT)
            body = json.dumps({"message": str(error)}).encode()
            headers = [("content-type", "application/json"), *extra]
            if error.status == 403:  # https://github.com/awsdocs/aws-lambda-developer-guide/issues/494
                headers.append(("x-amzn-errortype", "AccessDeniedException"))
            await connection.respond(error.status, headers, body)
        except CutShortError as cut:
            if str(cut) != "clean":
                raise
        except TruncatedBodyError as truncated:
            body = json.dumps({"message": str(truncated)}).encode()
            await connection.respond(400, [("content-type", "application/json"), *extra], body)
        return None

    async def _serve(
        self, request: Request, connection: Connection, request_id: str, extra: list[tuple[str, str]]
    ) -> None:
        received = await self._receive(request, connection, request_id)
        function = self._service.functions[self._front.function]
        make = http_events.format_1_0 if self._front.api == "rest" else http_events.format_2_0
        payload = json.dumps(make(self.endpoint, received)).encode()
        if len(payload) > _REQUEST_LIMIT:
            raise RefusedError(413, "Request Too Long")
        fault = self._service.fault_for(function, request_id)
        invocation = self._service.submit(self._call(function, received, payload))
        delivery = Delivery(connection, fault, self._service.fault_teller(function, request_id))
        try:
            if self._front.streaming:
                await self._stream(request, invocation, delivery, connection, extra)
            else:
                await self._buffer(invocation, delivery, extra)
        finally:
            delivery.over()
            invocation.detach()

    async def _receive(self, request: Request, connection: Connection, request_id: str) -> Received:
        try:
            body = await connection.read_body(_REQUEST_LIMIT)
        except BodyTooLargeError:
            raise RefusedError(413, "Request Too Long") from None
        caller = None
        if lacking := self._front.lacking:
            raise RefusedError(403, f"Forbidden: the resource policy does not grant {' and '.join(lacking)}")
        if self._front.signed:
            caller = self._verify(request, body)
        trace_id = trace_header(request.header("x-amzn-trace-id"))
        return Received(request=request, body=body, request_id=request_id, trace_id=trace_id, caller=caller)

    def _verify(self, request: Request, body: bytes) -> dict[str, object]:
        url = f"{self.endpoint.scheme}://{request.header('host')}{request.target}"
        try:
            key = sigv4.verify(request, body, self._front.secrets, self._service.region, url)
        except sigv4.SignatureError as error:
            raise RefusedError(403, str(error)) from None
        account = self.endpoint.account
        return {
            "accessKey": key,
            "accountId": account,
            "callerId": "AIDALOCALLAMBDA00000",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": f"arn:aws:iam::{account}:user/local",
            "userId": "AIDALOCALLAMBDA00000",
        }

    def _call(self, function: Function, received: Received, payload: bytes) -> Call:
        return Call(
            function=function,
            request_id=received.request_id,
            invoked_arn=function_arn(self._service.region, self._service.account, function.name),
            payload=payload,
            trace_id=received.trace_id,
            mode="streaming" if self._front.streaming else "buffered",
            http=f"{received.request.method} {received.request.target.partition('?')[0]}",
            part=part_of(received.request.header(STATE)),
        )

    async def _buffer(self, invocation: Invocation, delivery: Delivery, extra: list[tuple[str, str]]) -> None:
        whole = await invocation.whole()
        outcome = await invocation.result()
        if outcome.status != "success" and not outcome.in_trailers:
            raise RefusedError(502, "Internal Server Error")
        read = http_responses.buffered_1_0 if self._front.api == "rest" else http_responses.buffered_2_0
        try:
            head, body = read(whole)
        except MalformedResponseError as error:
            self._explain(invocation, str(error))
            raise RefusedError(502, "Internal server error") from None
        body = b"" if head.status in _WITHOUT_BODY else body
        await delivery.respond(head.status, [*head.headers, *extra], body)

    async def _stream(
        self,
        request: Request,
        invocation: Invocation,
        delivery: Delivery,
        connection: Connection,
        extra: list[tuple[str, str]],
    ) -> None:
        body = _Bodies(delivery.pieces(invocation.batches(), await invocation.content_type()))
        head = await self._head(invocation, body)
        await delivery.start(head.status, [*head.headers, *extra])
        empty = True
        async for batch in body:
            empty = False
            if head.status not in _WITHOUT_BODY:
                await delivery.send(batch)
        bodiless = request.method == "HEAD" or head.status in _WITHOUT_BODY or delivery.cut_here
        # As seen on AWS.
        if empty and not bodiless and not body.without_prelude and self._front.hangs_when_empty:
            self._explain(invocation, "its response has a prelude and no body: AWS keeps it open for minutes")
            await connection.wait_for_hang_up()
        await delivery.finish()

    async def _head(self, invocation: Invocation, body: "_Bodies") -> Head:
        content_type = await invocation.content_type()
        if content_type is None:
            raise RefusedError(502, "Internal Server Error")
        if content_type != PRELUDE_CONTENT_TYPE:
            if self._front.api == "rest":
                self._explain(invocation, f"a streamed response needs a prelude, not {content_type}")
                raise RefusedError(502, "Internal server error")
            return Head(200, [("content-type", content_type)])
        try:
            head = await body.read_head(self._front.prelude_limit)
            if body.without_prelude and self._front.api == "rest":
                raise MalformedResponseError("The response ended before its metadata was written.")
            if body.without_prelude:
                lost = "its response ended before its metadata was written: status and headers are lost"
                self._explain(invocation, lost)
            return head
        except MalformedResponseError as error:
            self._explain(invocation, str(error))
            raise RefusedError(502, "Internal Server Error") from None

    def _explain(self, invocation: Invocation, why: str) -> None:
        self._service.explain(invocation, f"LocalLambda: {why}.")


class _Bodies:
    """The chunks of a response's body, without its prelude."""

    def __init__(self, batches: AsyncIterator[list[bytes]]) -> None:
        self._batches = batches
        self._first: list[bytes] = []
        self.without_prelude: bool = False

    async def read_head(self, limit: int) -> Head:
        reader = PreludeReader(limit)
        async for batch in self._batches:
            self._first = [rest for piece in batch if (rest := reader.feed(piece))]
            if reader.head:
                return reader.head
        if not reader.begun:
            # Node's HttpResponseStream writes the metadata with the first chunk, so never if there is none:
            # https://github.com/aws/aws-lambda-nodejs-runtime-interface-client/issues/97
            self.without_prelude = True
            return Head(200, [("content-type", "application/octet-stream")])
        raise MalformedResponseError("The response ended within its metadata.")

    async def __aiter__(self) -> AsyncIterator[list[bytes]]:
        if self._first:
            yield self._first
        async for batch in self._batches:
            yield batch
