"""The CDK example, synthesized, beside the SAM templates that do the same."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.layer import build_layer

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "deploy"
USER_POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abcdefghi"

Resources = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cdk")
    cdk = ROOT / "build" / "cdk"
    assert cdk.is_dir(), "run scripts/install-vendors"
    layer = build_layer(folder / "layer.zip")
    environment = {
        **os.environ,
        "PYTHONPATH": str(cdk),
        "CDK_OUTDIR": str(folder / "out"),
        "CDK_CONTEXT_JSON": json.dumps({"layer": str(layer), "user_pool_arn": USER_POOL}),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
    }
    command = [sys.executable, "app.py"]
    done = subprocess.run(command, cwd=EXAMPLES / "cdk", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "out" / "StreamifyExample.template.json"


@pytest.fixture(scope="module")
def synthesized(template: Path) -> Resources:
    """The properties of the resources, by type."""
    found: Resources = {}
    for resource in json.loads(template.read_text())["Resources"].values():
        found.setdefault(resource["Type"], []).append(resource.get("Properties", {}))
    return found


def sam(name: str) -> dict[str, dict[str, Any]]:
    from cfnlint.decode import cfn_yaml

    return dict(cfn_yaml.load(str(EXAMPLES / name / "template.yaml"))["Resources"])


def test_the_function_url_is_that_of_the_sam_template(synthesized: Resources) -> None:
    (url,) = synthesized["AWS::Lambda::Url"]
    expected = sam("function_url")["Report"]["Properties"]["FunctionUrlConfig"]
    assert {name: url[name] for name in expected} == expected


def test_its_callers_get_the_same_two_permissions(synthesized: Resources) -> None:
    (ours,) = synthesized["AWS::IAM::ManagedPolicy"]
    theirs = sam("function_url")["CallReport"]["Properties"]

    def statements(policy: dict[str, Any]) -> list[Any]:
        text = json.dumps(policy["PolicyDocument"]["Statement"], sort_keys=True)
        return [
            (each["Action"], str(each["Condition"]).lower().replace("'", ""), each["Effect"])
            for each in json.loads(text)
            if each.pop("Resource")
        ]

    assert statements(ours) == statements(theirs)


def test_the_rest_api_streams_on_the_path_that_streams(synthesized: Resources) -> None:
    (method,) = synthesized["AWS::ApiGateway::Method"]
    integration = method["Integration"]
    assert integration["ResponseTransferMode"] == "STREAM"
    assert integration["Type"] == "AWS_PROXY"
    parts = integration["Uri"]["Fn::Join"][1]
    assert ":lambda:path/2021-11-15/functions/" in parts
    assert parts[-1] == "/response-streaming-invocations"


def test_the_rest_api_asks_who_calls_and_bounds_how_often(synthesized: Resources) -> None:
    (method,) = synthesized["AWS::ApiGateway::Method"]
    assert method["AuthorizationType"] == "COGNITO_USER_POOLS"
    (stage,) = synthesized["AWS::ApiGateway::Stage"]
    (ours,) = stage["MethodSettings"]
    (theirs,) = sam("api_gateway")["Api"]["Properties"]["MethodSettings"]
    assert {name: ours[name] for name in theirs} == theirs
    (permission,) = synthesized["AWS::Lambda::Permission"]
    assert permission["Action"] == "lambda:InvokeFunction"
    assert permission["SourceArn"]["Fn::Join"][1][-1] == "/GET/report"


def test_cfn_lint_finds_nothing_in_what_was_synthesized(template: Path) -> None:
    """But for the dependencies that CDK writes down though references imply them (W3005)."""
    lint = [sys.executable, "-c", "import sys; from cfnlint import runner; sys.exit(runner.main())"]
    done = subprocess.run(
        [*lint, "--ignore-checks", "W3005", "--", str(template)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
