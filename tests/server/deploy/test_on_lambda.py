"""Functions started as Lambda starts them from the layer: the wrapper, an unpacked /opt, its environment."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.layer import BARE_PYTHON, build_layer, unpack
from support.managed import managed
from support.runtime_api import PATIENCE, RuntimeApi

ROOT = Path(__file__).parents[3]

STREAMING = """
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield "one "
    yield event["second"]
"""
WHERE = """
import sys

def handler(event, context):
    from awslambdaric import lambda_runtime_marshaller as marshaller
    modules = [sys.modules["streamify_server"], sys.modules["awslambdaric"], marshaller]
    return {
        "files": [module.__file__ for module in modules],
        "simplejson": marshaller.json.__file__,
        "accelerated": marshaller.json.encoder.c_make_encoder is not None,
        "public": "simplejson" in sys.modules,
    }
"""


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lambda")
    return unpack(build_layer(folder / "layer.zip"), folder / "opt")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """The folder that stands for /var/task, beside one for /var/runtime."""
    for name in ("task", "runtime"):
        (tmp_path / name).mkdir()
    return tmp_path / "task"


def lambda_environment(api: RuntimeApi, task: Path, more: Mapping[str, str]) -> dict[str, str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, and nothing of the test's."""
    return {
        "_HANDLER": "app.handler",
        "AWS_EXECUTION_ENV": "AWS_Lambda_" + Path(BARE_PYTHON).name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "fn",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_REGION": "us-east-1",
        "LAMBDA_RUNTIME_DIR": str(task.parent / "runtime"),
        "LAMBDA_TASK_ROOT": str(task),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
        **more,
    }


@contextmanager
def started(
    api: RuntimeApi,
    opt: Path,
    task: Path,
    source: str,
    *command: str | Path,
    capture: bool = False,
    environment: Mapping[str, str] | None = None,
    **more: str,
) -> Iterator["subprocess.Popen[str]"]:
    """A function's process; its output goes to the test's own."""
    (task / "app.py").write_text(source, encoding="utf-8")
    process = subprocess.Popen(
        [
            str(part)
            for part in command or (opt / "streamify-wrapper", BARE_PYTHON, "/var/runtime/bootstrap.py")
        ],
        cwd=task,
        env=lambda_environment(api, task, {**(environment or {}), **more}),
        stdout=subprocess.PIPE if capture else None,
        text=True,
        start_new_session=True,  # so that what it has forked ends with it
    )
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_function_streams_from_the_layer(opt: Path, task: Path) -> None:
    with RuntimeApi() as api, started(api, opt, task, STREAMING):
        post = api.invoke({"second": "two"}).result()
        assert post.header("lambda-runtime-function-response-mode") == "streaming"
        assert post.chunks == [b"one ", b"two"]


def test_switched_off_a_function_answers_in_one_piece_without_a_word(opt: Path, task: Path) -> None:
    off = {"STREAMIFY_RUNTIME": "off"}
    with (
        RuntimeApi() as api,
        started(api, opt, task, STREAMING, capture=True, environment=off) as process,
    ):
        post = api.invoke({"second": "two"}).result()
        process.kill()
        assert process.stdout
        assert process.stdout.read() == ""
    assert post.header("lambda-runtime-function-response-mode") is None
    assert post.body == b"one two"


def test_all_that_runs_comes_from_the_layer(opt: Path, task: Path) -> None:
    with RuntimeApi() as api, started(api, opt, task, WHERE):
        found = json.loads(api.invoke({}).result().body)
    assert all(Path(file).is_relative_to(opt) for file in [*found["files"], found["simplejson"]])
    assert found["accelerated"]
    assert not found["public"]


def test_the_managed_runtimes_own_client_is_never_loaded(opt: Path, task: Path) -> None:
    """What /var/runtime holds may be older than what the layer needs, its native extension too."""
    runtime = task.parent / "runtime"
    (runtime / "awslambdaric").mkdir()
    for name in ("awslambdaric/__init__", "runtime_client", "simplejson"):
        (runtime / f"{name}.py").write_text(f"raise SystemExit('{name} of /var/runtime was loaded')")
    with RuntimeApi() as api, started(api, opt, task, STREAMING):
        assert api.invoke({"second": "two"}).result().body == b"one two"


def test_a_function_finds_its_own_packages_first_and_the_runtimes_last(opt: Path, task: Path) -> None:
    for folder, word in ((task, "task"), (task.parent / "runtime", "runtime")):
        (folder / "colour.py").write_text(f"value = {word!r}")
    (task.parent / "runtime" / "managed_one.py").write_text("value = 'the managed one'")
    source = (
        "import managed_one, colour\n"
        "def handler(event, context):\n    return [colour.value, managed_one.value]\n"
    )
    with RuntimeApi() as api, started(api, opt, task, source):
        assert json.loads(api.invoke({}).result().body) == ["task", "the managed one"]


