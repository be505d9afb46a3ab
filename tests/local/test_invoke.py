"""Invoke, by raw boto3."""

import base64
import json
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError

from streamify_server.local import LocalLambda
from support.boto_models import needs_tenants
from support.local import FUNCTIONS, Gate, add_steps, boto3_client, invoke, steps


def test_a_buffered_answer_comes_back(client: Any) -> None:
    answer = invoke(client, steps(["answer", '{"a": 1}']))
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert answer["Payload"] == b'{"a": 1}'


def test_a_streamed_answer_is_collected_to_one_body(client: Any) -> None:
    answer = invoke(client, steps(["write", "one "], ["write", "two"], ["end"]))
    assert answer["Payload"] == b"one two"
    assert "FunctionError" not in answer


def test_an_error_of_the_function_comes_as_its_payload(client: Any) -> None:
    error = '{"errorType": "ValueError", "errorMessage": "no"}'
    answer = invoke(client, steps(["error", error]))
    assert answer["StatusCode"] == 200
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"] == error.encode()


def test_the_tail_of_the_log_holds_what_the_function_printed_and_no_earlier_invocation(client: Any) -> None:
    invoke(client, steps(["print", "earlier"], ["answer", "1"]))
    payload = steps(["print", "x" * 100], ["print", "now"], ["answer", "1"])
    answer = invoke(client, payload, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    start, long, now, end, report = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert (long, now) == ("x" * 100, "now")
    assert end == f"END RequestId: {request_id}"
    assert report.startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "\tMemory Size: 128 MB\t" in report


def test_the_tail_is_the_last_four_kilobytes(client: Any) -> None:
    payload = steps(["print", "y" * 9000], ["answer", "1"])
    answer = invoke(client, payload, LogType="Tail")
    tail = base64.b64decode(answer["LogResult"])
    assert len(tail) == 4096
    assert b"REPORT" in tail


def test_an_event_is_accepted_and_runs_on_its_own(client: Any, aws: LocalLambda, gate: Gate) -> None:
    payload = steps(["tell", gate.path], ["answer", "1"])
    answer = invoke(client, payload, InvocationType="Event")
    assert answer["StatusCode"] == 202
    assert answer["Payload"] == b""
    assert int(gate.read()) > 0


def test_a_dry_run_runs_nothing(client: Any, aws: LocalLambda) -> None:
    before = len(aws.invocations("steps"))
    answer = invoke(client, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert len(aws.invocations("steps")) == before


@pytest.mark.parametrize(
    "name",
    [
        "steps:$LATEST",
        "123456789012:function:steps",
        "arn:aws:lambda:us-east-1:123456789012:function:steps",
        "arn:aws:lambda:us-east-1:123456789012:function:steps:$LATEST",
    ],
)
def test_a_function_answers_to_every_form_of_its_name(client: Any, name: str) -> None:
    answer = invoke(client, steps(["headers"]), name)
    headers = json.loads(answer["Payload"])
    qualified = "arn:aws:lambda:us-east-1:123456789012:function:steps"
    expected = f"{qualified}:$LATEST" if "$LATEST" in name else qualified
    assert headers["lambda-runtime-invoked-function-arn"] == expected


REFUSED = {
    "unknown function": ({"FunctionName": "nope"}, 404, "ResourceNotFoundException", "function:nope"),
    "unknown qualifier": (
        {"FunctionName": "steps", "Qualifier": "v9"},
        404,
        "ResourceNotFoundException",
        "steps:v9",
    ),
    "another account": (
        {"FunctionName": "999999999999:function:steps"},
        404,
        "ResourceNotFoundException",
        "999999999999",
    ),
    "two qualifiers": (
        {"FunctionName": "steps:a", "Qualifier": "b"},
        400,
        "InvalidParameterValueException",
        "does not match",
    ),
    "payload is not JSON": (
        {"FunctionName": "steps", "Payload": b"{nope"},
        400,
        "InvalidRequestContentException",
        "Could not parse",
    ),
    "payload is not a number": (
        {"FunctionName": "steps", "Payload": b"[NaN]"},
        400,
        "InvalidRequestContentException",
        "NaN is not JSON",
    ),
    "payload is not UTF-8": (
        {"FunctionName": "steps", "Payload": '{"a": 1}'.encode("utf-16")},
        400,
        "InvalidRequestContentException",
        "utf-8",
    ),
    "client context is not JSON": (
        {"FunctionName": "steps", "ClientContext": "bm9wZQ=="},
        400,
        "InvalidRequestContentException",
        "Base64",
    ),
    "client context is too long": (
        {"FunctionName": "steps", "ClientContext": "A" * 3584},
        400,
        "InvalidRequestContentException",
        "3583",
    ),
    "payload is too large": (
        {"FunctionName": "steps", "Payload": b'"' + b"x" * (6 << 20) + b'"'},
        413,
        "RequestTooLargeException",
        "6291456",
    ),
    "event is too large": (
        {"FunctionName": "steps", "InvocationType": "Event", "Payload": b'"' + b"x" * (1 << 20) + b'"'},
        413,
        "RequestTooLargeException",
        "1048576",
    ),
}


@pytest.mark.parametrize(("arguments", "status", "code", "words"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("operation", ["invoke", "invoke_with_response_stream"])
def test_a_bad_request_is_refused_as_the_model_says(
    client: Any, operation: str, arguments: dict[str, Any], status: int, code: str, words: str
) -> None:
    if operation == "invoke_with_response_stream" and arguments.get("InvocationType") == "Event":
        words = "must be one of RequestResponse, DryRun: Event"
        status, code = 400, "InvalidParameterValueException"
    with pytest.raises(ClientError, match=words) as raised:
        getattr(client, operation)(**arguments)
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert raised.value.response["ResponseMetadata"]["RequestId"]


@needs_tenants
def test_the_runtime_learns_what_the_caller_sent(client: Any) -> None:
    context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
    answer = invoke(client, steps(["headers"]), ClientContext=context, TenantId="tenant-7")
    headers = json.loads(answer["Payload"])
    assert headers["lambda-runtime-aws-request-id"] == answer["ResponseMetadata"]["RequestId"]
    assert headers["lambda-runtime-client-context"] == '{"custom": {"a": "b"}}'
    assert headers["lambda-runtime-aws-tenant-id"] == "tenant-7"
    assert headers["lambda-runtime-trace-id"].startswith("Root=1-")
    assert headers["lambda-runtime-invocation-id"]
    assert int(headers["lambda-runtime-deadline-ms"]) > 1_700_000_000_000


def test_a_client_context_may_hold_any_text(aws: LocalLambda, client: Any) -> None:
    command = [sys.executable, "-m", "awslambdaric", "plain.context"]
    aws.add_function("context", handler="plain.context", code=FUNCTIONS, command=command)
    text = "grüße 数据 \u2028 🙂"
    context = base64.b64encode(json.dumps({"custom": {"a": text}}, ensure_ascii=False, indent=1).encode())
    answer = invoke(client, b"{}", "context", ClientContext=context.decode())
    assert json.loads(answer["Payload"]) == {"a": text}


def test_no_payload_is_an_empty_event(client: Any) -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        own = boto3_client(aws)
        invoke(own, b"", InvocationType="Event")
        assert aws.invocations("steps")[0].payload == b"{}"
        own.close()


def test_a_function_sees_lambdas_environment_and_none_of_the_callers_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the real one")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the real one")
    monkeypatch.setenv("MY_TOKEN", "the real one")
    with LocalLambda(region_name="eu-west-3") as aws:
        add_steps(aws, "fn", environment={"MINE": "1"}, memory_size=512)
        client = boto3_client(aws)
        payload = invoke(client, steps(["environment"]), "fn")["Payload"]
        client.close()
    environment = json.loads(payload)
    assert "the real one" not in environment.values()
    assert environment["MINE"] == "1"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "eu-west-3"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "fn"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert environment["_HANDLER"] == "steps.main"
    assert environment["AWS_SESSION_TOKEN"].startswith("local/")
    assert "AWS_EXECUTION_ENV" not in environment  # a runtime of one's own has none
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/fn"


def test_a_managed_runtime_is_named_in_the_environment(aws: LocalLambda, client: Any) -> None:
    aws.add_function("variables", handler="plain.variables", code=FUNCTIONS)
    environment = json.loads(invoke(client, name="variables")["Payload"])
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert environment["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{version}"
