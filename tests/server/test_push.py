"""When chunks leave: at once, also before a pause of any kind; and what a caller who does not read does."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.runtime_api import Post, Runtime, RuntimeApi, Script, running

APP = '''
import asyncio, os
from streamify_server import HttpResponse, csv_rows, ndjson, sse, streaming_handler


def say(*words):
    print(*words, flush=True)


def handler(event, context):
    return globals()[event["do"]](event, context)


def block(event):
    """Until the test opens the gate: in a way that lets go of the interpreter, or spinning."""
    with open(event["gate"], "rb", buffering=0) as gate:
        if event["how"] == "read":
            gate.read()
            return
        os.set_blocking(gate.fileno(), False)
        while gate.read(4) is None:
            pass


@streaming_handler
def generator(event, context):
    for number in range(event["chunks"]): yield f"{number},"
    block(event)
    yield "end"


@streaming_handler
async def async_generator(event, context):
    for number in range(event["chunks"]): yield f"{number},"
    block(event)
    yield "end"


@streaming_handler
async def async_pause(event, context):
    for number in range(event["chunks"]): yield f"{number},"
    await asyncio.to_thread(block, event)
    yield "end"


@streaming_handler
def writer(event, context, stream):
    for number in range(event["chunks"]): stream.write(f"{number},")
    block(event)
    stream.write("end")


@streaming_handler
async def async_writer(event, context, stream):
    for number in range(event["chunks"]): await stream.write(f"{number},")
    block(event)
    await stream.write("end")


def rows(event):
    for number in range(event["chunks"]): yield [number, ""]
    block(event)
    yield ["end"]


@streaming_handler
def csv(event, context): return csv_rows(rows(event), lineterminator="")


async def async_rows(event):
    for row in rows(event): yield row


@streaming_handler
async def async_csv(event, context): return csv_rows(async_rows(event), lineterminator="")


class Closing:
    def __init__(self, kind): self.kind = kind
    def __enter__(self): return self
    def __exit__(self, *_): say("finally", self.kind)


@streaming_handler(deadline_margin=1.0)
def endless(event, context):
    with Closing("sync"):
        while True: yield b"x" * event.get("size", 65536)


@streaming_handler(deadline_margin=1.0)
async def async_endless(event, context):
    with Closing("async"):
        while True: yield b"x" * 65536


@streaming_handler(deadline_margin=1.0)
def endless_writer(event, context, stream):
    with Closing("writer"):
        while True: stream.write(b"x" * 65536)


@streaming_handler(deadline_margin=1.0)
async def endless_async_writer(event, context, stream):
    with Closing("async writer"):
        while True: await stream.write(b"x" * 65536)


@streaming_handler(deadline_margin=1.0)
def endless_rows(event, context):
    def rows():
        with Closing("rows"):
            while True: yield ["x" * 4096]
    return csv_rows(rows())


async def app(scope, receive, send):
    if scope["type"] != "http": return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    with Closing("asgi"):
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


def endless_asgi(event, context):
    from streamify_server.asgi import streaming_asgi
    global asgi
    asgi = globals().get("asgi") or streaming_asgi(app, deadline_margin=1.0)
    return asgi(event, context)


@streaming_handler
async def others_go_on(event, context):
    """A task beside a producer whose response is full."""
    async def beat():
        for _ in range(3): await asyncio.sleep(0)
        say("beaten")
    task = asyncio.ensure_future(beat())
    while not task.done(): yield b"x" * 65536
    while True: yield b"x" * 65536


@streaming_handler
def fine(event, context): return "fine"
'''


@pytest.fixture(scope="module")
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        yield api


@pytest.fixture(scope="module")
def runtime(api: RuntimeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("function")
    (folder / "app.py").write_text(APP, encoding="utf-8")
    with running(api, folder) as runtime:
        assert api.invoke({"do": "fine"}).result().body == b"fine"
        yield runtime


PRODUCERS = ["generator", "async_generator", "async_pause", "writer", "async_writer", "csv", "async_csv"]


@pytest.mark.parametrize("chunks", [1, 2, 17, 1000])
@pytest.mark.parametrize("how", ["read", "spin"])
@pytest.mark.parametrize("do", PRODUCERS)
def test_every_chunk_before_a_pause_of_any_kind_arrives_in_the_pause(
    api: RuntimeApi, runtime: Runtime, tmp_path: Path, do: str, how: str, chunks: int
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    invocation = api.invoke({"do": do, "how": how, "chunks": chunks, "gate": str(gate)})
    with gate.open("w") as opened:
        invocation.wait_for(f"{chunks - 1},".encode())
        opened.write("open")
    expected = "".join(f"{number}," for number in range(chunks)) + "end"
    assert invocation.result().body == expected.encode()


ENDLESS = {
    "endless": "sync",
    "async_endless": "async",
    "endless_writer": "writer",
    "endless_async_writer": "async writer",
    "endless_rows": "rows",
    "endless_asgi": "asgi",
}
URL = {
    "version": "2.0",
    "rawPath": "/",
    "headers": {},
    "requestContext": {
        "domainName": "abc.lambda-url.us-east-1.on.aws",
        "http": {"method": "GET", "path": "/", "sourceIp": "127.0.0.1"},
    },
}


@pytest.mark.parametrize(("do", "said"), ENDLESS.items())
def test_a_caller_who_does_not_read_keeps_no_producer_beyond_its_deadline(
    api: RuntimeApi, runtime: Runtime, do: str, said: str
) -> None:
    """The send stays blocked: `finally` runs, the response is cut, and the process serves on."""
    script = Script(pause_after=1)
    stalled = api.invoke({"do": do, **URL}, seconds=1.5, script=script)
    assert api.invoke({"do": "fine"}).result().body == b"fine"
    assert f"finally {said}" in runtime.log
    script.resume.set()
    post = stalled.result()
    assert not post.complete or post.error["errorType"] == "DeadlineExceededError"  # if buffers took the rest


@pytest.mark.parametrize(("do", "said"), ENDLESS.items())
def test_a_caller_who_reads_on_after_the_deadline_is_told(
    api: RuntimeApi, runtime: Runtime, do: str, said: str
) -> None:
    before = runtime.log.count(f"finally {said}")
    script = Script(pause_after=1)
    stalled = api.invoke({"do": do, **URL}, seconds=1.5, script=script)
    deadline = threading.Timer(0.7, script.resume.set)  # between the deadline and the end of its patience
    deadline.start()
    post: Post = stalled.result()
    deadline.join()
    assert post.complete
    assert post.error["errorType"] == "DeadlineExceededError"
    assert api.invoke({"do": "fine"}).result().body == b"fine"
    assert runtime.log.count(f"finally {said}") == before + 1


def test_a_full_response_suspends_its_task_and_not_the_loop(api: RuntimeApi, runtime: Runtime) -> None:
    script = Script(pause_after=1, drop_after=64 * 65536)
    invocation = api.invoke({"do": "others_go_on"}, script=script)
    while "beaten" not in runtime.log:
        assert runtime.alive()
    script.resume.set()
    invocation.result()
    assert api.invoke({"do": "fine"}).result().body == b"fine"


def stalled_memory(runtime: Runtime) -> Any:
    import psutil

    return psutil.Process(runtime.process.pid).memory_info().rss


@pytest.mark.parametrize("do", ["endless", "async_endless", "endless_writer", "endless_async_writer"])
def test_memory_does_not_grow_with_what_a_stalled_caller_has_not_read(
    api: RuntimeApi, runtime: Runtime, do: str
) -> None:
    before = stalled_memory(runtime)
    script = Script(pause_after=1, drop_after=2)
    invocation = api.invoke({"do": do}, script=script, seconds=60)
    invocation.wait_for(b"x")
    last = 0
    while (now := stalled_memory(runtime)) > last:
        last = now
    script.resume.set()
    invocation.result()
    assert api.invoke({"do": "fine"}).result().body == b"fine"
    assert last - before < 16 << 20
