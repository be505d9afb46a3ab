"""The scripts that start a function: which interpreter, which packages, what they say when one is missing."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.layer import BARE_PYTHON

SCRIPTS = Path(__file__).parents[3] / "src" / "streamify_server" / "deploy"
REPORT = """
import json, os, sys
print(json.dumps({"arguments": sys.argv, "python": sys.executable, "environment": dict(os.environ)}))
"""


@pytest.fixture
def opt(tmp_path: Path) -> Path:
    """A folder that stands for /opt, with a launcher that only reports how it was started."""
    folder = tmp_path / "opt"
    (folder / "streamify").mkdir(parents=True)
    (folder / "streamify" / "launch.py").write_text(REPORT)
    for script in ("streamify-wrapper", "bootstrap"):
        shutil.copy(SCRIPTS / script, folder / script)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What Lambda sets, as far as starting goes, and nothing of the test's own environment."""
    for folder in ("task", "runtime"):
        (tmp_path / folder).mkdir()
    return {
        "PATH": "/usr/bin:/bin",
        "LAMBDA_TASK_ROOT": str(tmp_path / "task"),
        "LAMBDA_RUNTIME_DIR": str(tmp_path / "runtime"),
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "_HANDLER": "app.handler",
    }


def run(environment: Mapping[str, str], *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        env=environment,
        cwd=environment.get("LAMBDA_TASK_ROOT"),
        capture_output=True,
        text=True,
    )


def test_the_launcher_starts_on_the_given_interpreter_and_nothing_is_set_for_it(
    opt: Path, environment: dict[str, str]
) -> None:
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON, "/var/runtime/bootstrap.py")
    report = json.loads(done.stdout)
    assert report["arguments"] == [f"{opt}/streamify/launch.py"]
    assert Path(report["python"]).resolve() == Path(BARE_PYTHON)
    assert {name: report["environment"].get(name) for name in environment} == environment
    assert "PYTHONPATH" not in report["environment"]


OTHER = """#!/bin/sh
export SEEN="$*"
export _HANDLER=other.handler
exec "$@"
"""


def test_another_wrapper_runs_inside_this_one(opt: Path, environment: dict[str, str]) -> None:
    other = opt / "other-wrapper"
    other.write_text(OTHER)
    other.chmod(0o755)
    environment["STREAMIFY_EXEC_WRAPPER"] = str(other)
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON, "/var/runtime/bootstrap.py")
    report = json.loads(done.stdout)
    assert report["environment"]["SEEN"] == f"{BARE_PYTHON} {opt}/streamify/launch.py"
    assert report["environment"]["_HANDLER"] == "other.handler"


def test_a_wrapper_that_names_itself_starts_the_runtime(opt: Path, environment: dict[str, str]) -> None:
    environment["STREAMIFY_EXEC_WRAPPER"] = str(opt / "streamify-wrapper")
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON, "/var/runtime/bootstrap.py")
    assert json.loads(done.stdout)["arguments"] == [f"{opt}/streamify/launch.py"]


@pytest.mark.parametrize("kind", ["missing", "plain file", "folder"])
def test_another_wrapper_that_cannot_run_is_named(opt: Path, environment: dict[str, str], kind: str) -> None:
    other = opt / "other-wrapper"
    if kind == "folder":
        other.mkdir()
    elif kind == "plain file":
        other.write_text(OTHER)
    environment["STREAMIFY_EXEC_WRAPPER"] = str(other)
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON)
    assert done.returncode == 1
    assert done.stderr == (
        f"streamify-wrapper: STREAMIFY_EXEC_WRAPPER names {other}, which is not a file that can be executed\n"
    )


