"""Check whether a handler can be loaded, in a process like the function's own.

The functions are restarted without waiting for the result, so that a save never waits for an earlier one.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from streamify_server.local.functions import Function
from streamify_server.local.sandbox.environment import process_environment
from streamify_server.local.sandbox.processes import Exit

_PROBE = Path(__file__).with_name("probe.py")
_READ_SIZE = 65536
# A frame in the output of `faulthandler`, which is written when loading takes long.
_FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+) in ')


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a handler cannot be loaded; `trace` is set if its own code failed."""

    sentence: str
    trace: str = ""


class Check:
    """Loads a function's module in a separate process, with the environment that the function will have.

    Nothing except `wait` blocks: `look` reads what the process has reported so far.

    Attributes:
        slow: The position at which loading takes long, as "app.py, line 3"; "" if it is unknown, None if
            loading is not slow.
        over: Whether the process has ended.
        problem: What is wrong, once it is over.
    """

    def __init__(self, function: Function) -> None:
        self.slow: str | None = None
        self.over: bool = False
        self.problem: Problem | None = None
        self._function = function
        self._told = b""
        # Code that runs at import must not reach a Runtime API, nor stop in a debugger.
        environment = process_environment(function, runtime_api="", region="us-east-1", log_stream="")
        environment["PYTHONBREAKPOINT"] = "0"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self._report, report = os.pipe()
        alive, self._alive = os.pipe()  # when it is closed, the process exits
        os.set_blocking(self._report, False)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed by `stop`
        try:
            self._process = subprocess.Popen(
                [sys.executable, str(_PROBE), function.handler, str(report), str(alive)],
                cwd=function.code,
                env=environment,
                pass_fds=[report, alive],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
            )
        finally:
            os.close(report)
            os.close(alive)

    def look(self) -> None:
        """Read what the process has reported since the last call."""
        if self.over:
            return
        ended = self._process.poll() is not None
        while data := self._read():
            self._told += data
        if ended:
            self.over = True
            self.problem = self._judge(self._told)
            self.stop()
        elif self._told:
            self.slow = self._where(self._told.decode("utf-8", "replace"))

    def wait(self, seconds: float) -> None:
        """Wait until it is over, or until the time is up."""
        give_up = time.monotonic() + seconds
        while not self.over and time.monotonic() < give_up:
            time.sleep(0.01)
            self.look()

    def stop(self) -> None:
        """Kill the process and its process group."""
        if self._alive < 0:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except OSError:
            pass
        self._process.wait()
        self.over = True
        os.close(self._report)
        os.close(self._alive)
        self._alive = -1
        self._errors.close()

    def _read(self) -> bytes:
        try:
            return os.read(self._report, _READ_SIZE)
        except BlockingIOError:
            return b""

    def _judge(self, told: bytes) -> Problem | None:
        lines = told.decode("utf-8", "replace").splitlines()
        if not lines or not lines[-1].startswith("{"):
            self._errors.seek(0)
            trace = self._errors.read().decode("utf-8", "replace").rstrip()
            return Problem(f"the process that loads it ended: {Exit(self._process.returncode)}", trace)
        fields = json.loads(lines[-1])
        return Problem(fields["problem"], fields.get("trace", "")) if fields else None

    def _where(self, told: str) -> str:
        """Return the innermost position in the function's own code; empty if there is none."""
        for file, line in _FRAME.findall(told):
            path = Path(file)
            if path.is_relative_to(self._function.code) and "site-packages" not in path.parts:
                return f"{path.relative_to(self._function.code)}, line {line}"
        return ""
