"""Statements of resource policies, and what they allow through a Function URL."""

from typing import Any

import pytest

from streamify_client.doctor._policy import allows, allows_api, denies

ACTION = "lambda:InvokeFunctionUrl"
NONE = {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}


def statement(**changes: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": ACTION, **changes}


@pytest.mark.parametrize(
    ("given", "everybody", "expected"),
    [
        (statement(), True, True),
        (statement(Condition=NONE), True, True),
        (statement(Principal={"AWS": "*"}), True, True),
        (statement(Action=["lambda:GetFunction", "lambda:*"]), True, True),
        (statement(Action="LAMBDA:invokefunctionurl"), True, True),
        (statement(Action="lambda:Invoke*"), True, True),
        (statement(Condition={"Bool": {"lambda:InvokedViaFunctionUrl": True}}), True, True),
        (statement(Effect="Deny"), True, False),
        (statement(Action="lambda:InvokeFunction"), True, False),
        (statement(Principal={"AWS": "123456789012"}), True, False),
        (statement(Principal={"Service": "events.amazonaws.com"}), True, False),
        (statement(Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}}), True, False),
        (statement(Condition={"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}), True, False),
        (statement(Condition={"StringNotEquals": {"lambda:FunctionUrlAuthType": "NONE"}}), True, False),
        (statement(Condition={"BoolIfExists": {"lambda:InvokedViaFunctionUrl": "true"}}), True, True),
        (statement(Principal={"AWS": "123456789012"}), False, True),
        ({}, True, False),
    ],
)
def test_a_statement(given: dict[str, Any], everybody: bool, expected: bool) -> None:
    assert allows(given, ACTION, everybody) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (statement(Effect="Deny"), True),
        (statement(Effect="Deny", Action="lambda:*", Condition=NONE), True),
        (statement(), False),
        (statement(Effect="Deny", Principal={"AWS": "123456789012"}), False),
        (statement(Effect="Deny", Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}), False),
        (statement(Effect="Deny", Action="lambda:DeleteFunction"), False),
    ],
)
def test_a_statement_that_denies_it_to_everyone(given: dict[str, Any], expected: bool) -> None:
    assert denies(given, ACTION) is expected


API = {"Action": "lambda:InvokeFunction", "Principal": {"Service": "apigateway.amazonaws.com"}}
SOURCE = "arn:aws:execute-api:eu-west-1:123456789012:a1/*/GET/x"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (statement(**API), True),
        (statement(**API, Condition={"ArnLike": {"AWS:SourceArn": SOURCE}}), True),
        (statement(**API, Condition={"ArnLike": {"AWS:SourceArn": SOURCE.replace("a1", "b2")}}), False),
        (statement(**{**API, "Principal": "*"}), True),
        (statement(**{**API, "Principal": {"Service": ["events.amazonaws.com"]}}), False),
        (statement(Principal=API["Principal"]), False),
    ],
)
def test_a_statement_that_lets_an_api_invoke(given: dict[str, Any], expected: bool) -> None:
    assert allows_api(given, "a1") is expected
