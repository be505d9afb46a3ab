"""Functions that fail, and what their callers see: as captured on AWS, and as documented."""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from streamify_server.local import LocalLambda
from support.local import FUNCTIONS, add_steps, body_of, boto3_client, invoke, steps, stream

ERROR = '{"errorType": "ValueError", "errorMessage": "no"}'
PREFIX = ["write", "prefix"]
# name: (steps, is there a prefix, error type, words of the message)
FAILURES = {
    "error instead of a response": ([["error", ERROR]], False, "Runtime.Unknown", "no"),
    "error in trailers": ([PREFIX, ["end_with", "Function.Oops", ERROR]], True, "Function.Oops", "no"),
    "killed before the response": ([["kill"]], False, "Runtime.ExitError", "signal: killed"),
    "killed in the response": ([PREFIX, ["kill"]], True, "Runtime.ExitError", "signal: killed"),
    "exits with a status": ([["exit", 3]], False, "Runtime.ExitError", "exit status 3"),
    "exits quietly": ([["exit", 0]], False, "Runtime.ExitError", "without providing a reason"),
    "response cut off": ([PREFIX, ["cut"]], True, "Runtime.TruncatedResponse", "cut off"),
}


@pytest.mark.parametrize(("does", "prefix", "kind", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_as_observed_a_failed_stream_ends_like_a_whole_one(
    client: Any, does: list[Any], prefix: bool, kind: str, words: str
) -> None:
    events = stream(client, payload=steps(*does))
    assert events[-1] == {"InvokeComplete": {}}
    if prefix:
        assert body_of(events) == b"prefix"
    else:
        assert words in json.loads(body_of(events))["errorMessage"]


@pytest.mark.parametrize(("does", "prefix", "kind", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_as_documented_the_end_event_names_the_error(
    documented_client: Any, does: list[Any], prefix: bool, kind: str, words: str
) -> None:
    events = stream(documented_client, payload=steps(*does))
    assert body_of(events) == (b"prefix" if prefix else b"")
    assert events[-1]["InvokeComplete"]["ErrorCode"] == kind
    assert words in json.loads(events[-1]["InvokeComplete"]["ErrorDetails"])["errorMessage"]


@pytest.mark.parametrize(("does", "prefix", "kind", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_a_buffered_caller_gets_the_error_as_payload(
    client: Any, does: list[Any], prefix: bool, kind: str, words: str
) -> None:
    answer = invoke(client, steps(*does))
    if kind == "Function.Oops":  # what trailers say is lost to a buffered caller
        assert answer["Payload"] == b"prefix"
        assert "FunctionError" not in answer
    else:
        assert answer["FunctionError"] == "Unhandled"
        assert words in json.loads(answer["Payload"])["errorMessage"]


@pytest.mark.parametrize(("does", "prefix", "kind", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_the_next_invocation_is_served_whatever_happened(
    client: Any, does: list[Any], prefix: bool, kind: str, words: str
) -> None:
    stream(client, payload=steps(*does))
    assert body_of(stream(client, payload=steps(["answer", "1"]))) == b"1"


def test_a_failure_is_in_the_report_of_the_log(client: Any, aws: LocalLambda) -> None:
    stream(client, payload=steps(["kill"]))
    *_, message, _end, report = aws.logs("steps")
    assert message.endswith("Error: Runtime exited with error: signal: killed")
    assert "Status: error\tError Type: Runtime.ExitError" in report


@pytest.mark.parametrize("before", [[], [PREFIX]])
def test_a_timeout_kills_the_process_and_is_told_to_a_buffered_caller(before: list[Any]) -> None:
    with LocalLambda() as aws:
        add_steps(aws, timeout=0.3)
        client = boto3_client(aws)
        answer = invoke(client, steps(*before, ["hang"]))
        error = json.loads(answer["Payload"])
        client.close()
        *_, message, _, report = aws.logs("steps")
    assert answer["FunctionError"] == "Unhandled"
    assert error["errorType"] == "Sandbox.Timedout"
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert error["errorMessage"] == f"RequestId: {request_id} Error: Task timed out after 0.30 seconds"
    assert message == error["errorMessage"]
    assert "Status: timeout" in report


@pytest.mark.parametrize("stream_errors", ["observed", "documented"])
def test_a_timeout_in_mid_stream_delivers_what_came_before(stream_errors: Any) -> None:
    with LocalLambda(stream_errors=stream_errors) as aws:
        add_steps(aws, timeout=0.3)
        client = boto3_client(aws)
        events = stream(client, payload=steps(PREFIX, ["hang"]))
        client.close()
    assert body_of(events) == b"prefix"
    code = events[-1]["InvokeComplete"].get("ErrorCode")
    assert code == ("Sandbox.Timedout" if stream_errors == "documented" else None)


BROKEN = {
    "init error": ({"INIT_ERROR": ERROR}, "no"),
    "exit in init": ({"INIT_EXIT": "4"}, "exit status 4"),
}


@pytest.mark.parametrize(("environment", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_function_that_cannot_start_says_why_to_its_caller(
    aws: LocalLambda, client: Any, environment: dict[str, str], words: str
) -> None:
    add_steps(aws, "broken", environment=environment)
    for _ in range(2):
        answer = invoke(client, name="broken")
        assert answer["FunctionError"] == "Unhandled"
        assert words in json.loads(answer["Payload"])["errorMessage"]


def test_a_module_that_is_not_there_is_named(aws: LocalLambda, client: Any) -> None:
    command = [sys.executable, "-m", "awslambdaric", "missing.handler"]
    aws.add_function("missing", handler="missing.handler", code=FUNCTIONS, command=command)
    error = json.loads(invoke(client, name="missing")["Payload"])
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "missing" in error["errorMessage"]


def test_a_command_that_is_not_there_is_named(aws: LocalLambda, client: Any) -> None:
    aws.add_function("nowhere", command=["/nowhere/bootstrap"], code=FUNCTIONS)
    error = json.loads(invoke(client, name="nowhere")["Payload"])
    assert error["errorType"] == "Runtime.InvalidEntrypoint"
    assert "/nowhere/bootstrap" in error["errorMessage"]


def test_a_buffered_response_over_six_megabytes_is_an_error(client: Any, aws: LocalLambda) -> None:
    answer = invoke(client, steps(["fill", 7 << 20], ["end"]))
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"])["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_process_that_cannot_be_started_is_an_error_of_its_caller(
    aws: LocalLambda, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.pipe", full)
    add_steps(aws, "unlucky")
    error = json.loads(invoke(client, name="unlucky")["Payload"])
    assert error["errorType"] == "Runtime.InvalidEntrypoint"
    assert "Too many open files" in error["errorMessage"]


def test_the_traceback_of_an_error_in_mid_stream_is_in_the_log_before_its_report(
    aws: LocalLambda, client: Any
) -> None:
    aws.add_function("late", handler="trouble.late", code=FUNCTIONS, timeout=30)
    for number in range(1, 6):
        *_, last = stream(client, "late", LogType="Tail")
        tail = base64.b64decode(last["InvokeComplete"]["LogResult"]).decode()
        assert tail.index("KeyError") < tail.index("REPORT RequestId: ")
        lines = aws.logs("late")
        assert sum(line.startswith("REPORT RequestId: ") for line in lines) == number
        assert sum("yield" not in line and "KeyError: " in line for line in lines) >= number


GREEDY = """
def handler(event, context):
    kept = []
    for _ in range(event["megabytes"]):
        kept.append(bytearray(b"x" * 1_000_000))
    while event["hang"]:
        pass
    return len(kept)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process uses")
def test_a_function_that_takes_more_memory_than_it_has_is_ended(tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY)
    with LocalLambda() as aws:
        aws.add_function("limited", handler="greedy.handler", code=tmp_path, memory_size=128, timeout=60)
        aws.add_function("free", handler="greedy.handler", code=tmp_path, timeout=60)
        client = boto3_client(aws)
        answer = invoke(client, b'{"megabytes": 200, "hang": true}', "limited")
        assert json.loads(answer["Payload"])["errorType"] == "Runtime.OutOfMemory"
        assert "Error Type: Runtime.OutOfMemory" in aws.logs("limited")[-1]
        assert invoke(client, b'{"megabytes": 1, "hang": false}', "limited")["Payload"] == b"1"
        assert invoke(client, b'{"megabytes": 200, "hang": false}', "free")["Payload"] == b"200"
        client.close()


@pytest.mark.parametrize("invoked", ["buffered", "streaming"])
def test_an_invocation_is_remembered_with_its_errors_own_name_and_message(
    aws: LocalLambda, client: Any, invoked: str
) -> None:
    aws.add_function("late", handler="trouble.late", code=FUNCTIONS, timeout=30)
    if invoked == "buffered":
        invoke(client, name="late")
    else:
        stream(client, "late")
    record = aws.invocations("late")[-1]
    assert (record.status, record.error_name, record.error_message) == ("error", "KeyError", "'no such row'")
