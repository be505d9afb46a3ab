"""Statements of resource policies, and what they allow through a Function URL."""

from typing import Any

import pytest

from streamify_client.doctor._policy import allows

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
        (statement(Principal={"AWS": "123456789012"}), False, True),
        ({}, True, False),
    ],
)
def test_a_statement(given: dict[str, Any], everybody: bool, expected: bool) -> None:
    assert allows(given, ACTION, everybody) is expected
