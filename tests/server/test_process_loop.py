"""The process's event loop: tasks move to it safely, and end with the interpreter."""

import subprocess
import sys
from collections.abc import Iterator
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
