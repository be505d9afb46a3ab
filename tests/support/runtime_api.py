"""A Runtime API that records every byte and misbehaves on request; and real runtimes run against it."""

import base64
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 30.0
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Script:
    """How the Runtime API answers one post."""

    status: int = 202
    reject_after: int | None = None  # answer as soon as this many body bytes came, without reading on
    drop_after: int | None = None  # reset the connection after this many body bytes
    pause_after: int | None = None  # stop reading after this many body bytes, until `resume` is set
    resume: threading.Event = field(default_factory=threading.Event)
    answer: bool = True  # False: close without any answer


@dataclass
class Post:
    """One POST of a runtime: what came over its connection."""

    path: str
    headers: list[tuple[str, str]]
    reads: list[bytes] = field(default_factory=list)  # body bytes, one item for each recv
    chunks: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    complete: bool = False  # terminator, or Content-Length bytes, received
    eof_after: bool = False  # the runtime closed the connection after the answer

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    @property
    def prelude(self) -> Any:
        return json.loads(self.body.split(b"\0" * 8, 1)[0])

    @property
    def http_body(self) -> bytes:
        return self.body.split(b"\0" * 8, 1)[1]

    @property
    def error(self) -> Any:
        """The error of the trailers, or of a post to /error."""
        if self.path.endswith("/error"):
            return json.loads(self.body)
        encoded = self.trailers.get("lambda-runtime-function-error-body")
        return None if encoded is None else json.loads(base64.b64decode(encoded))


