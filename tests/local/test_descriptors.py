"""Out of descriptors: LocalLambda says so once, and goes on when there are some again."""

import http.client
import socket
import subprocess
import sys

from support.local import FUNCTIONS

SOURCE = FUNCTIONS.parent.parent.parent / "src"

SERVER = """
import resource, sys, threading
sys.path.insert(0, sys.argv[1])
from streamify_server.local import LocalLambda
with LocalLambda() as aws:
    aws.add_function("plain", handler="plain.handler", code=sys.argv[2], timeout=60)
    own = len(__import__("os").listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (own + 20, own + 20))
    print(aws.endpoint_url.removeprefix("http://"), flush=True)
    sys.stdin.read()
"""


def test_out_of_descriptors_new_connections_wait_and_one_line_says_why() -> None:
    command = [sys.executable, "-c", SERVER, str(SOURCE), str(FUNCTIONS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        address = server.stdout.readline().strip()
        host, port = address.split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(60)]
        line = server.stderr.readline()
        for connection in idle:
            connection.close()
        caller = http.client.HTTPConnection(address, timeout=60)
        caller.request("POST", "/2015-03-31/functions/plain/invocations", b'{"name": "Ada"}')
        assert caller.getresponse().read() == b'{"hello": "Ada"}'
        caller.close()
        _, rest = server.communicate("")
    assert "Too many open files" in line
    assert "ulimit -n" in line
    assert rest == ""
    assert server.returncode == 0
