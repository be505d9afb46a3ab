"""`streamify doctor` against LocalLambda: healthy, with each thing broken, and with what may not be read."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import HttpStatusError, StreamClient, doctor
from streamify_server.local import LocalLambda

FUNCTIONS = Path(__file__).parent / "functions"
GOOD: dict[str, Any] = {"timeout": 30, "memory_size": 512, "code": FUNCTIONS}
READS = (
    "GetFunctionConfiguration", "GetFunction", "GetFunctionConcurrency", "GetPolicy",
    "ListFunctionUrlConfigs", "GetRuntimeManagementConfig",
)  # fmt: skip


@pytest.fixture
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        aws.add_function("ours", handler="examined.handler", **GOOD)
        aws.add_function("plain", handler="examined_plain.handler", **GOOD)
        yield aws


def levels(report: doctor.Report, prefix: str = "") -> dict[str, str]:
    return {each.check: each.level for each in report.findings if each.check.startswith(prefix)}


def only(report: doctor.Report, check: str) -> doctor.Finding:
    (finding,) = [each for each in report.findings if each.check == check]
    return finding


def test_nothing_is_invoked_unasked(aws: LocalLambda) -> None:
    aws.function_url("ours", invoke_mode="RESPONSE_STREAM")
    report = doctor.examine("ours", **aws.client_kwargs)
    assert aws.invocations("ours") == []
    assert not report.failed or levels(report)["streaming"] == "FAIL"
    assert any("--invoke" in sentence for sentence in report.not_checked)


def test_a_buffered_url_fails_and_says_how_to_change_it(aws: LocalLambda) -> None:
    aws.function_url("ours")
    finding = only(doctor.examine("ours", **aws.client_kwargs), "url.invoke-mode")
    assert finding.level == "FAIL"
    assert "--function-name ours --invoke-mode RESPONSE_STREAM" in finding.cure


@pytest.mark.parametrize("granted", [(), ("lambda:InvokeFunctionUrl",), ("lambda:InvokeFunction",)])
def test_a_url_that_nobody_may_call_fails_and_says_what_to_grant(
    aws: LocalLambda, granted: tuple[str, ...]
) -> None:
    url = aws.function_url("ours", invoke_mode="RESPONSE_STREAM", granted=granted)
    finding = only(doctor.examine("ours", **aws.client_kwargs), "url.permissions")
    assert finding.level == "FAIL"
    lacking = {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"} - set(granted)
    assert all(f"--action {each} " in finding.cure for each in lacking)
    with StreamClient() as client, pytest.raises(HttpStatusError) as refused:
        client.stream(url).open()
    assert refused.value.status_code == 403


@pytest.mark.parametrize("action", READS)
def test_what_may_not_be_read_is_unknown_and_not_a_failure(action: str) -> None:
    with LocalLambda(denied=[f"lambda:{action}"]) as aws:
        aws.add_function("ours", handler="examined.handler", **GOOD)
        aws.function_url("ours", invoke_mode="RESPONSE_STREAM", auth_type="AWS_IAM")
        report = doctor.examine("ours", **aws.client_kwargs)
    told = [each for each in report.findings if each.level == "unknown" and f"lambda:{action}" in each.seen]
    assert told, report.findings


def test_a_function_that_is_not_there_fails(aws: LocalLambda) -> None:
    report = doctor.examine("nothing", **aws.client_kwargs)
    assert only(report, "function").level == "FAIL"


def test_a_function_of_ours_answers_a_probe_and_its_handler_never_runs(aws: LocalLambda) -> None:
    url = aws.function_url("ours", invoke_mode="RESPONSE_STREAM")
    report = doctor.examine("ours", invoke=True, **aws.client_kwargs)
    found = levels(report, "invoke")
    assert found == {
        "invoke.context": "ok",
        "invoke.streamed": "ok",
        "invoke.verified": "ok",
        "invoke.first-byte": "ok",
        "invoke.error-before": "ok",
        "invoke.error-after": "ok",
        "invoke.unverified": "warn",
        "invoke.url.context": "ok",
        "invoke.url.streamed": "ok",
        "invoke.url.verified": "ok",
        "invoke.url.first-byte": "ok",
        "invoke.url.error-before": "ok",
        "invoke.url.error-after": "ok",
        "invoke.url.unverified": "warn",
    }
    with StreamClient(**aws.client_kwargs) as client:
        assert client.stream(url).text() == "ran 1 times"


def test_what_buffers_is_seen(aws: LocalLambda) -> None:
    aws.add_function(
        "buffered", handler="examined.handler", environment={"STREAMIFY_RESPOND": "buffered"}, **GOOD
    )
    report = doctor.examine("buffered", invoke=True, **aws.client_kwargs)
    assert only(report, "streaming").level == "FAIL"
    assert only(report, "invoke.streamed").level == "FAIL"


def test_a_function_that_is_not_ours_runs_only_with_a_payload(aws: LocalLambda) -> None:
    report = doctor.examine("plain", invoke=True, **aws.client_kwargs)
    assert "--payload" in only(report, "invoke").cure
    assert aws.invocations("plain") == []
    report = doctor.examine("plain", invoke=True, payload={"a": 1}, **aws.client_kwargs)
    assert only(report, "invoke.streamed").level == "unknown"
    assert len(aws.invocations("plain")) == 1


def test_probes_can_be_turned_off(aws: LocalLambda) -> None:
    aws.add_function("off", handler="examined.handler", environment={"STREAMIFY_PROBE": "off"}, **GOOD)
    report = doctor.examine("off", invoke=True, **aws.client_kwargs)
    assert "STREAMIFY_PROBE=off" in only(report, "invoke").seen


def command(aws: LocalLambda | None, *arguments: str) -> tuple[int, str, str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    extra: list[str] = []
    if aws is not None:
        environment |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        extra = ["--endpoint-url", aws.endpoint_url, "--region", "us-east-1"]
    done = subprocess.run(
        [sys.executable, "-m", "streamify_client.cli", "doctor", *arguments, *extra],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_the_command_ends_with_1_where_a_line_says_fail(aws: LocalLambda) -> None:
    aws.function_url("ours")
    status, shown, _ = command(aws, "ours")
    assert status == 1
    assert "FAIL" in shown
    assert "-> aws lambda update-function-url-config" in shown
    assert "Not checked:" in shown


def test_the_command_speaks_json(aws: LocalLambda) -> None:
    _, shown, _ = command(aws, "ours", "--json")
    report: dict[str, Any] = json.loads(shown)
    assert set(report) == {"target", "failed", "findings", "not_checked"}


def test_without_region_or_credentials_there_is_one_line() -> None:
    status, shown, _ = command(None, "ours")
    assert (status, "No region is set" in shown) == (1, True)
    status, shown, _ = command(None, "ours", "--region", "us-east-1")
    assert (status, "No credentials were found" in shown) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["two words"], "neither"), (["ours", "--payload", "{}"], "--payload goes with --invoke")],
)
def test_wrong_usage_is_one_sentence(arguments: list[str], said: str) -> None:
    status, _, told = command(None, *arguments)
    assert (status, said in told) == (2, True)
