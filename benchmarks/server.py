"""Chunks per second posted to a Runtime API: our producers compared with middy on AWS's Node runtime client.

    python benchmarks/server.py                                        # everything, minutes
    python benchmarks/server.py --only "async generator" --size 100    # one cell, seconds
    python benchmarks/server.py --write                                # into docs/benchmarks.md

Each runtime is a separate process, and so are the Runtime APIs together; the contestants take turns. A ratio
compares two medians of one run. Its lower limit (≥) follows in parentheses; ✗ marks a ratio that misses it.
Without the peers of scripts/install-peers, middy is left out.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import latency
from children import NODE, PEERS, background
from plot import write_bars
from producers import PRODUCERS, STARLETTE, event_for
from recorder import Posted, Recorder
from turns import (
    Cell,
    Claim,
    Results,
    by_turns,
    claims_table,
    command_line,
    medians_table,
    merge_kept,
    title,
    write_section,
)

HERE = Path(__file__).parent
CELLS: tuple[Cell, ...] = (20, 100, 4096, 65536)
MIDDY, VERIFIED = "middy", "generator, verified"
OURS = {**PRODUCERS, VERIFIED: "generator"}
OFFER = {"custom": {"streamify": "verified/1"}}
SECONDS = 0.5  # for one turn, about
LARGEST = 1 << 29  # bytes of one response
DELAYED = 200  # chunks whose delay is measured
PAUSE = 0.01  # seconds between two of them


def bounds(*values: float) -> dict[Cell, float]:
    return dict(zip(CELLS, values, strict=False))


LEAST: dict[str, dict[Cell, float]] = {
    "generator": bounds(1.0, 0.9, 0.8, 0.7),
    "async generator": bounds(0.8, 0.7, 0.7, 0.7),
    "writer": bounds(0.5, 0.5, 0.5, 0.5),
    "async writer": bounds(0.5, 0.5, 0.5, 0.5),
    STARLETTE: {100: 0.4},
    VERIFIED: bounds(0.6, 0.4, 0.4, 0.4),
}
CLAIMS = [Claim(f"{name} / {MIDDY}", name, MIDDY, least=least) for name, least in LEAST.items()]


def main() -> None:
    """Measure, print, and with --write update the docs."""
    given = arguments()
    names = [*(given.only or OURS), *([MIDDY] if NODE.exists() else [])]
    cells = [cell for cell in CELLS if not given.size or str(cell) in given.size]
    results = measure(names, cells, given.rounds)
    print(f"thousand chunks a second\n{medians_table(results, cells, thousands)}")
    print(f"\n{claims_table(CLAIMS, results, cells)}\n")
    delays: Results = {}
    if not (given.only or given.size):
        delays = latency.measure_latency([*PRODUCERS], DELAYED, PAUSE)
        print(f"delay of a chunk every {PAUSE * 1e3:.0f} ms")
        print(claims_table(latency.CLAIMS, delays, latency.CELLS))
    if given.write:
        write(merge_kept("server", {"chunks": results, "delays": delays}))


def write(found: Mapping[str, Results]) -> None:
    """Write the tables and the plot of docs/benchmarks.md; each cell is from one run."""
    chunks = found["chunks"]
    write_section("chunks a second", medians_table(chunks, CELLS, thousands))
    write_section("chunks posted", claims_table(CLAIMS, chunks, CELLS))
    write_section("delays", claims_table(latency.CLAIMS, found["delays"], latency.CELLS))
    groups = {title(cell): relative(chunks[cell]) for cell in CELLS if cell in chunks}
    write_bars("benchmarks-server.svg", "Chunks a second, relative to middy on Node", groups)


def arguments() -> argparse.Namespace:
    parser = command_line(__doc__)
    add = parser.add_argument
    add("--only", action="append", choices=[*OURS], help="a producer; may be given several times")
    add("--size", action="append", choices=[*map(str, CELLS)], help="bytes of a chunk")
    add("--rounds", type=int, default=5, help="turns of each contestant")
    add("--write", action="store_true", help="write the tables and the plot of docs/benchmarks.md")
    return parser.parse_args()


def measure(names: Sequence[str], cells: Sequence[Cell], rounds: int) -> Results:
    """Measure the chunks per second, by cell and contestant."""
    results: Results = {}
    with Recorder.start(names) as recorder, ExitStack() as stack:
        for name in names:
            stack.enter_context(runtime(name, recorder.ports[name]))
        for cell in cells:
            size = int(cell)
            turns: dict[str, Callable[[], float]] = {}
            for name in names:
                check(recorder, name, size)
                rate = one_turn(recorder, name, size, 2_000)
                count = max(200, min(int(rate * SECONDS), LARGEST // size))
                turns[name] = partial(one_turn, recorder, name, size, count)
            results[cell] = by_turns(turns, rounds)
    return results


@contextmanager
def runtime(name: str, port: int) -> Iterator[None]:
    """Run a contestant's runtime for the duration of a block."""
    handler = f"chunks.{OURS.get(name, 'generator')}"
    with TemporaryDirectory() as made:
        folder, command = HERE / "functions", [sys.executable, "-m", "streamify_server.runtime"]
        if name == MIDDY:  # Node searches for packages in the module's folder and its parents
            folder, command = Path(made), [str(NODE), str(PEERS / "node_modules/aws-lambda-ric/index.mjs")]
            shutil.copy(HERE / "functions" / "chunks.mjs", folder)
            (folder / "node_modules").symlink_to(PEERS / "node_modules")
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(folder), str(HERE.parent / "src")]),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": "fn",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "LAMBDA_TASK_ROOT": str(folder),
            "_HANDLER": handler,
        }
        with background([*command, handler], folder=folder, environment=environment):
            yield


def post(recorder: Recorder, name: str, size: int, count: int) -> Posted:
    event = event_for(name, size=size, count=count)
    return recorder.invoke(name, event, OFFER if name == VERIFIED else None)


def one_turn(recorder: Recorder, name: str, size: int, count: int) -> float:
    """Return the chunks per second of one response."""
    posted = post(recorder, name, size, count)
    if posted.size < size * count:
        raise SystemExit(f"{name} lost bytes: {posted.size} of {size * count}")
    return count / posted.seconds


def check(recorder: Recorder, name: str, size: int) -> None:
    """Check that each chunk of our producers is an HTTP chunk; a prelude or a head may be one more."""
    count = 10
    made = sum(chunk >= size for chunk in chunk_sizes(post(recorder, name, size, count).start))
    if name != MIDDY and not count <= made <= count + 2:
        raise SystemExit(f"{name} made {made} HTTP chunks of {count}")


def chunk_sizes(body: bytes) -> Iterator[int]:
    at = 2
    while end := body.find(b"\r\n", at) + 1:
        size = int(body[at : end - 1], 16)
        yield size
        at = end + 1 + size + 2
        if not size:
            return


def thousands(rate: float) -> str:
    return f"{rate / 1e3:.1f}"


def relative(medians: Mapping[str, float]) -> dict[str, float]:
    return {name: rate / medians[MIDDY] for name, rate in medians.items()}


if __name__ == "__main__":
    main()
