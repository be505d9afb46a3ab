"""A managed Python runtime of Lambda, emulated: folders, bootstrap, environment, order of the start."""

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.layer import BARE_PYTHON, installed_files
from support.runtime_api import RuntimeApi

SRC = Path(__file__).parents[2] / "src"

# The order of AWS's bootstrap: its runtime client is imported first, with the standard library that it needs;
# only then come the folders of the function and of its layers. The folder of this file is the last of them.
BOOTSTRAP = """
import os, site, sys
import awslambdaric.__main__ as awslambdaricmain

opt, task = os.environ.pop("EMULATED_OPT"), os.environ["LAMBDA_TASK_ROOT"]
version = "python%d.%d" % sys.version_info[:2]
own = "PYTHONPATH" in os.environ
layers = [] if own else [opt + "/python/lib/" + version + "/site-packages", opt + "/python"]
beside = [] if own else [sys.prefix + "/lib/" + version + "/site-packages"]
sys.path[:0] = [task, *layers, *beside]
for folder in (task, *layers):
    site.addsitedir(folder)
if not own:
    os.environ["PYTHONPATH"] = os.environ["LAMBDA_RUNTIME_DIR"]
awslambdaricmain.main([task, os.environ["_HANDLER"]])
"""


@dataclass
class Managed:
    """The folders that stand for /var/task, /opt and /var/runtime, and how functions are started in them."""

    root: Path
    python: str = BARE_PYTHON
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        for folder in (self.task, self.opt, self.runtime):
            folder.mkdir(parents=True, exist_ok=True)
        (self.runtime / "bootstrap.py").write_text(BOOTSTRAP)

    @property
    def task(self) -> Path:
        return self.root / "task"

    @property
    def opt(self) -> Path:
        return self.root / "opt"

    @property
    def runtime(self) -> Path:
        return self.root / "runtime"

    @property
    def log(self) -> str:
        return (self.root / "log").read_text(encoding="utf-8", errors="replace")

    def install_runtime_client(self, folder: Path | None = None) -> None:
        """Put a folder's runtime client into /var/runtime, or that of the tests, native extension and all."""
        if folder is not None:
            shutil.copytree(folder, self.runtime, dirs_exist_ok=True)
            return
        for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
            for file, path in installed_files(name):
                target = self.runtime / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)

    def write(self, **sources: str) -> None:
        """Write modules into the function's package."""
        for name, source in sources.items():
            (self.task / f"{name}.py").write_text(source, encoding="utf-8")

    def install_package(self) -> None:
        """Put this package into the function's, as pip would."""
        (self.task / "streamify_server").symlink_to(SRC / "streamify_server")

    @functools.cached_property
    def version(self) -> str:
        """The name of the managed runtime, such as python3.13."""
        script = "import sys; print('python%d.%d' % sys.version_info[:2])"
        done = subprocess.run([self.python, "-c", script], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def environment(self, address: str, more: Mapping[str, str]) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, nothing of the test's."""
        return {
            "_HANDLER": "app.handler",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.version}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_NAME": "fn",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_REGION": "us-east-1",
            "LAMBDA_RUNTIME_DIR": str(self.runtime),
            "LAMBDA_TASK_ROOT": str(self.task),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TZ": ":UTC",
            **more,
        }

    def start(
        self, api: RuntimeApi | str, environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start the function as Lambda does, under an exec wrapper if the environment names one."""
        address = api if isinstance(api, str) else api.address
        environ = self.environment(address, environment or {})
        command = [self.python, str(self.runtime / "bootstrap.py")]
        if wrapper := environ.get("AWS_LAMBDA_EXEC_WRAPPER"):
            command = [
                wrapper.replace("/opt/", f"{self.opt}/").replace("/var/task/", f"{self.task}/"),
                *command,
            ]
        with (self.root / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self.task,
                env={**environ, "EMULATED_OPT": str(self.opt)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """Kill what has been started, forked workers too."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


@contextmanager
def managed(root: Path, python: str = BARE_PYTHON, runtime_client: Path | None = None) -> Iterator[Managed]:
    """A managed runtime with this package in the function's."""
    aws = Managed(root, python)
    aws.install_runtime_client(runtime_client)
    aws.install_package()
    try:
        yield aws
    finally:
        aws.stop()
