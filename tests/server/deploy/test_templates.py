"""The example templates are valid, stream, and grant what a streaming call needs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
TEMPLATES = sorted(EXAMPLES.rglob("template.yaml"))
BY_NAME = {path.parent.name: path for path in TEMPLATES}


def resources(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """The properties of a template's resources of one type, by logical id."""
    from cfnlint.decode import cfn_yaml

    template = cfn_yaml.load(str(BY_NAME[name]))
    return {
        key: value.get("Properties", {})
        for key, value in template["Resources"].items()
        if value["Type"] == kind
    }


def test_every_way_onto_lambda_has_a_template() -> None:
    assert {"sdk", "function_url", "api_gateway", "cloudfront", "image"} <= BY_NAME.keys()


def test_cfn_lint_finds_nothing_in_any_template() -> None:
    lint = [sys.executable, "-c", "import sys; from cfnlint import runner; sys.exit(runner.main())"]
    options = ["--non-zero-exit-code", "informational", "--", *map(str, TEMPLATES)]
    done = subprocess.run([*lint, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_zip_function_starts_on_the_wrapper_of_the_layer(name: str) -> None:
    for function in resources(name, "AWS::Serverless::Function").values():
        if function.get("PackageType") != "Image":
            wrapper = function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"]
            assert wrapper == "/opt/streamify-wrapper"
            assert function["Layers"] == [{"Ref": "StreamifyLayer"}]
            assert (BY_NAME[name].parent / (function["Handler"].split(".")[0] + ".py")).is_file()


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_function_url_streams(name: str) -> None:
    for function in resources(name, "AWS::Serverless::Function").values():
        if "FunctionUrlConfig" in function:
            assert function["FunctionUrlConfig"]["InvokeMode"] == "RESPONSE_STREAM"


def test_callers_of_a_function_url_get_both_permissions() -> None:
    (policy,) = resources("function_url", "AWS::IAM::ManagedPolicy").values()
    actions = {statement["Action"] for statement in policy["PolicyDocument"]["Statement"]}
    assert actions == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}


def test_cloudfront_gets_both_permissions_for_its_own_distribution_only() -> None:
    permissions = resources("cloudfront", "AWS::Lambda::Permission").values()
    assert {each["Action"] for each in permissions} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert all("${Distribution}" in each["SourceArn"]["Fn::Sub"] for each in permissions)


def test_api_gateway_streams_in_sams_spelling() -> None:
    """SAM compares with RESPONSE_STREAM and ignores every other word (its translator, 1.110)."""
    (function,) = resources("api_gateway", "AWS::Serverless::Function").values()
    assert [event["Properties"]["ResponseTransferMode"] for event in function["Events"].values()] == [
        "RESPONSE_STREAM"
    ]
