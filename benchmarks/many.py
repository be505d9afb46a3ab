"""CPU and memory of many concurrent streams: each pauses in the middle until all have arrived there.

    python benchmarks/many.py [--streams 1000] [--rounds 3]

Each contestant reads in a separate process; blocking clients use a thread for each stream.
"""

import argparse
import asyncio
import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import readers
from bodies import Body
from children import child
from prepared import Prepared
from readers import Read
from topics import ASYNC, BY_NAME, SYNC
from turns import Claim, Results, claims_table, command_line, medians_table

CPU, MEMORY = "CPU, ms", "memory, KiB"
CLAIMS = [
    Claim("many streams at once: StreamClient / boto3", SYNC, "boto3"),
    Claim(
        "many streams at once: AsyncStreamClient / aiobotocore",
        ASYNC,
        "aiobotocore",
        most={CPU: 1, MEMORY: 1},
    ),
]


def measure_many(server: Prepared, streams: int, rounds: int = 3) -> Results:
    """Measure the CPU milliseconds and KiB of memory for each stream."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in BY_NAME}
    for number in range(rounds):
        for name in BY_NAME:
            body = Body(100, 100 + number, together=streams)  # a unique name, which identifies the barrier
            with child([sys.executable, __file__, "--contestant", name]) as reader:
                taken[name].append(reader.ask(endpoint=server.endpoint, body=body.name))
    return {
        cell: {
            name: statistics.median(turn[cell] for turn in turns) / streams for name, turns in taken.items()
        }
        for cell in (CPU, MEMORY)
    }


def answer(contestant: str) -> dict[str, float]:
    """Read as many streams at once as standard input says, in the process of one contestant."""
    question = json.loads(sys.stdin.readline())
    server = Prepared(question["endpoint"], "", "")
    body = Body.from_name(question["body"])
    read_all = {
        "boto3": lambda: by_threads(readers.boto3, server, body),
        SYNC: lambda: by_threads(readers.stream_client, server, body),
        "aiobotocore": lambda: asyncio.run(by_tasks(readers.aiobotocore, server, body)),
        ASYNC: lambda: asyncio.run(by_tasks(readers.async_stream_client, server, body)),
    }
    return read_all[contestant]()


def by_threads(make: Callable[..., Any], server: Prepared, body: Body) -> dict[str, float]:
    sizes: list[int] = []

    def run(read: Read) -> None:
        sizes.append(read(body, "text"))

    with make(server, connections=body.together) as read:
        read(Body(100, 10), "text")
        usage = Usage()
        threads = [threading.Thread(target=run, args=(read,)) for _ in range(body.together)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return usage.since(sizes, body)


async def by_tasks(make: Callable[..., Any], server: Prepared, body: Body) -> dict[str, float]:
    async with make(server, connections=body.together) as read:
        await read(Body(100, 10), "text")
        usage = Usage()
        sizes = await asyncio.gather(*(read(body, "text") for _ in range(body.together)))
        return usage.since(sizes, body)


class Usage:
    """The CPU time and memory of this process at some point."""

    def __init__(self) -> None:
        self._cpu = time.process_time()
        self._memory = peak()

    def since(self, sizes: list[int], body: Body) -> dict[str, float]:
        """Check that every stream was complete, and return what was used since."""
        if sizes != [body.total] * body.together:
            raise SystemExit("a stream lost bytes")
        return {CPU: (time.process_time() - self._cpu) * 1e3, MEMORY: peak() - self._memory}


def peak() -> int:
    """Return the most memory that this process has used, in KiB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # ru_maxrss begins with what the parent of this process had used
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def main() -> None:
    """Measure all contestants, or run one of them."""
    parser = command_line(__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestant", choices=BY_NAME, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.contestant:
        print(json.dumps(answer(given.contestant)))
        return
    with Prepared.start() as server:
        results = measure_many(server, given.streams, given.rounds)
    print(medians_table(results, (CPU, MEMORY), "{:.2f}".format))
    print(claims_table(CLAIMS, results, (CPU, MEMORY)))


if __name__ == "__main__":
    main()