@pytest.mark.parametrize(
    ("interpreter", "missing", "sentence"),
    [
        ("", "", "no interpreter was given"),
        ("/var/lang/bin/node", "", "this runtime starts node"),
        ("/var/lang/bin/python3.10", "", "python3.10 is too old, streaming needs Python 3.11"),
        ("/var/lang/bin/python2.7", "", "python2.7 is too old"),
        (BARE_PYTHON, "_HANDLER", "_HANDLER is not set"),
        (BARE_PYTHON, "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_RUNTIME_API is not set"),
        (BARE_PYTHON, "LAMBDA_TASK_ROOT", "LAMBDA_TASK_ROOT is not set"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(
    opt: Path, environment: dict[str, str], interpreter: str, missing: str, sentence: str
) -> None:
    environment.pop(missing, None)
    done = run(environment, opt / "streamify-wrapper", *filter(None, [interpreter]))
    assert done.returncode == 1
    assert done.stderr.startswith("streamify-wrapper: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrapper_alone_says_what_to_do(opt: Path, environment: dict[str, str]) -> None:
    shutil.rmtree(opt / "streamify")
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON)
    assert done.returncode == 1
    assert "attach the layer, or add streamify[server] to the function's package" in done.stderr


def test_in_a_package_the_launcher_lies_beside_the_wrapper(opt: Path, environment: dict[str, str]) -> None:
    deploy = Path(environment["LAMBDA_TASK_ROOT"]) / "streamify_server" / "deploy"
    deploy.mkdir(parents=True)
    shutil.move(opt / "streamify" / "launch.py", deploy / "launch.py")
    shutil.move(opt / "streamify-wrapper", deploy / "streamify-wrapper")
    report = json.loads(run(environment, deploy / "streamify-wrapper", BARE_PYTHON).stdout)
    assert report["arguments"] == [str(deploy / "launch.py")]


@pytest.mark.parametrize("place", ["named", "task", "layer", "path"])
def test_the_bootstrap_finds_a_python_wherever_it_was_put(
    opt: Path, environment: dict[str, str], place: str
) -> None:
    interpreter = {
        "named": opt.parent / "anywhere" / "python3",
        "task": Path(environment["LAMBDA_TASK_ROOT"]) / "python" / "bin" / "python3",
        "layer": opt / "python" / "bin" / "python3",
        "path": opt.parent / "bin" / "python3",
    }[place]
    interpreter.parent.mkdir(parents=True, exist_ok=True)
    interpreter.write_text(f'#!/bin/sh\necho "{place} $*"\n')
    interpreter.chmod(0o755)
    environment["PATH"] = str(opt.parent / "bin")
    if place == "named":
        environment["STREAMIFY_PYTHON"] = str(interpreter)
    done = run(environment, opt / "bootstrap")
    assert done.stdout == f"{place} {opt}/streamify/launch.py\n", done.stderr


def test_no_script_of_the_layer_has_to_be_executable_but_the_first(
    opt: Path, environment: dict[str, str]
) -> None:
    """Tools that repack a layer may drop the permission."""
    (opt / "streamify-wrapper").chmod(0o644)
    environment["STREAMIFY_PYTHON"] = BARE_PYTHON
    done = run(environment, opt / "bootstrap")
    assert json.loads(done.stdout)["arguments"] == [f"{opt}/streamify/launch.py"]


def test_a_bootstrap_without_its_wrapper_says_so(opt: Path, environment: dict[str, str]) -> None:
    (opt / "streamify-wrapper").unlink()
    done = run(environment, opt / "bootstrap")
    assert done.returncode == 1
    assert "no streamify-wrapper beside it or in /opt" in done.stderr


def test_a_bootstrap_without_a_python_says_where_to_put_one(opt: Path, environment: dict[str, str]) -> None:
    environment["PATH"] = str(opt)
    done = run(environment, opt / "bootstrap")
    assert done.returncode == 1
    assert "put one at python/bin/python3" in done.stderr


@pytest.mark.parametrize("script", ["streamify-wrapper", "bootstrap"])
def test_the_scripts_are_executable_where_they_are_installed(script: str) -> None:
    assert os.access(SCRIPTS / script, os.X_OK)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_wrapper_runs_in_every_posix_shell(opt: Path, environment: dict[str, str], shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not on this machine")
    options = ["--posix"] if shell == "bash" else []
    done = run(environment, found, *options, opt / "streamify-wrapper", BARE_PYTHON)
    assert json.loads(done.stdout)["arguments"] == [f"{opt}/streamify/launch.py"]
