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
import json, sys
print(json.dumps({"path": sys.path, "arguments": sys.argv[1:], "python": sys.executable}))
"""


@pytest.fixture
def opt(tmp_path: Path) -> Path:
    """A folder that stands for /opt, with a runtime that only reports how it was started."""
    folder = tmp_path / "opt"
    package = folder / "python" / "streamify_server"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "runtime.py").write_text(REPORT)
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


def test_the_runtime_starts_on_the_given_interpreter_with_the_handler(
    opt: Path, environment: dict[str, str]
) -> None:
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON, "/var/runtime/bootstrap.py")
    report = json.loads(done.stdout)
    assert report["arguments"] == ["app.handler"]
    assert Path(report["python"]).resolve() == Path(BARE_PYTHON)


def test_packages_are_found_in_the_managed_bootstraps_order(opt: Path, environment: dict[str, str]) -> None:
    environment["PYTHONPATH"] = "/somewhere/of/the/users"
    report = json.loads(run(environment, opt / "streamify-wrapper", BARE_PYTHON).stdout)
    expected = [
        environment["LAMBDA_TASK_ROOT"],
        f"{opt}/python/lib/{Path(BARE_PYTHON).name}/site-packages",
        f"{opt}/python",
        environment["LAMBDA_RUNTIME_DIR"],
        "/somewhere/of/the/users",
    ]
    assert [folder for folder in report["path"] if folder in expected][-5:] == expected


def test_no_entry_of_the_path_is_empty(opt: Path, environment: dict[str, str]) -> None:
    """An empty entry would mean the current folder."""
    del environment["LAMBDA_RUNTIME_DIR"]
    (opt / "python" / "streamify_server" / "runtime.py").write_text(
        "import os; print(os.environ['PYTHONPATH'])"
    )
    folders = run(environment, opt / "streamify-wrapper", BARE_PYTHON).stdout.strip().split(":")
    assert len(folders) == 3
    assert all(folders)


@pytest.mark.parametrize(
    ("interpreter", "missing", "sentence"),
    [
        ("", "", "no interpreter was given"),
        ("/var/lang/bin/node", "", "this runtime starts node"),
        ("/var/lang/bin/python3.10", "", "python3.10 is too old, streaming needs Python 3.11"),
        ("/var/lang/bin/python2.7", "", "python2.7 is too old"),
        (BARE_PYTHON, "_HANDLER", "_HANDLER is not set"),
        (BARE_PYTHON, "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_RUNTIME_API is not set"),
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


def test_a_missing_package_is_said_with_what_to_do(opt: Path, environment: dict[str, str]) -> None:
    shutil.rmtree(opt / "python" / "streamify_server")
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON)
    assert done.returncode == 1
    assert "attach the layer, or add streamify[server] to the function's package" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_interpreters_own_packages_serve_too(opt: Path, environment: dict[str, str]) -> None:
    """As in an image, where pip put the package beside the interpreter."""
    elsewhere = opt.parent / "installed"
    shutil.move(opt / "python", elsewhere)
    environment["PYTHONPATH"] = str(elsewhere)
    done = run(environment, opt / "streamify-wrapper", BARE_PYTHON)
    assert json.loads(done.stdout)["arguments"] == ["app.handler"]


def test_the_wrapper_serves_from_the_functions_own_package(opt: Path, environment: dict[str, str]) -> None:
    task = Path(environment["LAMBDA_TASK_ROOT"])
    shutil.move(opt / "python" / "streamify_server", task / "streamify_server")
    wrapper = task / "streamify_server" / "deploy" / "streamify-wrapper"
    wrapper.parent.mkdir()
    shutil.move(opt / "streamify-wrapper", wrapper)
    report = json.loads(run(environment, wrapper, BARE_PYTHON).stdout)
    assert report["arguments"] == ["app.handler"]
    assert "/opt/python" in report["path"]


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
    assert done.stdout == f"{place} -m streamify_server.runtime app.handler\n", done.stderr


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
    assert json.loads(done.stdout)["arguments"] == ["app.handler"]
