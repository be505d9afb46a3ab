"""LocalLambda compared with uvicorn: chunks per second, and requests per second.

    python benchmarks/local_throughput.py [rounds]

uvicorn runs an async generator itself; LocalLambda has one more hop, over the Runtime API to the function's
process, and a function process for each concurrent call. Both run in separate processes and take turns.
Chunks are read from plain sockets, in one response; requests are sent with http.client, one after the other,
on one connection or on four at once.
"""

import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHUNKS, SIZE, REQUESTS, AT_ONCE = 100_000, 100, 1000, 4
APPLICATION = """
async def chunks(count):
    for _ in range(count):
        yield bytes(100)

async def app(scope, receive, send):
    await receive()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    await send(start)
    async for chunk in chunks(int(scope["query_string"] or b"0")):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"done"})
"""
FUNCTION = """
from streamify_server import HttpResponse, streaming_handler

@streaming_handler
def streamed(event, context):
    body = (bytes(100) for _ in range(int(event["rawQueryString"])))
    return HttpResponse(200, {"content-type": "text/plain"}, body=body)

@streaming_handler
def frames(event, context):
    for _ in range(event["chunks"]):
        yield bytes(100)

def plain(event, context):
    return "done"
"""
UVICORN = """
import socket, sys, uvicorn
sys.path.insert(0, sys.argv[1])
# With a protocol of 0, which socket.create_server leaves, asyncio would not switch Nagle's algorithm off.
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config("app:app", log_level="error")).run(sockets=[listening])
"""
LOCAL = """
import sys
from streamify_server.local import LocalLambda
with LocalLambda() as aws:
    for name in ("streamed", "frames", "plain"):
        aws.add_function(name, handler=f"function.{name}", code=sys.argv[1], timeout=300)
    print(aws.endpoint_url, aws.function_url("streamed", invoke_mode="RESPONSE_STREAM"), flush=True)
    sys.stdin.read()
"""


def chunks_a_second(port: int, head: str, body: bytes = b"") -> float:
    """Return the chunks per second of one response."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        fields = f"Host: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        began = time.perf_counter()
        caller.sendall(f"{head} HTTP/1.1\r\n{fields}".encode() + body)
        received = 0
        while data := caller.recv(1 << 18):
            received += len(data)
        taken = time.perf_counter() - began
    if received < CHUNKS * SIZE:
        raise SystemExit(f"{head}: {received} bytes are too few")
    return CHUNKS / taken


def requests_a_second(port: int, method: str, path: str, body: bytes = b"", at_once: int = 1) -> float:
    """Return the requests per second on `at_once` connections, one after the other on each."""

    def ask() -> None:
        caller = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(REQUESTS // at_once):
            caller.request(method, path, body)
            if caller.getresponse().read().strip(b'"')[-4:] != b"done":
                raise SystemExit("a wrong answer")
        caller.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as callers:
        for asked in [callers.submit(ask) for _ in range(at_once)]:
            asked.result()
    return REQUESTS / (time.perf_counter() - began)


def measure(uvicorn: int, api: int, url: int, rounds: int) -> dict[str, list[float]]:
    """Measure all contestants in turns, after a first round to warm up."""
    streaming = "POST /2021-11-15/functions/frames/response-streaming-invocations"
    invoke = ("POST", "/2015-03-31/functions/plain/invocations", b"{}")
    cells: dict[str, Callable[[], float]] = {
        "chunks a second, uvicorn": lambda: chunks_a_second(uvicorn, f"GET /?{CHUNKS}"),
        "chunks a second, Function URL": lambda: chunks_a_second(url, f"GET /?{CHUNKS}"),
        "chunks a second, InvokeWithResponseStream": lambda: chunks_a_second(
            api, streaming, b'{"chunks": %d}' % CHUNKS
        ),
        "requests a second, uvicorn": lambda: requests_a_second(uvicorn, "GET", "/"),
        "requests a second, Invoke": lambda: requests_a_second(api, *invoke),
        f"{AT_ONCE} requests at once, uvicorn": lambda: requests_a_second(
            uvicorn, "GET", "/", at_once=AT_ONCE
        ),
        f"{AT_ONCE} requests at once, Invoke": lambda: requests_a_second(api, *invoke, at_once=AT_ONCE),
    }
    taken: dict[str, list[float]] = {name: [] for name in cells}
    for number in range(rounds + 1):
        for name, cell in cells.items():
            value = cell()
            if number:
                taken[name].append(value)
    return taken


def started(script: str, folder: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, folder]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ports(server: "subprocess.Popen[str]") -> list[int]:
    """Return the ports that a server prints, or those in the URLs that it prints."""
    assert server.stdout
    return [int(each.strip("/").rpartition(":")[2]) for each in server.stdout.readline().split()]


def main() -> None:
    """Print the medians, and their ratios to uvicorn's."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text(APPLICATION, encoding="utf-8")
        (Path(folder) / "function.py").write_text(FUNCTION, encoding="utf-8")
        with started(UVICORN, folder) as uvicorn, started(LOCAL, folder) as local:
            try:
                taken = measure(*ports(uvicorn), *ports(local), rounds)
            finally:
                uvicorn.terminate()
                local.communicate("")
    for name, values in taken.items():
        median = statistics.median(values)
        base = statistics.median(taken[f"{name.partition(',')[0]}, uvicorn"])
        print(f"  {name:44}{median:10,.0f}{median / base:7.2f} of uvicorn's")


if __name__ == "__main__":
    main()
