"""Thousands of invocations with faults: every stream is whole or the right error, and nothing leaks.

`make soak` runs 10,000 invocations and 500 streams at once; the suite runs a small version.
"""

import asyncio
import gc
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.config import Config

from streamify_client import (
    AsyncStreamClient,
    CorruptStreamError,
    FunctionError,
    InvocationError,
    StreamClient,
    StreamifyError,
    TruncatedStreamError,
)
from streamify_server.local import Fault, LocalLambda

INVOCATIONS = int(os.environ.get("STREAMIFY_SOAK_INVOCATIONS", "120"))
STREAMS = int(os.environ.get("STREAMIFY_SOAK_STREAMS", "26"))
AT_ONCE = 2
SEED = 20261123
CHUNKS = 20
GROWTH = 32 * 1024 * 1024
FUNCTIONS = Path(__file__).parent / "functions"
PATIENCE = 500.0

pytestmark = pytest.mark.timeout(1200)


@dataclass(frozen=True, slots=True)
class Case:
    """A function with a fault, and the one error that its callers get; None: the whole body."""

    name: str
    fault: Fault
    error: type[StreamifyError] | None
    fail_at: int | None = None


def make_cases() -> list[Case]:
    """Faults at places that the seed decides."""
    dice = random.Random(SEED)

    def place() -> int:
        return dice.randrange(1500)

    return [
        Case("whole", Fault(), None),
        Case("bytes", Fault(rechunk="bytes"), None),
        Case("reframed", Fault(reframe="random", rechunk="random", seed=SEED), None),
        Case("raises", Fault(), FunctionError, dice.randrange(CHUNKS)),
        Case("refused", Fault(error=503), InvocationError),
        Case("closed", Fault(cut_after=place()), TruncatedStreamError),
        Case("reset", Fault(cut_after=place(), cut="rst"), TruncatedStreamError),
        Case("ended", Fault(cut_after=place(), cut="clean"), TruncatedStreamError),
        Case("between", Fault(cut_after_frames=dice.randrange(3)), TruncatedStreamError),
        Case("flipped", Fault(flip_bit=8 * place() + dice.randrange(8)), CorruptStreamError),
        Case("no-end", Fault(drop_end=True), None),  # a verified stream has an end of its own
        Case("code", Fault(error_code="Function.Late"), FunctionError),
        Case("exception", Fault(exception=("Late", "as asked")), FunctionError),
    ]


CASES = make_cases()


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation."""

    number: int
    case: Case

    @property
    def payload(self) -> dict[str, Any]:
        return {"number": self.number, "chunks": CHUNKS, "fail_at": self.case.fail_at}

    def account(self, received: bytes, error: StreamifyError | None) -> str:
        """What came of it, in a word; what came is the beginning of what was sent, or all of it."""
        sent = b"".join(b"%d:%d;" % (self.number, chunk) + b"x" * 100 for chunk in range(CHUNKS))
        right = sent.startswith(received) if self.case.error else received == sent
        if not right:
            return f"{self.case.name}: wrong bytes"
        return "right" if _type(error) is self.case.error else f"{self.case.name}: {error!r}"


def _type(error: StreamifyError | None) -> type[StreamifyError] | None:
    return type(error) if error else None


def calls(count: int) -> list[Call]:
    dice = random.Random(SEED + count)
    return [Call(number, dice.choice(CASES)) for number in range(count)]


@contextmanager
def local_lambda() -> Iterator[LocalLambda]:
    """All cases; at the end nothing is left of it, nor of what used it."""
    own = psutil.Process()
    gc.collect()
    before = own.num_fds(), threading.active_count(), len(own.children(recursive=True))
    with LocalLambda() as aws:
        for case in CASES:
            aws.add_function(case.name, handler="body.handler", code=FUNCTIONS, timeout=500)
            aws.inject(case.name, case.fault)
        yield aws
    gc.collect()
    assert (own.num_fds(), threading.active_count(), len(own.children(recursive=True))) == before


def options(aws: LocalLambda, connections: int) -> dict[str, Any]:
    return {
        **aws.client_kwargs,
        "config": Config(max_pool_connections=connections),
        "first_byte_timeout": 500.0,
    }


def read(client: StreamClient, call: Call, opened: Callable[[], object] = lambda: None) -> str:
    """Make one call; `opened` is called when it is open or has failed."""
    received, error = b"", None
    stream = client.stream(call.case.name, call.payload)
    try:
        try:
            stream.open()
        finally:
            opened()
        with stream:
            for chunk in stream.iter_bytes():
                received += chunk
    except StreamifyError as caught:
        error = caught
    return call.account(received, error)


async def read_async(
    client: AsyncStreamClient, call: Call, opened: Callable[[], Any] = lambda: asyncio.sleep(0)
) -> str:
    """The same with asyncio."""
    received, error = b"", None
    stream = client.stream(call.case.name, call.payload)
    try:
        try:
            await stream.open()
        finally:
            await opened()
        async with stream:
            async for chunk in stream.iter_bytes():
                received += chunk
    except StreamifyError as caught:
        error = caught
    return call.account(received, error)


class Memory:
    """How far this process grows once it is warm."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._warm = 0

    def look(self, done: int, count: int) -> None:
        if done == count // 3:
            self._warm = self._process.memory_info().rss

    def check(self) -> None:
        grown = self._process.memory_info().rss - self._warm
        print(f"grown by {grown / 2**20:.1f} MiB")
        assert grown < GROWTH


