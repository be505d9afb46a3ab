"""A deployment with one thing broken at a time: the line that says so, and the cure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from streamify_client.doctor import Finding
from streamify_client.doctor._checks import check
from streamify_client.doctor._facts import Facts, Identity, Integration, Target, Unread
from streamify_client.doctor._package import Package

CONFIGURATION: Mapping[str, Any] = {
    "FunctionName": "report",
    "Version": "$LATEST",
    "Runtime": "python3.13",
    "Handler": "app.handler",
    "PackageType": "Zip",
    "Architectures": ["arm64"],
    "State": "Active",
    "Timeout": 60,
    "MemorySize": 1024,
}
PACKAGE = Package(
    files=30,
    versions={"streamify": "0.2.0"},
    shadowing=(),
    modes={"app.py": False},
    bytecode=(),
    has_streamify=True,
    handler_uses_streamify=True,
    has_handler=True,
)
LAYERS = [{"Arn": "arn:aws:lambda:eu-west-1:123456789012:layer:agent:1"}]
URL = {
    "FunctionUrl": "https://abc.lambda-url.eu-west-1.on.aws/",
    "AuthType": "AWS_IAM",
    "InvokeMode": "RESPONSE_STREAM",
}
PUBLIC = [
    {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:InvokeFunctionUrl",
        "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
    },
    {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "lambda:InvokeFunction",
        "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
    },
]
FOR_API = {
    "Effect": "Allow",
    "Principal": {"Service": "apigateway.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:eu-west-1:123456789012:a1/*/*/*"}},
}
HEALTHY = Facts(
    Target("report", "function", function="report"),
    region="eu-west-1",
    identity=Identity("arn:aws:iam::123456789012:user/ada", "123456789012"),
    configuration=CONFIGURATION,
    concurrency=None,
    update_mode="FunctionUpdate",
    urls=(URL,),
    policy=PUBLIC,
    package=PACKAGE,
)
INTEGRATION = Integration(
    method="ANY",
    path="/{proxy+}",
    kind="AWS_PROXY",
    uri=(
        "arn:aws:apigateway:eu-west-1:lambda:path/2021-11-15/functions/"
        "arn:aws:lambda:eu-west-1:123456789012:function:report/response-streaming-invocations"
    ),
    transfer_mode="STREAM",
    authorization="AWS_IAM",
)


def configured(**changes: Any) -> Facts:
    return replace(HEALTHY, configuration={**CONFIGURATION, **changes})


def with_variables(**variables: str) -> Facts:
    return configured(Environment={"Variables": variables})


def with_wrapper(wrapper: str, **changes: Any) -> Facts:
    return configured(Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": wrapper}}, **changes)


def provided(executable: bool | None, **changes: Any) -> Facts:
    """A runtime of one's own whose bootstrap is there, and executable or not; None: it is not there."""
    modes = {} if executable is None else {"bootstrap": executable}
    package = replace(PACKAGE, modes=modes, handler_uses_streamify=None, has_handler=False)
    return replace(configured(Runtime="provided.al2023", **changes), package=package)


def packaged(**changes: Any) -> Facts:
    return replace(HEALTHY, package=replace(PACKAGE, **changes))


def of_url(**changes: Any) -> Facts:
    return replace(HEALTHY, urls=({**URL, **changes},))


def of_api(**changes: Any) -> Facts:
    target = Target(
        "https://a1.execute-api.eu-west-1.amazonaws.com/prod/x", "api-gateway", api_id="a1", path="/x"
    )
    found = replace(INTEGRATION, **changes)
    return replace(HEALTHY, target=target, integration=found, policy=[*PUBLIC, FOR_API])


def only(facts: Facts, name: str) -> Finding:
    (finding,) = [finding for finding in check(facts) if finding.check == name]
    return finding


def test_a_healthy_function_has_only_good_lines() -> None:
    assert {finding.level for finding in check(HEALTHY)} == {"ok"}
    assert {finding.level for finding in check(of_api())} == {"ok"}


