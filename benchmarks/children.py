"""Runs contestants in separate processes that exchange lines of JSON."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent.parent / "tests" / "interop" / "peers"
NODE = PEERS / "node_modules" / ".bin" / "node"


class Child:
    """A process that answers each line of JSON with another."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send a question and return the answer."""
        assert self._process.stdin
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Wait for the next line and return it."""
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"{self._process.args!r} has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def child(
    command: Sequence[str], *, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Run a process for the duration of a block."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield Child(process)
        finally:
            process.kill()


@contextmanager
def background(command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a process that answers no questions, for the duration of a block."""
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            yield
        finally:
            process.kill()
