"""Turns HTTP requests into events for functions.

Function URLs send payload format 2.0
(https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads), REST APIs format 1.0
(https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html).
"""

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from streamify_server.local.http.request import Request

_TEXT = re.compile(r"text/.*|application/(.*\+)?(json|xml)|application/(x-)?javascript")
SOURCE_IP = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The identity of an HTTP endpoint in its events."""

    id: str
    account: str
    domain: str
    stage: str = "$default"
    scheme: str = "http"
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One complete HTTP request; `caller` is the signer, if it was signed."""

    request: Request
    body: bytes
    request_id: str
    trace_id: str
    caller: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        return self.request.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.request.target.partition("?")[2]


def format_2_0(endpoint: Endpoint, received: Received) -> dict[str, Any]:
    """Return the event of a Function URL."""
    request = received.request
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": received.path,
        "rawQueryString": received.query,
        "headers": _joined_headers(endpoint, received),
        "requestContext": {
            "accountId": endpoint.account if received.caller else "anonymous",
            "apiId": endpoint.id,
            "domainName": endpoint.domain,
            "domainPrefix": endpoint.id,
            "http": {
                "method": request.method,
                "path": received.path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": request.header("user-agent") or "",
            },
            "requestId": received.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies := _cookies(request):
        event["cookies"] = cookies
    if received.query:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in _query(received.query).items()
        }
    if received.caller:
        event["requestContext"]["authorizer"] = {"iam": dict(received.caller)}
    if received.body:
        event["body"], event["isBase64Encoded"] = _body(request, received.body)
    return event


def format_1_0(endpoint: Endpoint, received: Received) -> dict[str, Any]:
    """Return the event of a REST API with a proxy integration on `/{proxy+}`."""
    request = received.request
    now = time.time()
    path = received.path
    values = _query(received.query)
    headers = _all_headers(endpoint, received)
    body, encoded = _body(request, received.body) if received.body else (None, False)
    return {
        "resource": "/{proxy+}" if path.strip("/") else "/",
        "path": path,
        "httpMethod": request.method,
        "headers": {name: several[-1] for name, several in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: several[-1] for name, several in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
        "pathParameters": {"proxy": unquote(path.lstrip("/"))} if path.strip("/") else None,
        "stageVariables": None,
        "requestContext": {
            "accountId": endpoint.account,
            "apiId": endpoint.id,
            "domainName": endpoint.domain,
            "domainPrefix": endpoint.id,
            "httpMethod": request.method,
            "identity": {"sourceIp": SOURCE_IP, "userAgent": request.header("user-agent")},
            "path": f"/{endpoint.stage}{path}",
            "protocol": "HTTP/1.1",
            "requestId": received.request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "requestTimeEpoch": int(now * 1000),
            "resourcePath": "/{proxy+}" if path.strip("/") else "/",
            "stage": endpoint.stage,
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def _all_headers(endpoint: Endpoint, received: Received) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in received.request.headers:
        headers.setdefault(name, []).append(value)
    headers["x-amzn-trace-id"] = [received.trace_id]
    headers["x-forwarded-for"] = [SOURCE_IP]
    headers["x-forwarded-port"] = [str(endpoint.port)]
    headers["x-forwarded-proto"] = [endpoint.scheme]
    return headers


def _joined_headers(endpoint: Endpoint, received: Received) -> dict[str, str]:
    """Return the headers for format 2.0: repeated headers are joined, cookies are in another field."""
    headers = _all_headers(endpoint, received)
    return {name: ",".join(values) for name, values in headers.items() if name != "cookie"}


def _cookies(request: Request) -> list[str]:
    values = [value for name, value in request.headers if name == "cookie"]
    return [cookie.strip() for value in values for cookie in value.split(";") if cookie.strip()]


def _query(query: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return values


def _body(request: Request, body: bytes) -> tuple[str, bool]:
    """Return the body as text if its content type is a text type and it is valid UTF-8, else in base64."""
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if _TEXT.fullmatch(media_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True
