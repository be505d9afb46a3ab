"""Out of descriptors: LocalLambda says so once, and goes on when there are some again."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.local import FUNCTIONS

SOURCE = FUNCTIONS.parent.parent.parent / "src"

SERVER = """
import os, resource, sys
sys.path.insert(0, sys.argv[1])
from streamify_server.local import LocalLambda
with LocalLambda() as aws:
    for name in ("plain", "other"):
        aws.add_function(name, handler="plain.handler", code=sys.argv[2], timeout=60)
    print(aws.endpoint_url.removeprefix("http://"), flush=True)
    for left in sys.stdin:
        limit = len(os.listdir("/dev/fd")) + int(left)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        print("limited", flush=True)
"""


@contextmanager
def serving() -> Iterator[tuple[Any, str]]:
    command = [sys.executable, "-c", SERVER, str(SOURCE), str(FUNCTIONS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        yield server, server.stdout.readline().strip()


def leave_descriptors(server: Any, count: int) -> None:
    """Let the server open so many more, and no others."""
    server.stdin.write(f"{count}\n")
    server.stdin.flush()
    assert server.stdout.readline() == "limited\n"


def invoke_at_once(address: str, name: str, count: int) -> list[bytes]:
    """The answers to invocations whose requests are all sent before the first answer is read."""
    callers = [http.client.HTTPConnection(address, timeout=60) for _ in range(count)]
    for caller in callers:
        caller.request("POST", f"/2015-03-31/functions/{name}/invocations", b'{"name": "Ada"}')
    answers = [caller.getresponse().read() for caller in callers]
    for caller in callers:
        caller.close()
    return answers


def test_idle_processes_end_where_another_function_needs_their_descriptors() -> None:
    with serving() as (server, address):
        invoke_at_once(address, "plain", 3)
        leave_descriptors(server, 2)  # enough for a caller, and not for a process
        give_up = time.monotonic() + 60
        while (answer := invoke_at_once(address, "other", 1)[0]) != b'{"hello": "Ada"}':
            assert b"Too many open files; close some, or raise the limit" in answer
            assert time.monotonic() < give_up
        server.communicate("")
    assert server.returncode == 0


def test_out_of_descriptors_new_connections_wait_and_one_line_says_why() -> None:
    with serving() as (server, address):
        leave_descriptors(server, 20)
        host, port = address.split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(60)]
        line = server.stderr.readline()
        for connection in idle:
            connection.close()
        assert invoke_at_once(address, "plain", 1) == [b'{"hello": "Ada"}']
        _, rest = server.communicate("")
    assert "Too many open files" in line
    assert "ulimit -n" in line
    assert rest == ""
    assert server.returncode == 0
