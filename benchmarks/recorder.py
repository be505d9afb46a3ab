"""Runtime APIs, in a separate process, that discard what is posted to them.

    with Recorder.start(["ours", "theirs"]) as recorder: ...      # in the benchmark
    python benchmarks/recorder.py 2                               # the process, which prints its ports

Each runtime has its own Runtime API. The time of an invocation is measured from the last byte of the event to
the last byte of the response.
"""

import json
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from children import Child, child

LAST = b"\r\n0\r\n\r\n"
BUFFER = 1 << 20
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Posted:
    """A response: how long it took, how many bytes it had, and its first bytes."""

    seconds: float
    size: int
    start: bytes


class Recorder:
    """The benchmark's connection to the process."""

    def __init__(self, process: Child, names: Sequence[str], ports: Sequence[int]) -> None:
        self._process = process
        self._numbers = {name: number for number, name in enumerate(names)}
        self.ports = dict(zip(names, ports, strict=True))

    @classmethod
    @contextmanager
    def start(cls, names: Sequence[str]) -> Iterator["Recorder"]:
        with child([sys.executable, __file__, str(len(names))]) as process:
            yield cls(process, names, process.hear()["ports"])

    def invoke(self, name: str, event: Any, client_context: Any = None) -> Posted:
        """Invoke a runtime with an event and wait for its response."""
        posted = self._process.ask(number=self._numbers[name], event=event, client_context=client_context)
        return Posted(posted["seconds"], posted["size"], posted["start"].encode("latin-1"))


class RuntimeApi:
    """One Runtime API: a thread for each connection, one invocation at a time."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._posted: queue.SimpleQueue[Posted] = queue.SimpleQueue()
        self._begun = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def invoke(self, event: Any, client_context: Any) -> Posted:
        body = json.dumps(event).encode()
        fields = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Lambda-Runtime-Aws-Request-Id": "6a5c1c5f-0b6e-4f0e-9d0e-0d8f7c0c4b1a",
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + PATIENCE) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:fn",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-000000000000000000000001;Sampled=0",
        }
        if client_context is not None:
            fields["Lambda-Runtime-Client-Context"] = json.dumps(client_context)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._asked.put(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
        return self._posted.get(timeout=PATIENCE)

    def _accept(self) -> None:
        while True:
            threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock, suppress(ConnectionError, EOFError):
            while True:
                head, rest = read_head(sock)
                if head.startswith(b"get"):
                    sock.sendall(self._asked.get())
                    self._begun = time.perf_counter()
                else:
                    self._take(sock, head, rest)

    def _take(self, sock: socket.socket, head: bytes, rest: bytes) -> None:
        if b"transfer-encoding: chunked" not in head:
            print(f"a runtime did not stream: {head!r} {rest!r}", file=sys.stderr, flush=True)
            os._exit(1)  # sys.exit would end only this thread
        size, start, tail = len(rest), rest[:BUFFER], rest[-len(LAST) :]
        buffer = bytearray(BUFFER)
        while not tail.endswith(LAST):
            count = sock.recv_into(buffer)
            if not count:
                raise EOFError
            size += count
            if len(start) < BUFFER:
                start += buffer[:count]
            tail = (tail + buffer[max(0, count - len(LAST)) : count])[-len(LAST) :]
        posted = Posted(time.perf_counter() - self._begun, size, start)
        sock.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{"status":"OK"}')
        self._posted.put(posted)


def read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    """Read a request's head and return it, in lower case, with the bytes of the body read so far."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := sock.recv(BUFFER)):
            raise EOFError
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.lower(), b"\r\n" + rest


def main() -> None:
    """Answer lines of JSON until standard input ends."""
    apis = [RuntimeApi() for _ in range(int(sys.argv[1]))]
    print(json.dumps({"ports": [api.port for api in apis]}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        posted = apis[asked["number"]].invoke(asked["event"], asked["client_context"])
        answer = {"seconds": posted.seconds, "size": posted.size, "start": posted.start.decode("latin-1")}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
