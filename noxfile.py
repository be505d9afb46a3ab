"""Runs the test suite on other Python versions than that of .venv.

`make pythons` runs its quick part on every installed Python from 3.11 on, with the newest dependencies and
with the lowest that pyproject.toml allows and that have wheels. `make another-python` runs less, the
end-to-end tests, on one of them, with the dependencies in constraints.txt.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
# Tests of starting, stopping, forking and waiting, and all that use a dependency.
QUICK = (
    "tests/client",
    "tests/server",
    "tests/local",
    "tests/e2e/test_client.py",
    "tests/e2e/test_server.py",
)
NOT_QUICK = ("tests/server/deploy", "tests/server/dev")
# Both clients and real function processes over real sockets, where Python versions have differed.
END_TO_END = (
    "README.md",
    "tests/test_documents.py",
    "tests/client/test_aio.py",
    "tests/client/test_connections.py",
    "tests/e2e/test_client.py",
    "tests/e2e/test_function_urls.py",
    "tests/e2e/test_parts.py",
    "tests/e2e/test_server.py",
    "tests/local",
)
PYTEST = ("pytest", "-m", "not interop and not slow and not recipes", "-n", "2", "--dist", "loadfile")
EVERYTHING = ("-r", "pyproject.toml", "--all-extras", "--group", "test")

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True


def interpreter(version: str) -> str | None:
    """Find a Python with this version on PATH or in pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, root.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        asked = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return candidate
    return None


FOUND = {version: path for version in VERSIONS if (path := interpreter(version))}
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
# 3.15 is not released yet; `make pythons` shows early what will break.
OTHERS = [path for version, path in FOUND.items() if version not in (HERE, "3.15")]


@nox.session(python=list(FOUND.values()))
@nox.parametrize("dependencies", ["newest", "lowest"])
def quick(session: nox.Session, dependencies: str) -> None:
    """Run the quick part of the suite."""
    resolution = {"newest": "highest", "lowest": "lowest-direct"}[dependencies]
    session.install("--no-build", "--resolution", resolution, *EVERYTHING)
    session.install("--no-deps", "-e", ".")
    ignored = [f"--ignore={path}" for path in NOT_QUICK]
    session.run(*PYTEST, *ignored, *(session.posargs or QUICK))


@nox.session(python=OTHERS[-1] if OTHERS else False, default=False)
def another(session: nox.Session) -> None:
    """Run the end-to-end tests on the newest installed Python that is not that of .venv."""
    if not OTHERS:
        session.warn("=" * 80)
        session.warn(f"NOTHING WAS RUN: this machine has no other Python from 3.11 on than {HERE}.")
        session.warn("=" * 80)
        return
    session.install("-c", "constraints.txt", *EVERYTHING)
    session.install("--no-deps", "-e", ".")
    session.run(*PYTEST, *(session.posargs or END_TO_END))