SHADOWS = [
    *("base64", "contextvars", "csv", "hmac", "http", "json", "logging"),
    *("queue", "select", "signal", "socket", "struct", "types", "typing"),
]
# What AWS's bootstrap has imported is Python's for the function too; of the rest it finds its own.
AWS_IMPORTS = {"http", "json", "logging", "queue", "struct", "types", "typing"}


@pytest.mark.parametrize("name", SHADOWS)
def test_a_file_that_is_called_like_one_of_pythons_does_not_reach_the_runtime(
    opt: Path, task: Path, name: str
) -> None:
    (task / f"{name}.py").write_text("value = 'of the function'")
    source = f"{STREAMING}    yield getattr({name}, 'value', ' of Python')\nimport {name}\n"
    framed = {"custom": {"streamify": "verified/1"}}
    with RuntimeApi() as api, started(api, opt, task, source):
        verified = api.invoke({"second": "two"}, client_context=framed)
        found = api.invoke({"second": "two"}).result().body
    assert verified.posts[0].complete
    assert verified.posts[0].body.count(b":event-type") == 5
    assert found == b"one twoof the function" or (name in AWS_IMPORTS and found == b"one two of Python")


def test_packages_of_the_functions_that_are_called_like_the_runtimes_do_not_reach_it(
    opt: Path, task: Path
) -> None:
    """An old awslambdaric, which a package still carries, or a stub."""
    for name in ("awslambdaric", "simplejson", "streamify_server", "runtime_client"):
        (task / name).mkdir()
        (task / name / "__init__.py").write_text("value = 'of the function'")
    source = f"import simplejson\n{STREAMING}    yield simplejson.value\n"
    with RuntimeApi() as api, started(api, opt, task, source):
        assert api.invoke({"second": "two"}).result().body == b"one twoof the function"


def test_an_event_that_is_no_json_is_an_error_as_before(opt: Path, task: Path) -> None:
    """The runtime's simplejson works on, though a function can no longer import it."""
    with RuntimeApi() as api, started(api, opt, task, STREAMING):
        error = api.invoke(raw=b"no json").result().error
    assert error["errorType"] == "Runtime.UnmarshalError"


PATH = """
import json, os, subprocess, sys

def handler(event, context):
    child = subprocess.run([sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"],
                           capture_output=True, text=True, check=True)
    return {"path": sys.path, "child": child.stdout.strip()}
"""


