"""The reads of the control plane, by boto3 and against its model."""

import http.client
import sys
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from streamify_server.local import LocalLambda
from support.local import FUNCTIONS, boto3_client

MODEL: Any = botocore.session.get_session().get_service_model("lambda")
SERVED = {
    "Invoke": {"payload": b"{}"},
    "InvokeWithResponseStream": {"payload": b"{}"},
    "ListFunctions": {},
    "GetFunction": {},
    "GetFunctionConfiguration": {},
    "GetFunctionConcurrency": {},
}


@pytest.fixture
def described() -> Any:
    with LocalLambda() as aws:
        for number in range(3):
            aws.add_function(
                f"fn{number}",
                handler="plain.handler",
                code=FUNCTIONS,
                timeout=30,
                memory_size=256,
                concurrency=5 if number == 0 else None,
                environment={"A": "b"},
                aliases=["live"],
                description="a function",
            )
        client = boto3_client(aws)
        yield client
        client.close()


def test_a_function_is_described_as_configured(described: Any) -> None:
    answer = described.get_function(FunctionName="fn0")
    shown = answer["Configuration"]
    assert shown["FunctionName"] == "fn0"
    assert shown["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:fn0"
    assert shown["Handler"] == "plain.handler"
    assert shown["Runtime"] == f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert (shown["Timeout"], shown["MemorySize"], shown["Version"]) == (30, 256, "$LATEST")
    assert shown["Environment"] == {"Variables": {"A": "b"}}
    assert shown["State"] == "Active"
    assert answer["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    configuration = described.get_function_configuration(FunctionName="fn0:live")
    configuration.pop("ResponseMetadata")
    assert configuration == shown
    assert described.get_function_concurrency(FunctionName="fn0")["ReservedConcurrentExecutions"] == 5
    assert "ReservedConcurrentExecutions" not in described.get_function_concurrency(FunctionName="fn1")


def test_what_is_described_is_in_the_model(described: Any) -> None:
    shown = described.get_function(FunctionName="fn0")
    assert set(shown["Configuration"]) <= set(MODEL.shape_for("FunctionConfiguration").members)
    assert set(shown) - {"ResponseMetadata"} <= set(MODEL.shape_for("GetFunctionResponse").members)


def test_functions_are_listed_page_by_page(described: Any) -> None:
    pages = list(described.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert [[each["FunctionName"] for each in page["Functions"]] for page in pages] == [
        ["fn0", "fn1"],
        ["fn2"],
    ]


def test_a_function_that_is_not_there_is_not_described(described: Any) -> None:
    with pytest.raises(described.exceptions.ResourceNotFoundException):
        described.get_function(FunctionName="nope")


def test_a_marker_that_was_never_given_out_is_refused(described: Any) -> None:
    with pytest.raises(ClientError, match="Marker cannot be x"):
        described.list_functions(Marker="x")


@pytest.mark.parametrize("name", SERVED)
def test_each_operation_is_served_on_the_method_and_path_of_the_model(aws: LocalLambda, name: str) -> None:
    model = MODEL.operation_model(name).http
    path = model["requestUri"].replace("{FunctionName}", "absent")
    connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"))
    connection.request(model["method"], path, SERVED[name].get("payload"))
    answer = connection.getresponse()
    expected = 200 if name == "ListFunctions" else 404
    assert answer.status == expected
    assert answer.headers["x-amzn-errortype"] == (None if expected == 200 else "ResourceNotFoundException")
    connection.close()
