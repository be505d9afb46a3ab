"""What keeps our own runtime from starting is an init error, in one sentence that says what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.layer import BARE_PYTHON, installed_files
from support.runtime_api import PATIENCE, ROOT, RuntimeApi

TO_DO = "; attach the layer, or install streamify[server] for the awslambdaric that it works with."


def start(arguments: list[str], path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the runtime on an interpreter that has nothing but the standard library and this path."""
    return subprocess.run(
        [BARE_PYTHON, "-m", "streamify_server.runtime", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{path}:{ROOT / 'src'}", **environment},
        cwd=path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def init_error(path: Path) -> Mapping[str, str]:
    with RuntimeApi() as api:
        done = start(["app.handler"], path, AWS_LAMBDA_RUNTIME_API=api.address)
        post = api.init_errors.get(timeout=PATIENCE)
    error: Mapping[str, str] = json.loads(post.body)
    assert done.returncode == 1
    assert done.stdout == f"[ERROR] {error['errorType']}: {error['errorMessage']}\n"
    assert done.stderr == ""
    assert post.header("lambda-runtime-function-error-type") == error["errorType"]
    assert error["errorType"] == "Runtime.UnfitRuntimeClient"
    assert error["errorMessage"].endswith(TO_DO)
    return error


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """awslambdaric as it is installed, to change."""
    for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        for file, path in installed_files(name):
            if path.endswith(".py"):
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_bytes(file.read_bytes())
    (tmp_path / "app.py").write_text("def handler(event, context): pass\n")
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_without_awslambdaric(tmp_path: Path) -> None:
    assert (
        "awslambdaric 4 cannot be imported (No module named 'awslambdaric')"
        in init_error(tmp_path)["errorMessage"]
    )


def test_on_an_awslambdaric_that_is_too_old(client: Path) -> None:
    (client / "awslambdaric" / "lambda_config.py").unlink()
    assert "awslambdaric 4 cannot be imported" in init_error(client)["errorMessage"]


def test_on_an_awslambdaric_that_is_too_new(client: Path) -> None:
    change(client / "awslambdaric" / "__init__.py", '"4.2.2"', '"5.0.0"')
    assert "awslambdaric 5.0.0 is newer than this version" in init_error(client)["errorMessage"]


def test_on_an_awslambdaric_that_asks_elsewhere_for_invocations(client: Path) -> None:
    change(client / "awslambdaric" / "lambda_runtime_client.py", "runtime_client.next", "runtime_client.poll")
    message = init_error(client)["errorMessage"]
    assert "wait_next_invocation of awslambdaric 4.2.2 calls no runtime_client.next" in message


def test_an_error_that_cannot_be_reported_is_in_the_log(tmp_path: Path) -> None:
    done = start(["app.handler"], tmp_path, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1")
    assert done.returncode == 1
    assert "[ERROR] Runtime.UnfitRuntimeClient" in done.stdout
    assert "This could not be reported to Lambda" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (
            ["app.handler"],
            {},
            "AWS_LAMBDA_RUNTIME_API is not set; run the function on Lambda or on LocalLambda",
        ),
        ([], {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}, "takes the function's handler, such as app.handler"),
    ],
)
def test_what_is_missing_outside_of_lambda_is_said(
    client: Path, arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    done = start(arguments, client, **environment)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_check_passes_on_what_the_tests_run_with() -> None:
    script = (
        "import os; os.environ['AWS_LAMBDA_RUNTIME_API'] = '127.0.0.1:1'\n"
        "from streamify_server.runtime.ric import Runtime; Runtime()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
