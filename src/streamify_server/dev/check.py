"""Whether a handler can be loaded, found out in a process like the function's own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from streamify_server.local.functions import Function, process_environment

_PROBE = Path(__file__).with_name("probe.py")
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a handler cannot be loaded; the trace is there if its own code failed."""

    sentence: str
    trace: str = ""


def check_handler(function: Function) -> Problem | None:
    """Load a function's module in a process of its own, with the environment that the function will have.

    Returns:
        What is wrong, or None.
    """
    # What the module does at its import must not find a Runtime API to talk to.
    environment = process_environment(function, runtime_api="", region="us-east-1", log_stream="")
    reader, writer = os.pipe()
    with open(reader) as report:
        try:
            done = subprocess.run(
                [sys.executable, str(_PROBE), function.handler, str(writer)],
                cwd=function.code,
                env=environment,
                pass_fds=[writer],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Problem(f"loading it takes more than {_SECONDS:.0f} seconds")
        finally:
            os.close(writer)
        told = report.read()
    if not told:
        return Problem(f"the process that loads it ended with status {done.returncode}", done.stderr.rstrip())
    fields = json.loads(told)
    return Problem(fields["problem"], fields.get("trace", "")) if fields else None