@pytest.mark.parametrize("own", [None, "/somewhere/of/the/users"])
def test_the_search_path_and_that_of_children_are_the_managed_runtimes(
    opt: Path, tmp_path: Path, own: str | None
) -> None:
    """Side by side with an emulated managed runtime."""
    environment = {"PYTHONPATH": own} if own else {}
    with managed(tmp_path) as aws:
        shutil.rmtree(aws.opt)
        aws.opt.symlink_to(opt)
        (aws.task / "vendored.pth").write_text("vendor\n")
        (aws.task / "vendor").mkdir()
        aws.write(app=PATH)
        found = []
        for wrapper in ({}, {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/streamify-wrapper"}):
            with RuntimeApi() as api:
                aws.start(api, {**environment, **wrapper})
                found.append(json.loads(api.invoke({}).result().body))
    assert found[1] == found[0]
    assert str(aws.task / "vendor") in found[0]["path"]


def test_pth_files_of_packages_and_layers_are_read(opt: Path, task: Path, tmp_path: Path) -> None:
    writable = tmp_path / "opt"
    shutil.copytree(opt, writable)
    for folder in (task, writable / "python"):
        folder.chmod(0o755)
        (folder / "vendored.pth").write_text(f"{folder.name}_vendor\n")
        (folder / f"{folder.name}_vendor").mkdir()
        (folder / f"{folder.name}_vendor" / f"shape_{folder.name}.py").write_text("value = 'vendored'")
    source = (
        "import shape_task, shape_python\n"
        "def handler(event, context):\n    return shape_task.value + shape_python.value\n"
    )
    with RuntimeApi() as api, started(api, writable, task, source):
        assert json.loads(api.invoke({}).result().body) == "vendoredvendored"


def test_the_wrapper_says_when_a_layer_is_not_for_this_python(opt: Path, task: Path, tmp_path: Path) -> None:
    writable = tmp_path / "opt"
    shutil.copytree(opt, writable, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}  # the tests may run as root, who can write anywhere
    with (
        RuntimeApi() as api,
        started(api, writable, task, STREAMING, capture=True, environment=environment) as process,
    ):
        assert api.invoke({"second": "two"}).result().body == b"one two"
        assert process.stdout
        assert "this layer has no bytecode for Python 3." in process.stdout.readline()


def test_nothing_is_written_below_opt(opt: Path, task: Path) -> None:
    """/opt is read-only on Lambda: bytecode has to be there, and valid."""
    before = files(opt)
    with RuntimeApi() as api, started(api, opt, task, STREAMING):
        api.invoke({"second": "two"}).result()
    assert files(opt) == before
    assert any(path.suffix == ".pyc" for path in before)


def test_a_handler_without_the_decorator_answers_as_before(opt: Path, task: Path) -> None:
    source = "def handler(event, context):\n    return {'sum': event['a'] + event['b']}\n"
    with RuntimeApi() as api, started(api, opt, task, source):
        post = api.invoke({"a": 1, "b": 2}).result()
    assert (json.loads(post.body), post.header("content-type")) == ({"sum": 3}, "application/json")


def test_a_handler_that_cannot_be_imported_is_an_init_error(opt: Path, task: Path) -> None:
    with RuntimeApi() as api, started(api, opt, task, "import not_there") as process:
        error = json.loads(api.init_errors.get(timeout=PATIENCE).body)
        assert process.wait(PATIENCE) == 1
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert "not_there" in error["errorMessage"]


SNAP_START = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
from streamify_server import streaming_handler

done = []

@register_before_snapshot
def before():
    done.append("before snapshot")
    if os.environ.get("BREAK") == "before":
        raise ValueError("cannot be frozen")

@register_after_restore
def after():
    done.append("after restore")
    if os.environ.get("BREAK") == "after":
        raise ValueError("cannot be thawed")

@streaming_handler
def handler(event, context):
    yield ", ".join(done)
"""


def test_snapstart_hooks_run_around_the_snapshot(opt: Path, task: Path) -> None:
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    with RuntimeApi() as api, started(api, opt, task, SNAP_START, environment=environment):
        assert api.invoke({}).result().body == b"before snapshot, after restore"
        assert api.other_requests == ["/2018-06-01/runtime/restore/next"]


@pytest.mark.parametrize(("where", "status"), [("before", 64), ("after", 65)])
def test_a_snapstart_hook_that_fails_ends_the_process_as_awslambdaric_does(
    opt: Path, task: Path, where: str, status: int
) -> None:
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "BREAK": where}
    with RuntimeApi() as api, started(api, opt, task, SNAP_START, environment=environment) as process:
        error = json.loads(api.init_errors.get(timeout=PATIENCE).body)
        assert process.wait(PATIENCE) == status
    assert error["errorType"] == "ValueError"


MANAGED_INSTANCE = """
import os, pathlib
from streamify_server import streaming_handler

@streaming_handler
def handler(event, context):
    yield f"{os.getpid()} "
    with open(event["wait_for"], "rb") as gate:  # a FIFO: opens when the other side does
        gate.read()
    yield "done"
"""


def test_a_managed_instance_streams_from_several_workers_at_a_time(opt: Path, task: Path) -> None:
    gates = [task / "gate-0", task / "gate-1"]
    for gate in gates:
        os.mkfifo(gate)
    with RuntimeApi() as api, started(api, opt, task, MANAGED_INSTANCE, AWS_LAMBDA_MAX_CONCURRENCY="2"):
        both = [api.invoke({"wait_for": str(gate)}) for gate in gates]
        for invocation in both:
            invocation.wait_for(b" ")  # both have begun, none has ended
        for gate in gates:
            gate.write_bytes(b"")
        workers = {invocation.result().body.split()[0] for invocation in both}
    assert len(workers) == 2


def dockerfile_list(instruction: str) -> list[str]:
    text = (ROOT / "examples" / "deploy" / "image" / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(rf"^(?:# +)?{instruction} (\[.*\])$", text, re.MULTILINE)
    assert found
    return list(json.loads(found[1]))


def test_the_image_on_aws_base_image_starts_the_function(tmp_path: Path) -> None:
    """The base image is a managed runtime whose handler is the example's CMD."""
    (handler,) = dockerfile_list("CMD")
    with RuntimeApi() as api, managed(tmp_path) as aws:
        aws.write(app=(ROOT / "examples" / "deploy" / "image" / "app.py").read_text(encoding="utf-8"))
        aws.start(api, {"_HANDLER": handler, "STREAMIFY_RUNTIME": "require"})
        assert api.invoke({"prompt": "a b"}).result().chunks == [b"a ", b"b "]


def test_the_entry_point_of_other_images_starts_the_function(opt: Path, task: Path) -> None:
    """The ENTRYPOINT that the example names, and its CMD; pip installed the packages."""
    source = (ROOT / "examples" / "deploy" / "image" / "app.py").read_text(encoding="utf-8")
    interpreter, *arguments = [*dockerfile_list("ENTRYPOINT"), *dockerfile_list("CMD")]
    assert interpreter == "python"
    command = [BARE_PYTHON, *arguments]
    with (
        RuntimeApi() as api,
        started(api, opt, task, source, *command, PYTHONPATH=f"{opt}/python:{opt}/streamify"),
    ):
        assert api.invoke({"prompt": "a b"}).result().chunks == [b"a ", b"b "]


def test_the_bootstrap_of_an_os_only_runtime_starts_the_function(task: Path, tmp_path: Path) -> None:
    opt = unpack(build_layer(tmp_path / "layer.zip", os_only=True), tmp_path / "opt")
    python = {"STREAMIFY_PYTHON": BARE_PYTHON}
    with RuntimeApi() as api, started(api, opt, task, STREAMING, opt / "bootstrap", environment=python):
        assert api.invoke({"second": "two"}).result().chunks == [b"one ", b"two"]