@pytest.mark.parametrize(
    ("facts", "level", "name", "said"),
    [
        (configured(State="Failed", StateReason="no image"), "FAIL", "function", "no image"),
        (configured(Timeout=3), "warn", "timeout", "3 s"),
        (configured(MemorySize=128), "warn", "memory", "128 MB"),
        (configured(Runtime="java21"), "FAIL", "streaming", "java21"),
        (configured(Runtime="nodejs22.x"), "unknown", "streaming", "streamifyResponse"),
        (configured(Runtime="provided.al2023"), "unknown", "streaming", "provided.al2023"),
        (configured(Runtime=None, PackageType="Image"), "unknown", "streaming", "container image"),
        (with_variables(STREAMIFY_RESPOND="buffered"), "FAIL", "streaming", "one piece"),
        (with_variables(STREAMIFY_RUNTIME="off"), "FAIL", "streaming", "STREAMIFY_RUNTIME"),
        (with_variables(PYTHONPATH="/var/task/lib"), "warn", "pythonpath", "/var/task/lib"),
        (with_variables(STREAMIFY_RESPOND="maybe"), "FAIL", "variables", "'maybe'"),
        (with_variables(STREAMIFY_RUNTIME="on"), "FAIL", "variables", "'on'"),
        (
            configured(Environment={"Error": {"ErrorCode": "AccessDeniedException", "Message": "No key."}}),
            "unknown",
            "variables",
            "AccessDeniedException: No key.",
        ),
        (with_wrapper("/opt/mine", Layers=LAYERS), "warn", "wrapper", "/opt/mine"),
        (with_wrapper("/opt/datadog_wrapper", Layers=LAYERS), "ok", "wrapper", "Datadog"),
        (with_wrapper("/opt/datadog_wrapper"), "FAIL", "wrapper", "no layer"),
        (with_wrapper("/opt/datadog_wrapper", PackageType="Image", Runtime=None), "ok", "wrapper", "Datadog"),
        (with_wrapper("/opt/streamify-wrapper"), "FAIL", "streaming", "no layer"),
        (with_wrapper("/opt/streamify-wrapper", Layers=LAYERS), "ok", "streaming", "wrapper"),
        (with_wrapper("/opt/bootstrap", Layers=LAYERS), "FAIL", "streaming", "AWS_LWA_INVOKE_MODE"),
        (with_wrapper("/var/task/run.sh"), "FAIL", "package.executable", "run.sh is not in the package"),
        (provided(True), "ok", "package", "nothing in the way"),
        (provided(False), "FAIL", "package.executable", "bootstrap is not executable"),
        (provided(None), "FAIL", "package.executable", "bootstrap is not in the package"),
        (provided(None, Layers=LAYERS), "ok", "package", "nothing in the way"),
        (configured(Runtime="python3.10"), "FAIL", "streaming", "too old"),
        (packaged(handler_uses_streamify=False), "warn", "streaming", "does not name streamify_server"),
        (packaged(handler_uses_streamify=None), "unknown", "streaming", "cannot be seen"),
        (
            packaged(handler_uses_streamify=None, has_handler=False),
            "FAIL",
            "package.handler",
            "app.handler is not in the package",
        ),
        (
            packaged(has_streamify=False, handler_uses_streamify=False),
            "FAIL",
            "streaming",
            "not in the package",
        ),
        (packaged(versions={"awslambdaric": "2.0.7"}), "FAIL", "package.awslambdaric", "2.0.7"),
        (packaged(versions={"awslambdaric": "5.0.0"}), "warn", "package.awslambdaric", "newer"),
        (packaged(shadowing=("logging.py",)), "warn", "package.shadowing", "logging.py"),
        (packaged(bytecode=("3.11",)), "warn", "package.bytecode", "3.11"),
        (
            replace(HEALTHY, package=Unread("needs lambda:GetFunction")),
            "unknown",
            "package",
            "lambda:GetFunction",
        ),
        (replace(HEALTHY, concurrency=0), "FAIL", "concurrency", "throttled"),
        (replace(HEALTHY, update_mode="Auto"), "ok", "updates", "Auto"),
        (of_url(InvokeMode="BUFFERED"), "FAIL", "url.invoke-mode", "BUFFERED"),
        (of_url(AuthType="NONE"), "warn", "url.auth", "anybody"),
        (replace(of_url(AuthType="NONE"), policy=()), "FAIL", "url.permissions", "403"),
        (
            replace(of_url(AuthType="NONE"), policy=PUBLIC[:1]),
            "FAIL",
            "url.permissions",
            "lambda:InvokeFunction",
        ),
        (
            replace(of_url(AuthType="NONE"), policy=[*PUBLIC, {**PUBLIC[0], "Effect": "Deny"}]),
            "FAIL",
            "url.permissions",
            "denies lambda:InvokeFunctionUrl",
        ),
        (replace(HEALTHY, policy=()), "unknown", "url.permissions", "the caller's own policy"),
        (
            replace(HEALTHY, configuration=Unread("the service cannot be reached", cure="Go."), urls=None),
            "FAIL",
            "function",
            "cannot be reached",
        ),
        (replace(of_api(), policy=PUBLIC), "FAIL", "api.permission", "it answers 500"),
        (replace(of_api(role=True), policy=()), "ok", "api.integration", "response streaming"),
        (
            replace(of_api(), target=replace(of_api().target, function="another")),
            "FAIL",
            "api.integration",
            "and not another",
        ),
        (of_api(transfer_mode=None), "unknown", "api.transfer-mode", "does not know"),
        (of_api(kind="MOCK"), "FAIL", "api.integration", "MOCK"),
        (of_api(kind="HTTP_PROXY"), "warn", "api.integration", "HTTP_PROXY"),
        (
            of_api(uri="arn:aws:apigateway:x:lambda:path/2015-03-31/functions/f/invocations"),
            "FAIL",
            "api.integration",
            "500",
        ),
        (of_api(transfer_mode="BUFFERED"), "FAIL", "api.transfer-mode", "one piece"),
        (of_api(authorization="NONE"), "warn", "api.authorizer", "Anybody"),
    ],
)
def test_what_is_broken_has_a_line_of_its_own(facts: Facts, level: str, name: str, said: str) -> None:
    finding = only(facts, name)
    assert finding.level == level
    assert said in finding.seen
    assert finding.cure or level in ("ok", "unknown")