def test_many_invocations_by_threads_are_all_accounted_for_and_nothing_grows() -> None:
    memory, outcomes = Memory(), Counter[str]()
    with local_lambda() as aws:
        with StreamClient(**options(aws, AT_ONCE)) as client, ThreadPoolExecutor(AT_ONCE) as threads:
            for done, outcome in enumerate(threads.map(lambda call: read(client, call), calls(INVOCATIONS))):
                outcomes[outcome] += 1
                memory.look(done, INVOCATIONS)
        memory.check()
    assert outcomes == {"right": INVOCATIONS}


async def test_many_invocations_by_tasks_are_all_accounted_for_and_nothing_grows() -> None:
    memory, outcomes, tasks = Memory(), Counter[str](), len(asyncio.all_tasks())
    with local_lambda() as aws:
        left = iter(enumerate(calls(INVOCATIONS)))

        async def work(client: AsyncStreamClient) -> None:
            for done, call in left:
                outcomes[await read_async(client, call)] += 1
                memory.look(done, INVOCATIONS)

        async with AsyncStreamClient(**options(aws, AT_ONCE)) as client:
            await asyncio.gather(*(work(client) for _ in range(AT_ONCE)))
        memory.check()
        assert len(asyncio.all_tasks()) == tasks
        await asyncio.get_running_loop().shutdown_default_executor()
    assert outcomes == {"right": INVOCATIONS}


async def test_many_streams_at_once_are_all_accounted_for() -> None:
    """All are open before one is read: in threads, and then as tasks on the same functions."""
    with local_lambda() as aws:
        meeting = threading.Barrier(STREAMS)

        def by_threads() -> Counter[str]:
            with StreamClient(**options(aws, STREAMS)) as client, ThreadPoolExecutor(STREAMS) as threads:
                read_all = threads.map(
                    lambda call: read(client, call, lambda: meeting.wait(PATIENCE)), calls(STREAMS)
                )
                return Counter(read_all)

        assert await asyncio.to_thread(by_threads) == {"right": STREAMS}
        everybody = asyncio.Barrier(STREAMS)
        async with AsyncStreamClient(**options(aws, STREAMS)) as client:
            outcomes = await asyncio.gather(
                *(read_async(client, call, everybody.wait) for call in calls(STREAMS))
            )
        assert Counter(outcomes) == {"right": STREAMS}
        await asyncio.get_running_loop().shutdown_default_executor()
