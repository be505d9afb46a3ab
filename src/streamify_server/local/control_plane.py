"""What the control plane tells of functions, in the shapes of the botocore model."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from .api_errors import ApiError
from .functions import Function

_PAGE = 50


def configuration(function: Function) -> dict[str, Any]:
    """FunctionConfiguration; what a local function does not have is left out."""
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
    return shown


def function(function: Function) -> dict[str, Any]:
    """The answer to GetFunction."""
    answer: dict[str, Any] = {
        "Configuration": configuration(function),
        "Code": {"RepositoryType": "Local", "Location": function.code.as_uri()},
    }
    if function.concurrency is not None:
        answer["Concurrency"] = concurrency(function)
    return answer


def concurrency(function: Function) -> dict[str, Any]:
    """The answer to GetFunctionConcurrency: empty without a reservation."""
    if function.concurrency is None:
        return {}
    return {"ReservedConcurrentExecutions": function.concurrency}


def function_list(functions: Sequence[Function], query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A page of ListFunctions; the marker is the number of the first function of the next page.

    Raises:
        ApiError: MaxItems or Marker is no number that this gave out.
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
