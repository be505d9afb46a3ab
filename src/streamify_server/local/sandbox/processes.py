"""LocalLambda's side of the supervisor: starts processes, reads their output, reports how they exited."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("supervisor.py")
_READ_SIZE = 65536
_END_SECONDS = 10.0
_RESIDENT = re.compile(rb"VmRSS:\s+(\d+) kB")
_PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: its exit status (negative for a signal), or why it could not be started."""

    status: int
    error: str | None = None

    def __str__(self) -> str:
        if self.error:
            return self.error
        if self.status >= 0:
            return f"exit status {self.status}"
        return f"signal: {_signal_name(-self.status)}"


def _signal_name(number: int) -> str:
    return (signal.strsignal(number) or str(number)).lower()


class Process:
    """One running process of a function, and its output."""

    def __init__(
        self, identity: int, supervisor: "Processes", log: int, on_output: Callable[[bytes], None]
    ) -> None:
        self.identity = identity
        self.pid: int | None = None
        self.on_exit: Callable[[Exit], None] = lambda _: None
        self._supervisor = supervisor
        self._log = log
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._status = -1
        os.set_blocking(log, False)
        self._loop.add_reader(log, self.drain)

    def drain(self) -> None:
        """Read the output that is available, without blocking."""
        while self._log >= 0:
            try:
                data = os.read(self._log, _READ_SIZE)
            except BlockingIOError:
                return None
            if not data:
                return self.close()
            self._on_output(data)
        return None

    @property
    def peak_memory(self) -> int | None:
        """The peak resident memory in MB, if /proc is available."""
        peak = self._kilobytes(_PEAK)
        return None if peak is None else -(-peak // 1024)

    @property
    def memory(self) -> int | None:
        """The resident memory in bytes, if /proc is available."""
        used = self._kilobytes(_RESIDENT)
        return None if used is None else used << 10

    def _kilobytes(self, field: re.Pattern[bytes]) -> int | None:
        try:
            if self._status < 0:
                self._status = os.open(f"/proc/{self.pid}/status", os.O_RDONLY)
            found = field.search(os.pread(self._status, 4096, 0))
        except OSError:
            return None
        return int(found[1]) if found else None

    def close(self) -> None:
        if self._log >= 0:
            self._loop.remove_reader(self._log)
            os.close(self._log)
            self._log = -1
        if self._status >= 0:
            os.close(self._status)
            self._status = -1

    def kill(self) -> None:
        """Kill the process and its process group; `on_exit` is called later."""
        self._supervisor.send({"op": "kill", "id": self.identity})

    def ended(self, result: Exit) -> None:
        self.drain()
        self.close()
        self.on_exit(result)


class Processes:
    """The processes of all functions, controlled through the supervisor process."""

    def __init__(self) -> None:
        self._identities = count(1)
        self._processes: dict[int, Process] = {}
        self._loop = asyncio.get_running_loop()
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SCRIPT)],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        assert self._child.stdout is not None
        self._reports = self._child.stdout.fileno()
        self._partial = b""
        os.set_blocking(self._reports, False)
        self._loop.add_reader(self._reports, self._read_reports)

    @property
    def alive(self) -> bool:
        return self._reports >= 0

    @property
    def process_ids(self) -> list[int]:
        return [process.pid for process in self._processes.values() if process.pid is not None]

    def spawn(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        on_output: Callable[[bytes], None],
        *,
        leads: bool = True,
    ) -> Process:
        """Start a process. Its `on_exit` is called when it exits, or if it cannot be started.

        Args:
            argv: Its command.
            env: Its complete environment.
            cwd: Its working directory.
            on_output: Called with its output.
            leads: Whether, when it exits, every process with the same Runtime API address is killed.
        """
        reader, writer = os.pipe()
        process = Process(next(self._identities), self, reader, on_output)
        self._processes[process.identity] = process
        request = {"op": "spawn", "id": process.identity, "argv": list(argv), "env": dict(env), "cwd": cwd}
        request["leads"] = leads
        try:
            self.send(request, writer)
        finally:
            os.close(writer)
        return process

    def send(self, request: Mapping[str, Any], *descriptors: int) -> None:
        line = json.dumps(request).encode() + b"\n"
        try:
            sent = socket.send_fds(self._requests, [line], descriptors) if descriptors else 0
            self._requests.sendall(line[sent:])
        except OSError:
            # The supervisor has died; `_read_reports` sees the end of its reports and ends every process.
            return

    def _read_reports(self) -> None:
        try:
            data = os.read(self._reports, _READ_SIZE)
        except BlockingIOError:
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if not data:
            self._lost()

    def _take(self, report: Mapping[str, Any]) -> None:
        if "pid" in report:
            self._processes[report["id"]].pid = report["pid"]
            return
        process = self._processes.pop(report["id"])
        process.ended(Exit(report.get("status", 127), report.get("error")))

    def _lost(self) -> None:
        self._loop.remove_reader(self._reports)
        self._reports = -1
        lost, self._processes = list(self._processes.values()), {}
        for process in lost:
            _kill_group(process.pid)
            process.ended(Exit(-signal.SIGKILL))

    def end(self) -> None:
        """Kill every process, wait until all have exited, and close all descriptors."""
        if self.alive:
            self._loop.remove_reader(self._reports)
            self._reports = -1
        self._requests.close()
        try:
            self._child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            for process in self._processes.values():
                _kill_group(process.pid)
            self._child.kill()
            self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        for process in self._processes.values():
            process.close()
        self._processes.clear()


def _kill_group(pid: int | None) -> None:
    if pid is not None:
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