def test_all_that_is_broken_at_once_is_told() -> None:
    broken = replace(
        HEALTHY,
        configuration={
            **CONFIGURATION,
            "Timeout": 3,
            "Environment": {"Variables": {"STREAMIFY_RESPOND": "buffered"}},
        },
        concurrency=0,
        urls=({**URL, "InvokeMode": "BUFFERED", "AuthType": "NONE"},),
        policy=(),
    )
    failed = [finding.check for finding in check(broken) if finding.level == "FAIL"]
    assert failed == ["streaming", "concurrency", "url.invoke-mode", "url.permissions"]


def test_a_question_that_may_not_be_asked_is_unknown_and_names_its_permission() -> None:
    facts = replace(
        HEALTHY,
        configuration=Unread("needs lambda:GetFunctionConfiguration"),
        concurrency=Unread("needs lambda:GetFunctionConcurrency"),
        update_mode=Unread("needs lambda:GetRuntimeManagementConfig"),
        urls=Unread("needs lambda:ListFunctionUrlConfigs"),
        policy=Unread("needs lambda:GetPolicy"),
        package=Unread("needs lambda:GetFunction"),
    )
    findings = check(facts)
    assert {finding.level for finding in findings} == {"ok", "unknown"}
    assert "lambda:GetFunctionConfiguration" in only(facts, "function").seen
    assert "lambda:ListFunctionUrlConfigs" in only(facts, "url").seen


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (replace(HEALTHY, region=Unread("no region is set", cure="Pass --region.")), "region"),
        (
            replace(HEALTHY, identity=Unread("no credentials were found", cure="Have some.")),
            "credentials",
        ),
    ],
)
def test_without_region_or_credentials_there_is_one_line(facts: Facts, name: str) -> None:
    (finding,) = check(facts)
    assert (finding.level, finding.check) == ("FAIL", name)
    assert finding.cure


def test_a_url_of_another_function_fails() -> None:
    target = Target("https://zzz.lambda-url.eu-west-1.on.aws/", "function-url", function="report")
    assert only(replace(HEALTHY, target=target), "url").level == "FAIL"


def test_a_url_whose_function_is_not_known_asks_for_its_name() -> None:
    target = Target("https://d1.cloudfront.net/", "url")
    facts = Facts(target, region="eu-west-1", identity=HEALTHY.identity)
    assert "--function" in only(facts, "function").cure
