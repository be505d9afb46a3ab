"""The example templates are valid, stream, and grant what a streaming call needs."""

import json
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


# SAM's own translator is not used: it pins pydantic to an older version than the suite needs.
def test_cfn_lint_finds_nothing_in_any_template() -> None:
    lint = [sys.executable, "-c", "import sys; from cfnlint import runner; sys.exit(runner.main())"]
    options = ["--non-zero-exit-code", "informational", "--", *map(str, TEMPLATES)]
    done = subprocess.run([*lint, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_zip_function_has_the_layer_and_needs_no_more(name: str) -> None:
    """But for one, which shows what to set in order to pin the runtime."""
    for function in resources(name, "AWS::Serverless::Function").values():
        if function.get("PackageType") != "Image":
            variables = function.get("Environment", {}).get("Variables", {})
            wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}
            assert variables == (wrapper if name == "sdk" else {})
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


def test_api_gateway_asks_who_calls_and_bounds_how_often() -> None:
    (api,) = resources("api_gateway", "AWS::Serverless::Api").values()
    assert api["Auth"]["DefaultAuthorizer"] in api["Auth"]["Authorizers"]
    (settings,) = api["MethodSettings"]
    assert (settings["HttpMethod"], settings["ResourcePath"]) == ("*", "/*")
    assert settings["ThrottlingRateLimit"] > 0
    assert settings["ThrottlingBurstLimit"] > 0


def terraform() -> dict[str, dict[str, Any]]:
    """The resources of the example, by type; the example has one of most."""
    import hcl2

    with (EXAMPLES / "deploy" / "terraform" / "main.tf").open(encoding="utf-8") as file:
        parsed = json.loads(json.dumps(hcl2.load(file)).replace('\\"', ""))
    found: dict[str, dict[str, Any]] = {}
    for block in parsed["resource"]:
        for kind, named in block.items():
            for properties in named.values():
                found[kind.strip('"')] = properties
    return found


def test_terraform_streams_from_a_function_url_and_on_the_path_that_streams() -> None:
    found = terraform()
    assert found["aws_lambda_function_url"]["invoke_mode"] == "RESPONSE_STREAM"
    assert found["aws_lambda_function_url"]["authorization_type"] == "AWS_IAM"
    integration = found["aws_api_gateway_integration"]
    assert integration["response_transfer_mode"] == "STREAM"
    assert integration["type"] == "AWS_PROXY"
    assert integration["uri"] == (
        "arn:aws:apigateway:${data.aws_region.current.region}:lambda:path/2021-11-15/functions/"
        "${aws_lambda_function.report.arn}/response-streaming-invocations"
    )


def test_terraforms_rest_api_asks_who_calls_and_bounds_how_often() -> None:
    found = terraform()
    assert found["aws_api_gateway_method"]["authorization"] == "COGNITO_USER_POOLS"
    (settings,) = found["aws_api_gateway_method_settings"]["settings"]
    assert settings["throttling_rate_limit"] > 0
    assert found["aws_lambda_permission"]["source_arn"].endswith("/v1/GET/report")


def test_serverless_streams_from_both_fronts() -> None:
    import yaml

    text = (EXAMPLES / "deploy" / "serverless" / "serverless.yml").read_text(encoding="utf-8")
    (function,) = yaml.safe_load(text.replace("!Ref ", ""))["functions"].values()
    assert function["url"] == {"authorizer": "aws_iam", "invokeMode": "RESPONSE_STREAM"}
    (event,) = function["events"]
    assert event["http"]["response"] == {"transferMode": "STREAM"}
    assert event["http"]["authorizer"]["type"] == "COGNITO_USER_POOLS"


def test_every_example_of_a_tool_runs_the_same_function() -> None:
    deploy = EXAMPLES / "deploy"
    expected = (deploy / "function_url" / "app.py").read_bytes()
    assert (deploy / "cdk" / "function" / "app.py").read_bytes() == expected
    assert (deploy / "serverless" / "app.py").read_bytes() == expected
