"""The reads of the control plane, by boto3 and against its model."""

import http.client
import io
import json
import re
import sys
import urllib.request
import zipfile
from contextlib import closing
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError

from streamify_server.local import Cors, LocalLambda
from support.local import FUNCTIONS, boto3_client

MODEL: Any = botocore.session.get_session().get_service_model("lambda")
SERVED = {
    "Invoke": {"payload": b"{}"},
    "InvokeWithResponseStream": {"payload": b"{}"},
    "ListFunctions": {},
    "GetFunction": {},
    "GetFunctionConfiguration": {},
    "GetFunctionConcurrency": {},
    "GetFunctionUrlConfig": {},
    "ListFunctionUrlConfigs": {},
    "GetAlias": {},
    "ListAliases": {},
    "ListVersionsByFunction": {},
    "ListTags": {},
    "GetPolicy": {},
    "GetRuntimeManagementConfig": {},
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
    path = re.sub(r"\{\w+\}", "absent", model["requestUri"])
    connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"))
    connection.request(model["method"], path, SERVED[name].get("payload"))
    answer = connection.getresponse()
    expected = 200 if name == "ListFunctions" else 404
    assert answer.status == expected
    assert answer.headers["x-amzn-errortype"] == (None if expected == 200 else "ResourceNotFoundException")
    connection.close()


def answer_of(response: dict[str, Any], shape: str) -> dict[str, Any]:
    """An answer without boto3's metadata, once its fields are those of the model."""
    response.pop("ResponseMetadata")
    assert set(response) <= set(MODEL.shape_for(shape).members)
    return response


def test_function_urls_are_told_with_their_mode_which_tools_decide_by(aws: LocalLambda, client: Any) -> None:
    aws.add_function("urls", handler="plain.handler", code=FUNCTIONS)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function_url_config(FunctionName="urls")
    assert client.list_function_url_configs(FunctionName="urls")["FunctionUrlConfigs"] == []
    cors = Cors(allow_origins=["https://app.example"], allow_credentials=True)
    url = aws.function_url("urls", invoke_mode="RESPONSE_STREAM", auth_type="AWS_IAM", cors=cors)
    aws.rest_api("urls")
    shown = answer_of(client.get_function_url_config(FunctionName="urls"), "GetFunctionUrlConfigResponse")
    assert (shown["FunctionUrl"], shown["InvokeMode"], shown["AuthType"]) == (
        url,
        "RESPONSE_STREAM",
        "AWS_IAM",
    )
    assert shown["Cors"] == {"AllowOrigins": ["https://app.example"], "AllowCredentials": True}
    listed = client.list_function_url_configs(FunctionName="urls")["FunctionUrlConfigs"]
    assert listed == [shown]
    assert set(listed[0]) <= set(MODEL.shape_for("FunctionUrlConfig").members)


def test_aliases_versions_tags_and_policies_are_told(described: Any) -> None:
    alias = answer_of(described.get_alias(FunctionName="fn0", Name="live"), "AliasConfiguration")
    assert alias["AliasArn"] == "arn:aws:lambda:us-east-1:123456789012:function:fn0:live"
    assert described.list_aliases(FunctionName="fn0")["Aliases"] == [alias]
    with pytest.raises(described.exceptions.ResourceNotFoundException, match="Cannot find alias"):
        described.get_alias(FunctionName="fn0", Name="dead")
    versions = described.list_versions_by_function(FunctionName="fn0")["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST"]
    arn = described.get_function(FunctionName="fn0")["Configuration"]["FunctionArn"]
    assert described.list_tags(Resource=arn)["Tags"] == {}
    with pytest.raises(described.exceptions.ResourceNotFoundException):
        described.get_policy(FunctionName="fn0")
    management = described.get_runtime_management_config(FunctionName="fn0")
    assert answer_of(management, "GetRuntimeManagementConfigResponse")["UpdateRuntimeOn"] == "Auto"


def test_a_functions_package_can_be_downloaded(described: Any) -> None:
    location = described.get_function(FunctionName="fn0")["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        package = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert package.read("plain.py") == (FUNCTIONS / "plain.py").read_bytes()
    assert not any("__pycache__" in name for name in package.namelist())


def test_sts_tells_who_calls(aws: LocalLambda) -> None:
    client = boto3.client("sts", **aws.client_kwargs)
    identity = client.get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:user/local"
    with pytest.raises(ClientError, match="GetSessionToken"):
        client.get_session_token()
    client.close()


WRITES = {
    "create_function": {"Role": "arn:aws:iam::123456789012:role/local", "Code": {"ZipFile": b"x"}},
    "update_function_code": {"ZipFile": b"x"},
    "update_function_configuration": {"Timeout": 3},
    "delete_function": {},
    "publish_version": {},
    "create_alias": {"Name": "a", "FunctionVersion": "1"},
    "create_function_url_config": {"AuthType": "NONE"},
    "put_function_concurrency": {"ReservedConcurrentExecutions": 1},
    "add_permission": {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"},
}


@pytest.mark.parametrize(("operation", "arguments"), WRITES.items(), ids=WRITES.keys())
def test_a_write_says_what_to_use_instead(described: Any, operation: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"LocalLambda\.add_function\(\)") as raised:
        getattr(described, operation)(FunctionName="fn0", **arguments)
    assert "add_function()" in raised.value.response["Error"]["Message"]


def test_the_policy_of_a_public_url_has_what_aws_grants() -> None:
    with LocalLambda() as aws:
        aws.add_function("fn", handler="plain.handler", code=FUNCTIONS)
        aws.function_url("fn")
        with closing(boto3_client(aws)) as client:
            answer = answer_of(client.get_policy(FunctionName="fn"), "GetPolicyResponse")
    statements = json.loads(answer["Policy"])["Statement"]
    assert [each["Action"] for each in statements] == ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]
    assert {each["Principal"] for each in statements} == {"*"}


def test_what_a_public_url_is_granted_is_checked() -> None:
    with LocalLambda() as aws:
        aws.add_function("fn", handler="plain.handler", code=FUNCTIONS)
        with pytest.raises(ValueError, match="granted is lambda:InvokeFunctionUrl or"):
            aws.function_url("fn", granted=["lambda:Everything"])
