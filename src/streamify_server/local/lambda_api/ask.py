"""A request to the Lambda API, with the checks that all invocations share."""

import base64
import binascii
import json
import re

from streamify_server.local.api_errors import ApiError
from streamify_server.local.events import Mode
from streamify_server.local.functions import Function
from streamify_server.local.http.connection import BodyTooLargeError, Connection
from streamify_server.local.http.request import Request
from streamify_server.local.invocation import Call
from streamify_server.local.stream_parts import part_of_context
from streamify_server.local.trace import trace_header

CLIENT_CONTEXT_LIMIT = 3583


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_no_number)


class Ask:
    """A request to the Lambda API, with the checks that all invocations share."""

    def __init__(
        self,
        request: Request,
        connection: Connection,
        request_id: str,
        parts: list[str],
        query: dict[str, list[str]],
    ) -> None:
        self.request = request
        self.connection = connection
        self.request_id = request_id
        self.name: str = parts[0]
        self.part: str = parts[-1]
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
            _STRICT.decode(body.decode())
        except (ValueError, RecursionError) as error:
            message = f"Could not parse request body into json: {error}"
            raise ApiError("InvalidRequestContentException", message) from None
        return body

    def call(self, function: Function, arn: str, payload: bytes, mode: Mode) -> Call:
        client_context = self._client_context()
        return Call(
            function=function,
            request_id=self.request_id,
            invoked_arn=arn,
            payload=payload,
            trace_id=trace_header(self.request.header("x-amzn-trace-id")),
            mode=mode,
            client_context=client_context,
            tenant_id=self.request.header("x-amz-tenant-id"),
            tail=self.one_of("x-amz-log-type", ("None", "Tail"), "None") == "Tail",
            part=part_of_context(client_context),
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
        except (binascii.Error, ValueError, RecursionError):
            message = "Client context must be a valid Base64-encoded JSON object."
            raise ApiError("InvalidRequestContentException", message) from None
        # JSON may have line breaks between its tokens, which a header must not.
        return re.sub(r"[\r\n]", " ", text).encode().decode("latin-1")
