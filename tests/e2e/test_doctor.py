"""`streamify doctor` against LocalLambda: healthy, with each thing broken, and with what may not be read."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import boto3
import pytest
from click.testing import CliRunner

from streamify_client import InvocationError, StreamClient, doctor
from streamify_client.commands.group import streamify
from streamify_server.local import LocalLambda
from support.layer import build_layer
from support.proxies import proxied

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
    assert not report.failed
    assert levels(report)["streaming"] == "ok"
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
    with StreamClient() as client, pytest.raises(InvocationError) as refused:
        client.stream(url).open()
    assert refused.value.status_code == 403
    called = only(doctor.examine("ours", invoke=True, **aws.client_kwargs), "invoke.url")
    assert (called.level, "url.permissions" in called.cure) == ("FAIL", True)


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


def test_a_signed_url_is_called_with_a_signature(aws: LocalLambda) -> None:
    aws.function_url("ours", invoke_mode="RESPONSE_STREAM", auth_type="AWS_IAM")
    report = doctor.examine("ours", invoke=True, **aws.client_kwargs)
    assert only(report, "invoke.url.streamed").level == "ok"
    assert not report.failed


def test_a_package_is_downloaded_with_the_same_trust_as_boto3s() -> None:
    with LocalLambda(tls=True) as aws:
        aws.add_function("ours", handler="examined.handler", **GOOD)
        assert levels(doctor.examine("ours", **aws.client_kwargs))["package"] == "ok"


@pytest.mark.parametrize(
    "name", ["123456789012:function:ours", "function:ours", "ours:$LATEST", "123456789012:ours"]
)
def test_a_function_may_be_named_in_part(aws: LocalLambda, name: str) -> None:
    report = doctor.examine(name, **aws.client_kwargs)
    assert {each.level for each in report.findings} == {"ok"}


def test_a_layers_wrapper_is_seen(aws: LocalLambda, tmp_path: Path) -> None:
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}
    layer = build_layer(tmp_path / "streamify.zip")
    aws.add_function("layered", handler="examined.handler", environment=wrapper, layers=[layer], **GOOD)
    report = doctor.examine("layered", **aws.client_kwargs)
    assert only(report, "layers").seen.endswith(":layer:streamify:1.")
    assert only(report, "streaming").level == "ok"


@contextmanager
def rest_api(mode: Literal["BUFFERED", "STREAM"], **options: Any) -> Iterator[tuple[LocalLambda, str]]:
    """A LocalLambda with a REST API, and the URL that it would have on AWS."""
    with LocalLambda(**options) as aws:
        aws.add_function("ours", handler="examined.handler", **GOOD)
        aws.rest_api("ours", response_transfer_mode=mode)
        with closing(boto3.client("apigateway", **aws.client_kwargs)) as client:
            identity = "a1" if options else client.get_rest_apis()["items"][0]["id"]
        yield aws, f"https://{identity}.execute-api.us-east-1.amazonaws.com/local/x"


def test_a_rest_api_that_streams_has_no_bad_line() -> None:
    with rest_api("STREAM") as (aws, url):
        report = doctor.examine(url, **aws.client_kwargs)
    assert levels(report, "api") == {
        "api.integration": "ok", "api.transfer-mode": "ok", "api.authorizer": "warn", "api.permission": "ok"
    }  # fmt: skip
    assert levels(report)["function"] == "ok"
    assert any("deployed" in sentence for sentence in report.not_checked)


def test_a_rest_api_that_buffers_fails_and_says_what_to_set() -> None:
    with rest_api("BUFFERED") as (aws, url):
        report = doctor.examine(url, **aws.client_kwargs)
    assert "response-streaming-invocations" in only(report, "api.integration").cure
    assert "Set responseTransferMode to STREAM" in only(report, "api.transfer-mode").cure


def test_a_rest_api_that_may_not_be_read_is_unknown() -> None:
    with rest_api("STREAM", denied=["apigateway:GET"]) as (aws, url):
        found = only(doctor.examine(url, **aws.client_kwargs), "api.integration")
    assert (found.level, "needs apigateway:GET" in found.seen) == ("unknown", True)


def test_a_proxy_that_drops_the_client_context_is_seen(aws: LocalLambda) -> None:
    with proxied(aws.endpoint_url, drops="x-amz-client-context") as endpoint:
        report = doctor.examine("ours", invoke=True, **{**aws.client_kwargs, "endpoint_url": endpoint})
    finding = only(report, "invoke.context")
    assert (finding.level, "what drops the client context" in finding.cure) == ("FAIL", True)


def test_a_proxy_that_drops_the_header_of_a_url_is_seen(aws: LocalLambda) -> None:
    behind = aws.function_url("ours", invoke_mode="RESPONSE_STREAM")
    with proxied(behind, drops="streamify-probe") as url:
        report = doctor.examine(url, function="ours", invoke=True, **aws.client_kwargs)
    assert only(report, "invoke.context").level == "ok"
    finding = only(report, "invoke.url.context")
    assert (finding.level, "what drops the header" in finding.cure) == ("FAIL", True)


def test_a_proxy_that_collects_is_seen(aws: LocalLambda) -> None:
    with proxied(aws.endpoint_url, collects=True) as endpoint:
        report = doctor.examine("ours", invoke=True, **{**aws.client_kwargs, "endpoint_url": endpoint})
    assert only(report, "invoke.streamed").level == "FAIL"
    assert "buffers" in only(report, "invoke.streamed").cure


def test_all_that_is_broken_at_once_is_told_and_nothing_invoked(tmp_path: Path) -> None:
    for name, content in {
        "app.py": "import streamify_server",
        "logging.py": "",
        "lib/old.cpython-39.pyc": "",
        "awslambdaric-2.0.7.dist-info/METADATA": "",
        "run.sh": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    variables = {
        "PYTHONPATH": "/elsewhere",
        "STREAMIFY_RESPOND": "buffered",
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/run.sh",
    }
    with LocalLambda(denied=["lambda:GetRuntimeManagementConfig"]) as aws:
        aws.add_function("fn", handler="app.handler", code=tmp_path, environment=variables, concurrency=0)
        aws.function_url("fn", granted=["lambda:InvokeFunctionUrl"])
        status, shown, _ = command(aws, "fn", "--json")
        assert aws.invocations("fn") == []
    found = {each["check"]: each for each in json.loads(shown)["findings"]}
    assert status == 1
    assert {name: each["level"] for name, each in found.items() if each["level"] != "ok"} == {
        "timeout": "warn",
        "memory": "warn",
        "pythonpath": "warn",
        "wrapper": "warn",
        "streaming": "FAIL",
        "package.executable": "FAIL",
        "package.awslambdaric": "FAIL",
        "package.shadowing": "warn",
        "package.bytecode": "warn",
        "concurrency": "FAIL",
        "updates": "unknown",
        "url.invoke-mode": "FAIL",
        "url.auth": "warn",
        "url.permissions": "FAIL",
    }
    assert all(each["cure"] for each in found.values() if each["level"] in ("warn", "FAIL"))


def test_what_an_invocation_meets_is_told_with_a_cure(aws: LocalLambda) -> None:
    aws.add_function("full", handler="examined.handler", concurrency=0, **GOOD)
    finding = only(doctor.examine("full", invoke=True, **aws.client_kwargs), "invoke")
    assert (finding.level, "reserve more concurrency" in finding.cure) == ("FAIL", True)


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
    rest = "Not checked:\n  Nothing else was examined.\n"
    status, shown, _ = command(None, "ours")
    cure = "Pass --region, or set AWS_DEFAULT_REGION."
    assert (status, shown) == (1, f"FAIL    region: No region is set.\n        -> {cure}\n{rest}")
    status, shown, _ = command(None, "ours", "--region", "us-east-1")
    cure = "Configure them as for the AWS CLI."
    assert (status, shown) == (
        1, f"FAIL    credentials: No credentials were found.\n        -> {cure}\n{rest}"
    )  # fmt: skip


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_leaves_colours_out(
    aws: LocalLambda, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    arguments = ["doctor", "ours", "--endpoint-url", aws.endpoint_url, "--region", "us-east-1"]
    done = CliRunner().invoke(streamify, arguments, color=True, env=environment)
    assert done.exit_code == 0
    assert ("\x1b" in done.output) is coloured


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["two words"], "neither"), (["ours", "--payload", "{}"], "--payload goes with --invoke")],
)
def test_wrong_usage_is_one_sentence(arguments: list[str], said: str) -> None:
    status, _, told = command(None, *arguments)
    assert (status, said in told) == (2, True)
