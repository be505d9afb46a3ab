"""AWS's clients as they are installed, each in an environment of its own, read LocalLambda as they read AWS.

`scripts/install-vendors` installs them; a missing one is a failure.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.conftest import EXAMPLES, FUNCTIONS, PEERS
from streamify_client import FunctionError, StreamClient
from streamify_server.deploy.layer import find_interpreters
from streamify_server.local import LocalLambda

pytestmark = pytest.mark.interop

BUILD = Path(__file__).parents[2] / "build"
PYTHONS = find_interpreters(("3.11", "3.12", "3.13"))
ARTICLE = json.loads((EXAMPLES / "article-1.json").read_text(encoding="utf-8"))
TEXT = f"English: {ARTICLE['English']}\n日本語: {ARTICLE['日本語']}\n"
PAYLOAD = json.dumps({"languages": ["English", "日本語"]})


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as local:
        local.add_function("tokens", handler="tokens.handler", code=EXAMPLES, timeout=30, aliases=["live"])
        yield local


def run(python: str, *arguments: str, path: Path | None = None) -> str:
    """What a program says, with a folder of packages and dummy credentials and nothing else of ours."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        **({"PYTHONPATH": str(path)} if path else {}),
    }
    done = subprocess.run(
        [python, *arguments], env=environment, cwd=PEERS, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def oldest(version: str) -> str:
    """The first interpreter that is not older."""
    found = [interpreter for python, interpreter in sorted(PYTHONS.items()) if python >= version]
    if not found:
        pytest.skip(f"there is no Python {version} here")
    return found[0]


SDKS = {
    "boto3 1.28": ("3.11", "read_boto3.py", "boto3-1.28"),
    "aws-sdk-lambda": ("3.12", "read_sdk.py", "aws-sdk-lambda"),
}


@pytest.mark.parametrize(("version", "script", "name"), SDKS.values(), ids=SDKS.keys())
def test_an_sdk_reads_a_stream_of_many_scripts(
    aws: LocalLambda, version: str, script: str, name: str
) -> None:
    folder = BUILD / "clients" / name
    assert folder.is_dir(), "run scripts/install-vendors"
    got = json.loads(run(oldest(version), script, aws.endpoint_url, "tokens", PAYLOAD, path=folder))
    assert got == {"body": TEXT, "ended": True, "whole": TEXT}


@pytest.mark.parametrize("script", ["read_boto3.py", "read_aiobotocore.py"])
def test_the_newest_boto3_and_aiobotocore_read_it_too(aws: LocalLambda, script: str) -> None:
    got = json.loads(run(sys.executable, script, aws.endpoint_url, "tokens:live", PAYLOAD))
    assert got == {"body": TEXT, "ended": True, "whole": TEXT}


def command_line(aws: LocalLambda, *arguments: str) -> Any:
    folder = BUILD / "clients" / "awscli"
    assert folder.is_dir(), "run scripts/install-vendors"
    given = ["-m", "awscli", *arguments, "--endpoint-url", aws.endpoint_url, "--output", "json"]
    return json.loads(run(oldest("3.11"), *given, path=folder))


def test_the_aws_cli_invokes_and_looks_around(aws: LocalLambda, tmp_path: Path) -> None:
    url = aws.function_url("tokens", invoke_mode="RESPONSE_STREAM")
    into = str(tmp_path / "answer")
    named = ["--function-name", "tokens"]
    answer = command_line(aws, "lambda", "invoke", *named, "--payload", PAYLOAD, into)
    assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert Path(into).read_text(encoding="utf-8") == TEXT
    assert command_line(aws, "sts", "get-caller-identity")["Account"] == "123456789012"
    listed = command_line(aws, "lambda", "list-functions")
    assert [function["FunctionName"] for function in listed["Functions"]] == ["tokens"]
    shown = command_line(aws, "lambda", "get-function-url-config", *named)
    assert (shown["FunctionUrl"], shown["InvokeMode"]) == (url, "RESPONSE_STREAM")
    assert command_line(aws, "lambda", "list-aliases", *named)["Aliases"][0]["Name"] == "live"
    versions = command_line(aws, "lambda", "list-versions-by-function", *named)["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST"]


@pytest.mark.parametrize("version", ["3.0.2", "4.2.2"])
@pytest.mark.parametrize("python", sorted(PYTHONS))
def test_awss_runtime_client_runs_streams_and_plain_handlers(
    python: str, version: str, tmp_path: Path
) -> None:
    folder = BUILD / "managed" / python / f"awslambdaric-{version}"
    assert folder.is_dir(), "run scripts/install-vendors"
    (tmp_path / "plain.py").write_text("def handler(event, context):\n    return {'got': event}\n")
    own = {"PYTHONPATH": str(folder), "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python}"}

    def command(handler: str) -> list[str]:
        return [PYTHONS[python], "-m", "awslambdaric", handler]

    with LocalLambda() as aws, StreamClient(**aws.client_kwargs) as client:
        aws.add_function(
            "plain", command=command("plain.handler"), code=tmp_path, environment=own, timeout=30
        )
        failing = command("failing.handler")
        aws.add_function("failing", command=failing, code=FUNCTIONS, environment=own, timeout=30)
        for number in range(2):
            assert client.stream("plain", {"number": number}).json() == {"got": {"number": number}}
        got: list[str] = []
        with pytest.raises(FunctionError, match="failed after 2 chunks"):
            got.extend(client.stream("failing", {"after": 2}))
        assert "".join(got) == "chunk 0\nchunk 1\n"
        assert aws.invocations("failing")[-1].chunks > 1
