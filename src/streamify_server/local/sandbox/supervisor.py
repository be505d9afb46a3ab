"""The parent of all function processes, which kills them when LocalLambda ends, whatever the reason.

Run as a script that needs only the standard library. Standard input is a socket for requests, one JSON object
per line, with a log pipe passed along with each "spawn"; standard output is for reports, one JSON object per
line. When the requests end (an orderly stop, a crash or `kill -9`: the kernel closes the socket), it kills
every process group.

Only the parent of a process can wait for it and learn its exit status. There is one supervisor for each
LocalLambda and not one for each process, which would cost an interpreter for each.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque

# The first invocation waits for these imports: hence no typing, no glob, and ctypes only when needed.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
# How often, and at which interval, to look again at a process that is in the middle of its exec.
_EXEC_LOOKS = 20
_EXEC_SECONDS = 0.005


class Supervisor:
    """Starts, kills and reaps processes, each the leader of its own session."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._buffer = b""
        self._pipes: deque[int] = deque()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._marks: dict[int, bytes] = {}
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
        except Exception as error:  # must not affect the other processes
            report(id=request["id"], error=str(error))
        else:
            self._processes[request["id"]] = process
            if request["leads"]:
                self._marks[request["id"]] = mark(request["env"])
            if not self._adopts:
                self._adopts = True
                adopt_orphans()
            report(id=request["id"], pid=process.pid)
        finally:
            os.close(log)

    def _kill(self, identity: int) -> None:
        if identity in self._processes:
            pid = self._processes[identity].pid
            escaped = descendants(pid)
            kill_group(pid)
            for each in escaped:
                kill(each)

    def _reap(self) -> None:
        for identity, process in list(self._processes.items()):
            if process.poll() is not None:
                # What it left behind, in its group or in other sessions, ends with it, as on Lambda.
                kill_group(process.pid)
                if identity in self._marks:
                    kill_marked(self._marks.pop(identity))
                del self._processes[identity]
                report(id=identity, status=process.returncode)
        reap_adopted({process.pid for process in self._processes.values()})

    def end(self) -> None:
        """Kill every process group, and the processes that left their group and were adopted by this one."""
        for process in self._processes.values():
            kill_group(process.pid)
        for process in self._processes.values():
            process.wait()
        while left := children(os.getpid()):
            for pid in left:
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


def children(pid: int) -> list[int]:
    """Return the children of a process; empty except on Linux, where orphans are adopted."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass  # it has exited, or this is not Linux
    return found


def descendants(pid: int) -> list[int]:
    """Return the children of a process, their children, and so on."""
    found, ahead = [], [pid]
    while ahead:
        below = children(ahead.pop())
        found += below
        ahead += below
    return found


def mark(environment: "dict[str, str]") -> bytes:
    """Return the environment variable that identifies the processes of one worker.

    Children inherit it, even those in sessions of their own.
    """
    return b"AWS_LAMBDA_RUNTIME_API=%b\0" % environment.get("AWS_LAMBDA_RUNTIME_API", "").encode()


def kill_marked(marked: bytes) -> None:
    """Kill what a function's process left behind: orphans that this process has adopted."""
    killed: set[int] = set()
    for _ in range(_EXEC_LOOKS):
        environments = {pid: environment_of(pid) for pid in descendants(os.getpid()) if pid not in killed}
        left = {pid for pid, environment in environments.items() if marked in (environment or b"")}
        for pid in left:
            kill(pid)
        killed |= left
        if not left and b"" not in environments.values():
            return
        time.sleep(0 if left else _EXEC_SECONDS)


def environment_of(pid: int) -> "bytes | None":
    """Return the initial environment of a process: empty in the middle of its exec, None if it has died."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
        with open(f"/proc/{pid}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except OSError:
        return None
    return None if state in (b"Z", b"X") else environment


def reap_adopted(known: set[int]) -> None:
    for pid in set(children(os.getpid())) - known:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that daemonized grandchildren are found (Linux)."""
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
    # Handlers that do nothing instead of SIG_IGN, which functions would inherit.
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
