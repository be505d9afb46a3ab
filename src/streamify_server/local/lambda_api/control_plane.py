"""The responses of the control plane, in the shapes of the botocore model."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from streamify_server.local.api_errors import ApiError
from streamify_server.local.fronts.cors import Cors
from streamify_server.local.fronts.front import URL_PERMISSIONS, OpenFront
from streamify_server.local.functions import Function

_PAGE = 50


def configuration(function: Function) -> dict[str, Any]:
    """Return the FunctionConfiguration, without the fields that a local function does not have."""
    digest = hashlib.sha256(str(function.code).encode()).hexdigest()
    shown: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Role": f"arn:aws:iam::{function.arn.split(':')[4]}:role/local",
        "Handler": function.handler,
        "Runtime": function.runtime,
        "Description": function.description,
        "Timeout": max(1, round(function.timeout)),
        "MemorySize": function.memory_size,
        "LastModified": function.last_modified,
        "CodeSize": 0,
        "CodeSha256": digest,
        "Version": function.version,
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "TracingConfig": {"Mode": "PassThrough"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": function.log_group},
    }
    if function.environment:
        shown["Environment"] = {"Variables": dict(function.environment)}
    if function.layers:
        region, account = function.arn.split(":")[3:5]
        shown["Layers"] = [
            {"Arn": f"arn:aws:lambda:{region}:{account}:layer:{name}:1"} for name in function.layers
        ]
    return shown


def function(function: Function, location: str) -> dict[str, Any]:
    """Return the response to GetFunction; `location` is the download URL of its package."""
    answer: dict[str, Any] = {
        "Configuration": configuration(function),
        "Code": {"RepositoryType": "S3", "Location": location},
        "Tags": {},
    }
    if function.concurrency is not None:
        answer["Concurrency"] = concurrency(function)
    return answer


def concurrency(function: Function) -> dict[str, Any]:
    """Return the response to GetFunctionConcurrency: empty without a reservation."""
    if function.concurrency is None:
        return {}
    return {"ReservedConcurrentExecutions": function.concurrency}


def versions(function: Function) -> dict[str, Any]:
    """Return the response to ListVersionsByFunction: only $LATEST, since nothing is published."""
    return {"Versions": [configuration(function)]}


def alias(function: Function, name: str) -> dict[str, Any]:
    """Return the response to GetAlias.

    Raises:
        ApiError: The function has no such alias.
    """
    if name not in function.aliases:
        raise ApiError("ResourceNotFoundException", f"Cannot find alias arn: {function.arn}:{name}")
    return {
        "AliasArn": f"{function.arn}:{name}",
        "Name": name,
        "FunctionVersion": function.version,
        "Description": "",
    }


def aliases(function: Function) -> dict[str, Any]:
    """Return the response to ListAliases."""
    return {"Aliases": [alias(function, name) for name in function.aliases]}


def tags(function: Function) -> dict[str, Any]:
    """Return the response to ListTags: a local function has no tags."""
    return {"Tags": {}}


def runtime_management(function: Function) -> dict[str, Any]:
    """Return the response to GetRuntimeManagementConfig."""
    return {"UpdateRuntimeOn": "Auto", "FunctionArn": function.arn}


def url_config(function: Function, opened: OpenFront) -> dict[str, Any]:
    """Return the FunctionUrlConfig."""
    front = opened.front
    shown: dict[str, Any] = {
        "FunctionUrl": opened.url,
        "FunctionArn": function.arn,
        "AuthType": "AWS_IAM" if front.signed else "NONE",
        "InvokeMode": "RESPONSE_STREAM" if front.streaming else "BUFFERED",
        "CreationTime": opened.opened,
        "LastModifiedTime": opened.opened,
    }
    if front.cors:
        shown["Cors"] = _cors(front.cors)
    return shown


def _cors(cors: Cors) -> dict[str, Any]:
    shown = {
        "AllowOrigins": list(cors.allow_origins),
        "AllowMethods": list(cors.allow_methods),
        "AllowHeaders": list(cors.allow_headers),
        "ExposeHeaders": list(cors.expose_headers),
        "AllowCredentials": cors.allow_credentials,
        "MaxAge": cors.max_age,
    }
    return {name: value for name, value in shown.items() if value not in (None, [])}


def policy(function: Function, fronts: Sequence[OpenFront]) -> dict[str, Any] | None:
    """Return the response to GetPolicy: the grants for URLs with AuthType NONE and for REST APIs."""
    urls = [each.front for each in fronts if each.front.api == "url" and not each.front.signed]
    granted = {permission for front in urls for permission in front.granted}
    statements = [_for_urls(action, function) for action in URL_PERMISSIONS if action in granted]
    statements += [_for_api(each, function) for each in fronts if each.front.api == "rest"]
    if not statements:
        return None
    return {
        "Policy": json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": statements}),
        "RevisionId": hashlib.sha256(function.arn.encode()).hexdigest()[:32],
    }


# The statement id and the condition that AWS uses for each permission.
_PUBLIC: dict[str, tuple[str, dict[str, Any]]] = {
    "lambda:InvokeFunctionUrl": (
        "FunctionURLAllowPublicAccess",
        {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
    ),
    "lambda:InvokeFunction": (
        "FunctionURLInvokeAllowPublicAccess",
        {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
    ),
}


def _for_urls(action: str, function: Function) -> dict[str, Any]:
    return {
        "Sid": _PUBLIC[action][0],
        "Effect": "Allow",
        "Principal": "*",
        "Action": action,
        "Resource": function.arn,
        "Condition": _PUBLIC[action][1],
    }


def _for_api(opened: OpenFront, function: Function) -> dict[str, Any]:
    region, account = function.arn.split(":")[3:5]
    return {
        "Sid": f"api-{opened.id}",
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": function.arn,
        "Condition": {"ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:{region}:{account}:{opened.id}/*"}},
    }


def no_such_resource() -> ApiError:
    return ApiError("ResourceNotFoundException", "The resource you requested does not exist.")


def access_denied(account: str, action: str) -> ApiError:
    """Return the error for a caller whose policies do not allow an action."""
    message = f"User: arn:aws:iam::{account}:user/local is not authorized to perform: {action}"
    return ApiError("AccessDeniedException", f"{message} because no identity-based policy allows it")


def caller_identity(account: str, request_id: str) -> bytes:
    """Return the response of STS to GetCallerIdentity."""
    return (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        f"<GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/local</Arn>"
        f"<UserId>AIDALOCALLAMBDA00000</UserId><Account>{account}</Account></GetCallerIdentityResult>"
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>"
    ).encode()


def unknown_action(action: str, request_id: str) -> bytes:
    """Return the error response of AWS's query protocol to an unknown action."""
    message = escape(f"LocalLambda has no action {action!r}, only GetCallerIdentity.")
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>{message}</Message>"
        f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def function_list(functions: Sequence[Function], query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a page of ListFunctions; the marker is the index of the next page's first function.

    Raises:
        ApiError: MaxItems or Marker is invalid.
    """
    size = min(_number(query, "MaxItems", _PAGE), _PAGE)
    first = _number(query, "Marker", 0)
    answer: dict[str, Any] = {"Functions": [configuration(each) for each in functions[first : first + size]]}
    if first + size < len(functions):
        answer["NextMarker"] = str(first + size)
    return answer


def _number(query: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    text = query.get(name, [""])[0]
    if not text:
        return default
    if not text.isdecimal() or (name == "MaxItems" and int(text) == 0):
        raise ApiError("InvalidParameterValueException", f"{name} cannot be {text}.")
    return int(text)
