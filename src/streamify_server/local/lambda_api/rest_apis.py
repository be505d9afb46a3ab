"""API Gateway's responses about the REST APIs of functions, in the shapes of the botocore model.

https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
"""

from typing import Any

from streamify_server.local.api_errors import ApiError
from streamify_server.local.fronts.front import OpenFront

_INVOKE = {
    True: "2021-11-15/functions/{}/response-streaming-invocations",
    False: "2015-03-31/functions/{}/invocations",
}


def rest_api(opened: OpenFront) -> dict[str, Any]:
    """Return the RestApi."""
    return {"id": opened.id, "name": opened.front.function}


def resources(opened: OpenFront, arn: str) -> list[dict[str, Any]]:
    """Return the Resources with their methods; all paths go to the function."""
    region = arn.split(":")[3]
    streaming = opened.front.streaming
    integration = {
        "type": "AWS_PROXY",
        "httpMethod": "POST",
        "uri": f"arn:aws:apigateway:{region}:lambda:path/{_INVOKE[streaming].format(arn)}",
        "responseTransferMode": "STREAM" if streaming else "BUFFERED",
    }
    method = {
        "httpMethod": "ANY",
        "authorizationType": "NONE",
        "apiKeyRequired": False,
        "methodIntegration": integration,
    }
    return [
        {"id": f"{opened.id[:6]}{number}", "path": path, "resourceMethods": {"ANY": method}}
        for number, path in enumerate(("/", "/{proxy+}"))
    ]


def no_such_api(identity: str) -> ApiError:
    return ApiError("NotFoundException", f"Invalid API identifier specified: {identity}")