class Invocation:
    """One invocation handed to the runtime, and the posts that answer it."""

    def __init__(self, event: bytes, headers: Mapping[str, str], script: Script) -> None:
        self.event = event
        self.headers = dict(headers)
        self.script = script
        self.posts: list[Post] = []
        self._changed = threading.Condition()
        self._over = False

    def add(self, post: Post) -> None:
        with self._changed:
            self.posts.append(post)
            self._changed.notify_all()

    def note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def finish(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def wait_for(self, seen: bytes) -> Post:
        """Block until these body bytes have arrived, wherever they were split."""

        def arrived() -> bool:
            return any(seen in b"".join(post.chunks) for post in self.posts)

        with self._changed:
            assert self._changed.wait_for(arrived, PATIENCE), f"{seen!r} never came"
        return self.posts[-1]

    def result(self) -> Post:
        """Block until the answer is over; the post that carried it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._over, PATIENCE), "the invocation was never answered"
        return self.posts[0]


class RuntimeApi:
    """`with RuntimeApi() as api:` serves invocations to any runtime that connects to `api.address`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._waiting: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._known: dict[str, Invocation] = {}
        self.init_errors: queue.SimpleQueue[Post] = queue.SimpleQueue()
        self.nexts = 0
        self.next_headers: list[tuple[str, str]] = []
        self.other_requests: list[str] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._count = 0
        self._closing = False

    def __enter__(self) -> "RuntimeApi":
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for _unused in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(PATIENCE)
        for sock in self._sockets:
            sock.close()

    def invoke(
        self,
        event: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        client_context: Any = None,
        seconds: float = 60.0,
        script: Script | None = None,
    ) -> Invocation:
        self._count += 1
        request_id = f"request-{self._count}"
        sent = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:fn",
            "Lambda-Runtime-Trace-Id": f"Root=1-5bef4de7-{self._count:024x}",
            **(headers or {}),
        }
        if client_context is not None:
            sent["Lambda-Runtime-Client-Context"] = json.dumps(client_context)
        body = raw if raw is not None else json.dumps(event).encode()
        invocation = Invocation(body, sent, script or Script())
        self._known[request_id] = invocation
        self._waiting.put(invocation)
        return invocation

    @property
    def connections(self) -> int:
        """How many were accepted."""
        return len(self._sockets)

    def _spawn(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        reader = _Reader(sock)
        try:
            while self._request(sock, reader):
                pass
        except (OSError, EOFError):
            pass
        finally:
            if not self._closing:
                sock.close()

    def _request(self, sock: socket.socket, reader: "_Reader") -> bool:
        line = reader.line()
        if not line:
            return False
        method, path, _ = line.split(" ", 2)
        headers: list[tuple[str, str]] = []
        while header := reader.line():
            name, _, value = header.partition(":")
            headers.append((name, value.strip()))
        if method == "GET" and path.endswith("/invocation/next"):
            return self._next(sock, headers)
        return self._posted(sock, reader, Post(path, headers))

    def _next(self, sock: socket.socket, headers: list[tuple[str, str]]) -> bool:
        self.nexts += 1
        self.next_headers = headers
        invocation = self._waiting.get()
        if invocation is None:
            return False
        head = "".join(f"{name}: {value}\r\n" for name, value in invocation.headers.items())
        length = len(invocation.event)
        sock.sendall(f"HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n".encode() + invocation.event)
        return True

    def _posted(self, sock: socket.socket, reader: "_Reader", post: Post) -> bool:
        parts = post.path.split("/")
        invocation = self._known.get(parts[-2]) if len(parts) > 2 else None
        if invocation is None:
            _read_body(reader, post, Script(), lambda: None)
            (self.init_errors.put(post) if "error" in post.path else self.other_requests.append(post.path))
            sock.sendall(_answer(202 if "error" in post.path else 200))
            return True
        invocation.add(post)
        try:
            return self._answer_post(sock, reader, post, invocation)
        finally:
            invocation.finish()

    def _answer_post(
        self, sock: socket.socket, reader: "_Reader", post: Post, invocation: Invocation
    ) -> bool:
        script = invocation.script
        outcome = _read_body(reader, post, script, invocation.note)
        if outcome == "drop":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if not script.answer:
            return False
        sock.sendall(_answer(script.status))
        if outcome == "reject":
            script.resume.wait(PATIENCE)  # the rest stays unread: a writer that does not look is stuck
            return False
        if post.header("connection") == "close":
            post.eof_after = reader.sock.recv(1) == b""
        return True


def _answer(status: int) -> bytes:
    body = b'{"status":"OK"}' if status == 202 else b'{"errorMessage":"scripted","errorType":"Scripted"}'
    return b"HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


class _Reader:
    """Reads lines and counted bytes, and remembers what each recv gave."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.reads: list[bytes] = []

    def more(self) -> None:
        data = self.sock.recv(1 << 20)
        if not data:
            raise EOFError
        self.reads.append(data)
        self.buffer += data

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            try:
                self.more()
            except EOFError:
                if not self.buffer:
                    return ""
                raise
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode()

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data


def _read_body(reader: _Reader, post: Post, script: Script, note: Any) -> str:
    """Read one body as its framing says; "whole", or the scripted fault that ended it."""
    reader.reads = post.reads
    if reader.buffer:
        post.reads.append(reader.buffer)
    if (post.header("transfer-encoding") or "") != "chunked":
        post.chunks.append(reader.exactly(int(post.header("content-length") or 0)))
        post.complete = True
        note()
        return "reject" if script.reject_after == 0 else "drop" if script.drop_after == 0 else "whole"
    total = 0
    while True:
        if script.pause_after is not None and total >= script.pause_after:
            script.resume.wait(PATIENCE)
        for limit, outcome in ((script.reject_after, "reject"), (script.drop_after, "drop")):
            if limit is not None and total >= limit:
                return outcome
        if not (size_line := reader.line()):
            raise EOFError
        size = int(size_line, 16)
        if size == 0:
            break
        post.chunks.append(reader.exactly(size))
        assert reader.exactly(2) == b"\r\n"
        total += size
        note()
    while line := reader.line():
        name, _, value = line.partition(":")
        post.trailers[name.lower()] = value.strip()
    post.complete = True
    note()
    return "whole"


@dataclass
class Runtime:
    """A function's process."""

    process: "subprocess.Popen[str]"
    output: Path

    @property
    def log(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def running(
    api: RuntimeApi,
    code: Path,
    handler: str = "app.handler",
    *,
    module: str = "streamify_server.runtime",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Runtime]:
    """A real runtime process on the function in `code`; `module="awslambdaric"` for AWS's own."""
    output = code / f"{module}.log"
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "LAMBDA_"))}
    environ |= {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "fn",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "LAMBDA_TASK_ROOT": str(code),
        "PYTHONPATH": os.pathsep.join([str(code), str(ROOT / "src")]),
        "PYTHONWARNINGS": "error",
        **(environment or {}),
    }
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, handler],
            cwd=code,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield Runtime(process, output)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # forked workers too
        except ProcessLookupError:
            pass
        process.wait()
