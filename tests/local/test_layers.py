"""A function with a layer and an exec wrapper runs as on Lambda: from an unpacked /opt, by its wrapper."""

import gc
import json
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from streamify_server.local import LocalLambda
from streamify_server.local.layers import unpack_layers
from support.layer import build_layer

WRAPPED = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}
APP = """
import json, os, sys
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield "streamed "
    files = [sys.modules[name].__file__ for name in ("streamify_server", "awslambdaric")]
    yield json.dumps([os.path.commonpath(files), os.environ["_HANDLER"]])
"""


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_layer(tmp_path_factory.mktemp("layer") / "layer.zip")


def stream(aws: LocalLambda, name: str = "fn") -> list[bytes]:
    client = boto3.client("lambda", **aws.client_kwargs)
    try:
        events = client.invoke_with_response_stream(FunctionName=name, Payload=b"{}")["EventStream"]
        return [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    finally:
        client.close()


def invoke(aws: LocalLambda, name: str = "fn") -> Any:
    client = boto3.client("lambda", **aws.client_kwargs)
    try:
        return json.loads(client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read())
    finally:
        client.close()


def test_a_function_streams_on_the_runtime_of_its_layer(layer: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with LocalLambda() as aws:
        aws.add_function(
            "fn", handler="app.handler", code=tmp_path, layers=[layer], environment=WRAPPED, timeout=30
        )
        first, second = stream(aws)
    assert first == b"streamed "
    folder, handler = json.loads(second)
    assert Path(folder).name.startswith("streamify-opt-")
    assert handler == "app.handler"


def test_a_wrapper_in_the_functions_package_is_found_there(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexport STARTED_WITH="$2"\nexec "$1" -m awslambdaric "$_HANDLER"\n')
    wrapper.chmod(0o755)
    (tmp_path / "app.py").write_text(
        "import os\ndef handler(event, context):\n    return os.environ['STARTED_WITH']\n"
    )
    environment = {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}
    with LocalLambda() as aws:
        aws.add_function("fn", handler="app.handler", code=tmp_path, environment=environment, timeout=30)
        assert invoke(aws) == "/var/runtime/bootstrap.py"


def test_a_wrapper_that_is_not_there_is_the_functions_error(tmp_path: Path) -> None:
    with LocalLambda() as aws:
        aws.add_function("fn", handler="app.handler", code=tmp_path, environment=WRAPPED, timeout=30)
        error = invoke(aws)
    assert error["errorType"] == "Runtime.InvalidEntrypoint"
    assert "/opt/streamify-wrapper" in error["errorMessage"]


def test_the_packages_of_a_layer_come_after_the_functions_own(tmp_path: Path) -> None:
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("python/colour.py", "value = 'layer'")
        opened.writestr("python/shape.py", "value = 'layer'")
    code = tmp_path / "code"
    code.mkdir()
    (code / "colour.py").write_text("value = 'function'")
    (code / "app.py").write_text(
        "import colour, shape\ndef handler(event, context):\n    return [colour.value, shape.value]\n"
    )
    with LocalLambda() as aws:
        aws.add_function("fn", handler="app.handler", code=code, layers=[archive], timeout=30)
        assert invoke(aws) == ["function", "layer"]


def test_a_later_layer_overwrites_an_earlier_one(tmp_path: Path) -> None:
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as opened:
            opened.writestr("python/number.py", f"value = {number}")
    (tmp_path / "app.py").write_text("import number\ndef handler(event, context):\n    return number.value\n")
    with LocalLambda() as aws:
        layers = [tmp_path / "1.zip", tmp_path / "2.zip"]
        aws.add_function("fn", handler="app.handler", code=tmp_path, layers=layers, timeout=30)
        assert invoke(aws) == 2


def test_a_layer_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "layer.zip").write_text("no archive")
    with LocalLambda() as aws, pytest.raises(ValueError, match=r"layer\.zip is not a zip archive"):
        aws.add_function("fn", handler="app.handler", code=tmp_path, layers=[tmp_path / "layer.zip"])


def test_what_was_unpacked_goes_with_the_emulator(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    aws = LocalLambda()
    aws.add_function("fn", handler="app.handler", code=tmp_path, layers=[layer])
    assert list(tmp_path.glob("streamify-opt-*"))
    del aws
    gc.collect()
    assert not list(tmp_path.glob("streamify-opt-*"))


def link(target: str, name: str) -> tuple[zipfile.ZipInfo, str]:
    """An entry that is a symbolic link, as `zip --symlinks` writes it."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, target


@pytest.mark.parametrize("target", ["libfive.so.5.1", "/opt/lib/libfive.so.5.1"])
def test_a_symbolic_link_in_a_layer_is_one(tmp_path: Path, target: str) -> None:
    with zipfile.ZipFile(tmp_path / "layer.zip", "w") as opened:
        opened.writestr(*link(target, "lib/libfive.so"))
        opened.writestr("lib/libfive.so.5.1", "five")
    opt = unpack_layers([tmp_path / "layer.zip"])
    assert (opt / "lib" / "libfive.so").is_symlink()
    assert (opt / "lib" / "libfive.so").read_text() == "five"
    shutil.rmtree(opt)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "/opt/../../etc/passwd"])
def test_a_link_that_leads_out_of_a_layer_is_refused(tmp_path: Path, target: str) -> None:
    with zipfile.ZipFile(tmp_path / "layer.zip", "w") as opened:
        opened.writestr(*link(target, "lib/out"))
    with pytest.raises(ValueError, match="leads out of /opt"):
        unpack_layers([tmp_path / "layer.zip"])


def test_nothing_is_written_through_the_link_of_an_earlier_layer(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with zipfile.ZipFile(tmp_path / "1.zip", "w") as opened:
        opened.writestr(*link("real", "lib"))
        opened.writestr("real/a", "a")
    with zipfile.ZipFile(tmp_path / "2.zip", "w") as opened:
        opened.writestr("lib/b", "b")
    opt = unpack_layers([tmp_path / "1.zip", tmp_path / "2.zip"])
    assert (opt / "real" / "b").read_text() == "b"
    shutil.rmtree(opt)
