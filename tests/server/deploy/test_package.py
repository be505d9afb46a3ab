"""A package made by `pip install --target`: the wrapper in it starts the function, without a layer."""

import re
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import boto3
import pytest

from streamify_server.local import LocalLambda
from support.layer import wheels_of_what_is_installed
from support.local import boto3_client, invoke
from support.managed import Managed
from support.runtime_api import RuntimeApi

ROOT = Path(__file__).parents[3]
APP = """
import os, sys
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield os.path.dirname(sys.modules["streamify_server"].__file__)
"""

READER = """
import os
import boto3
from streamify_client import StreamClient
from streamify_server import streaming_handler

@streaming_handler
def read(event, context):
    yield "read"

@streaming_handler
def handler(event, context):
    with StreamClient() as client:
        yield from client.stream("read")
    yield " with " + os.path.dirname(boto3.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("streamify-*.whl")
    return wheel


def test_the_wheel_carries_the_scripts_executable(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for script in ("streamify-wrapper", "bootstrap"):
            entry = archive.getinfo(f"streamify_server/deploy/{script}")
            assert entry.external_attr >> 16 & 0o111 == 0o111


def test_the_description_has_no_link_that_a_package_index_cannot_follow(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        description = archive.read(name).decode()
    assert "# Streamify" in description
    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", description) == []


def test_the_wheel_carries_the_inspectors_page(wheel: Path) -> None:
    static = ROOT / "src" / "streamify_server" / "local" / "inspector" / "static"
    with zipfile.ZipFile(wheel) as archive:
        for file in static.iterdir():
            name = f"streamify_server/local/inspector/static/{file.name}"
            assert archive.read(name) == file.read_bytes()


def test_a_function_streams_from_its_own_package(wheel: Path, tmp_path: Path) -> None:
    code = tmp_path / "package"
    wheels = [wheel, *wheels_of_what_is_installed(tmp_path)]
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(code)]
    subprocess.run([*pip, *map(str, wheels)], check=True, capture_output=True)
    (code / "app.py").write_text(APP)
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/streamify_server/deploy/streamify-wrapper"}
    with LocalLambda() as aws, closing(boto3_client(aws)) as client:
        aws.add_function("fn", handler="app.handler", code=code, environment=wrapper, timeout=30)
        answer = invoke(client, name="fn")
    assert answer["Payload"].decode() == str(code / "streamify_server")


def test_a_package_that_was_unpacked_without_its_permissions_streams(wheel: Path, tmp_path: Path) -> None:
    """As `sam build` unpacks wheels: no script in it can be executed, and none has to be."""
    aws = Managed(tmp_path)
    aws.install_runtime_client()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(aws.task)
    scripts = aws.task / "streamify_server" / "deploy"
    assert not any(script.stat().st_mode & 0o111 for script in scripts.iterdir() if script.is_file())
    aws.write(app=APP)
    try:
        with RuntimeApi() as api:
            aws.start(api, {"STREAMIFY_RUNTIME": "require"})
            post = api.invoke({}).result()
    finally:
        aws.stop()
    assert post.header("lambda-runtime-function-response-mode") == "streaming"
    assert post.body.decode() == str(aws.task / "streamify_server")


def test_bare_streamify_reads_with_the_boto3_of_the_runtime(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(tmp_path)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    (tmp_path / "app.py").write_text(READER)
    with LocalLambda() as aws, closing(boto3_client(aws)) as client:
        aws.add_function("read", handler="app.read", code=tmp_path, timeout=30)
        aws.add_function("fn", handler="app.handler", code=tmp_path, timeout=30)
        answer = invoke(client, name="fn")
    assert answer["Payload"].decode() == f"read with {Path(boto3.__file__).parent}"


def test_the_package_says_that_it_brings_a_pytest_plugin(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        assert "Classifier: Framework :: Pytest\n" in archive.read(name).decode()
