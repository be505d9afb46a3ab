"""The parent of all function processes: when LocalLambda goes, however it goes, it kills them all.

Run as a script with nothing but the standard library. Standard input is a socket with requests, one JSON
object a line, a log pipe passed along with each "spawn"; standard output takes reports, one JSON object a
line. The end of the requests (an orderly stop, a crash, `kill -9`: the kernel closes the socket) ends every
process group.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque

# The first invocation waits for every import here: hence no typing and no glob, and ctypes when it is needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PR_SET_CHILD_SUBREAPER = 36


class Supervisor:
    """Starts, kills and reaps processes, each the leader of a session of its own."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._buffer = b""
        self._pipes: deque[int] = deque()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._adopts = False

    def run(self, wakeup: socket.socket) -> None:
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if wakeup.fileno() in ready:
                if signal.SIGTERM in wakeup.recv(4096):
                    return
                self._reap()
            if self._requests.fileno() in ready and not self._serve():
                return

    def _serve(self) -> bool:
        try:
            data, pipes, _, _ = socket.recv_fds(self._requests, 65536, 16)
        except ConnectionError:
            return False
        self._pipes.extend(pipes)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["op"] == "spawn":
                self._spawn(request)
            else:
                self._kill(request["id"])
        return bool(data)

    def _spawn(self, request: "dict[str, Any]") -> None:
        log = self._pipes.popleft()
        try:
            process = subprocess.Popen(
                request["argv"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            report(id=request["id"], error=str(error))
        else:
            self._processes[request["id"]] = process
            if not self._adopts:
                self._adopts = True
                adopt_orphans()
            report(id=request["id"], pid=process.pid)
        finally:
            os.close(log)

    def _kill(self, identity: int) -> None:
        if identity in self._processes:
            kill_group(self._processes[identity].pid)

    def _reap(self) -> None:
        for identity, process in list(self._processes.items()):
            if process.poll() is not None:
                # What the process left behind in its group ends with it, as a sandbox does.
                kill_group(process.pid)
                del self._processes[identity]
                report(id=identity, status=process.returncode)
        reap_adopted({process.pid for process in self._processes.values()})

    def end(self) -> None:
        """Kill every group, and whatever escaped its group and was handed to this process by the kernel."""
        for process in self._processes.values():
            kill_group(process.pid)
        for process in self._processes.values():
            process.wait()
        while descendants := children():
            for pid in descendants:
                kill_group(pid)
                kill(pid)
            try:
                os.wait()
            except ChildProcessError:
                return


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass


def children() -> list[int]:
    """The children of this process; known on Linux only, where orphans are adopted."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def reap_adopted(known: set[int]) -> None:
    for pid in set(children()) - known:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs, so that a daemonized grandchild is found (Linux)."""
    if sys.platform == "linux":
        try:
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        except (ImportError, OSError):
            pass


def report(**fields: object) -> None:
    try:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass


def main() -> None:
    wakeup, wakeup_writer = socket.socketpair()
    wakeup.setblocking(False)
    wakeup_writer.setblocking(False)
    # Handlers that do nothing, and not SIG_IGN: functions would inherit that.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(wakeup_writer.fileno(), warn_on_full_buffer=False)
    supervisor = Supervisor(socket.socket(fileno=0))
    try:
        supervisor.run(wakeup)
    finally:
        supervisor.end()


if __name__ == "__main__":
    main()
