"""The process's event loop: tasks move to it safely, and end with the interpreter."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from streamify_server import streaming_handler


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_threads")
def test_a_handler_moves_to_the_loop_however_threads_take_turns() -> None:
    @streaming_handler
    async def handler(event: Any, context: Any) -> str:
        return "moved"

    assert {handler({}, None) for _ in range(300)} == {b"moved"}


def test_a_task_that_outlives_its_request_is_cancelled_when_the_interpreter_ends() -> None:
    script = """
import asyncio
from streamify_server import streaming_handler

tasks = set()

async def watch():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up")

@streaming_handler
async def handler(event, context):
    tasks.add(asyncio.create_task(watch()))
    await asyncio.sleep(0)
    return "served"

print(handler({}, None).decode())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["served", "cleaned up", ""]
    assert done.stderr == ""


def test_handlers_on_several_threads_run_at_the_same_time() -> None:
    """The process's loop serves one thread; the others share a second one."""
    together = threading.Barrier(3)

    @streaming_handler
    async def handler(event: Any, context: Any) -> str:
        await asyncio.to_thread(together.wait)
        return f"{event}"

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(lambda number: handler(number, None), range(3))) == [b"0", b"1", b"2"]


def test_async_clients_of_one_invocation_serve_the_next() -> None:
    queue: list[asyncio.Queue[str]] = []

    @streaming_handler
    async def handler(event: Any, context: Any) -> str:
        if not queue:
            queue.append(asyncio.Queue())
            asyncio.get_running_loop().call_later(0.01, queue[0].put_nowait, "from the invocation before")
            return "first"
        return await queue[0].get()

    assert handler({}, None) == b"first"
    assert handler({}, None) == b"from the invocation before"


def test_an_exit_in_a_task_of_the_application_ends_the_call_and_its_end_hooks_run() -> None:
    ended: list[Any] = []
    tasks: list[asyncio.Task[None]] = []

    async def leave() -> None:
        raise SystemExit(3)

    @streaming_handler
    async def handler(event: Any, context: Any) -> None:
        tasks.append(asyncio.create_task(leave()))
        await asyncio.Event().wait()

    handler.on_stream_end(lambda request: ended.append(request.stream_end))
    with pytest.raises((SystemExit, RuntimeError)):
        handler({}, None)
    assert len(ended) == 1
    assert isinstance(tasks[0].exception(), SystemExit)  # or asyncio would log that nobody has looked


@pytest.mark.parametrize("beside", [False, True], ids=["on the calling thread", "in a running loop"])
def test_who_awaits_a_task_that_exits_hears_of_it_and_may_answer(beside: bool) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    @streaming_handler
    async def handler(event: Any, context: Any) -> str:
        try:
            await asyncio.create_task(leave())
        except SystemExit as left:
            return f"answered {left.code}"
        return "not reached"

    async def inside() -> Any:
        return handler({}, None)

    for _ in range(2):
        assert (asyncio.run(inside()) if beside else handler({}, None)) == b"answered 3"


def test_a_forked_process_has_a_loop_and_a_ticker_of_its_own() -> None:
    script = """
import asyncio, os, sys, threading
from streamify_server import sse, streaming_handler

@streaming_handler
async def handler(event, context):
    await asyncio.sleep(0)
    return "served"

def slow():
    yield "first"
    released.wait(30)
    yield "second"

class Poster:
    full = False
    def open(self, content_type, prelude): return self
    def write(self, data):
        if data.startswith(b":"): released.set()
    async def drained(self): pass
    def end(self): pass
    def fail(self, error, last=b""): pass

def events():
    global released
    from streamify_server.posting import posting_through
    released = threading.Event()
    with posting_through(Poster()):
        streaming_handler(lambda event, context: sse(slow(), keepalive=0.01))({}, None)
    return released.is_set()

assert handler({}, None) == b"served" and events()
child = os.fork()
done = handler({}, None) == b"served" and events()
if not child:
    os._exit(0 if done else 1)
assert os.waitpid(child, 0)[1] == 0 and done
assert handler({}, None) == b"served" and events()
print("both served")
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("both served\n", "")
