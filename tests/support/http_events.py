"""Lambda's HTTP events, shaped as AWS documents them."""

from typing import Any


def function_url(
    path: str = "/",
    *,
    method: str = "GET",
    query: str = "",
    headers: dict[str, str] | None = None,
    cookies: list[str] | None = None,
    body: str | None = None,
    base64: bool = False,
) -> dict[str, Any]:
    """Payload format 2.0: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "host": "abc.lambda-url.us-east-1.on.aws",
            "x-forwarded-proto": "https",
            **(headers or {}),
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.us-east-1.on.aws",
            "domainPrefix": "abc",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "test",
            },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": base64,
    }
    if cookies:
        event["cookies"] = cookies
    if body is not None:
        event["body"] = body
    return event


def rest_api(
    path: str = "/",
    *,
    method: str = "GET",
    query: dict[str, list[str]] | None = None,
    headers: dict[str, list[str]] | None = None,
    body: str | None = None,
    base64: bool = False,
) -> dict[str, Any]:
    """Format 1.0 of an API Gateway REST API.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    several = {"Host": ["api.execute-api.us-east-1.amazonaws.com"], "X-Forwarded-Proto": ["https"]} | (
        headers or {}
    )
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in several.items()},
        "multiValueHeaders": several,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": "/v1" + path,
            "stage": "v1",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "test"},
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "apiId": "1234567890",
        },
        "body": body,
        "isBase64Encoded": base64,
    }


def load_balancer(
    path: str = "/", *, method: str = "GET", query: dict[str, str] | None = None
) -> dict[str, Any]:
    """An Application Load Balancer: https://docs.aws.amazon.com/lambda/latest/dg/services-alb.html."""
    return {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/1"}
        },
        "httpMethod": method,
        "path": path,
        "queryStringParameters": query or {},
        "headers": {"host": "lb.example", "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "http"},
        "body": "",
        "isBase64Encoded": False,
    }
