"""The quick part of the suite on every Python from 3.11 on that this machine has (`make pythons`).

Each Python gets the newest dependencies, and the lowest that pyproject.toml claims and that have wheels.
"""

import os
import shutil
import subprocess
from pathlib import Path

import nox

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
# What starts, stops, forks or waits, and all that touches a dependency.
QUICK = (
    "tests/client",
    "tests/server",
    "tests/local",
    "tests/e2e/test_client.py",
    "tests/e2e/test_server.py",
)
NOT_QUICK = ("tests/server/deploy", "tests/server/dev")

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True


def interpreter(version: str) -> str | None:
    """Find a Python of this version: on the path, or among pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, root.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        asked = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return candidate
    return None


@nox.session(python=[found for version in VERSIONS if (found := interpreter(version))])
@nox.parametrize("dependencies", ["newest", "lowest"])
def quick(session: nox.Session, dependencies: str) -> None:
    """Run the quick part of the suite."""
    resolution = {"newest": "highest", "lowest": "lowest-direct"}[dependencies]
    what = ("-r", "pyproject.toml", "--all-extras", "--group", "test")
    session.install("--no-build", "--resolution", resolution, *what)
    session.install("--no-deps", "-e", ".")
    ignored = [f"--ignore={path}" for path in NOT_QUICK]
    session.run(
        "pytest",
        "-m",
        "not interop and not slow and not recipes",
        "-n",
        "2",
        "--dist",
        "loadfile",
        *ignored,
        *(session.posargs or QUICK),
    )
