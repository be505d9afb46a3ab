"""CPU seconds for a whole stream: our clients compared with plain boto3, plain aiobotocore and others.

    python benchmarks/client.py                                  # everything, several minutes
    python benchmarks/client.py --only text --size 100           # one cell, seconds
    python benchmarks/client.py --write                          # into docs/benchmarks.md

Another process serves prepared responses; the contestants take turns. A ratio compares two medians of one
run. Its limit follows in parentheses, at least (≥) or at most (≤); ✗ marks a ratio that misses it.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import many
import readers
from bodies import Body
from children import NODE, PEERS
from plot import write_bars
from prepared import Prepared
from readers import Timed, expected, timed, timed_in_child, timed_in_loop
from topics import ASYNC, SHAPES, STREAMS, SYNC, TOPICS, VERIFIED, Topic
from turns import (
    Results,
    by_turns,
    claims_rows,
    claims_table,
    command_line,
    medians_table,
    merge_kept,
    table,
    title,
    write_section,
)

Opened = AbstractContextManager[Timed]
HERE = Path(__file__).parent
MANY = "many"


def main() -> None:
    """Measure, print, and with --write update the docs."""
    given = arguments()
    found: dict[str, Results] = {}
    with Prepared.start() as server:
        for name in given.only or [*TOPICS, MANY]:
            if name == MANY:
                found[name] = many.measure_many(server, streams=1000)
                print(claims_table(many.CLAIMS, found[name], (many.CPU, many.MEMORY)))
                continue
            cells = [cell for cell in TOPICS[name].cells if not given.size or str(cell) in given.size]
            topic = replace(TOPICS[name], cells=cells)
            found[name] = measure(topic, server, given)
            print(f"{name}, CPU ms\n{medians_table(found[name], cells, milliseconds)}")
            print(f"\n{claims_table(topic.claims, found[name], cells)}\n", flush=True)
    if given.write:
        write(merge_kept("client", found))


def arguments() -> argparse.Namespace:
    parser = command_line(__doc__)
    add = parser.add_argument
    add("--only", action="append", choices=[*TOPICS, MANY], help="a topic; may be given several times")
    add("--size", action="append", choices=[*map(str, SHAPES)], help="bytes of a chunk, or live")
    add("--contestant", action="append", help="only this one; may be given several times")
    add("--rounds", type=int, default=5, help="turns of each contestant")
    add("--sdk-python", help="a Python 3.12 or newer with aws-sdk-lambda")
    add("--write", action="store_true", help="write docs/benchmarks.md, with what was kept of other topics")
    return parser.parse_args()


def measure(topic: Topic, server: Prepared, given: argparse.Namespace) -> Results:
    """Measure the CPU seconds for one stream, by cell and contestant."""
    results: Results = {}
    with ExitStack() as stack:
        found = makers(topic, server, given.sdk_python)
        names = [name for name in given.contestant or topic.names if name in found]
        readings = {name: stack.enter_context(found[name]()) for name in names}
        for cell in topic.cells:
            turns = {
                name: partial(one_turn, read, replace(SHAPES[cell], verified=name.endswith(VERIFIED)), topic)
                for name, read in readings.items()
            }
            results[cell] = by_turns(turns, given.rounds)
    return results


def one_turn(read: Timed, body: Body, topic: Topic) -> float:
    size, cpu = read(body, topic.view, topic.times)
    if size != expected(body, topic.view) * topic.times:
        raise SystemExit(f"{body} lost bytes: {size}")
    return cpu / topic.times


def makers(topic: Topic, server: Prepared, sdk_python: str | None) -> dict[str, Callable[[], Opened]]:
    """Return functions that open each contestant that can run here."""
    options: dict[str, Any] = {"server": server, "tls": topic.tls}
    ours = {**options, "by_url": topic.by_url}
    found: dict[str, Callable[[], Opened]] = {
        "boto3": lambda: timed(readers.boto3(**options)),
        "httpx2": lambda: timed(readers.httpx2(**options)),
        "aiobotocore": lambda: timed_in_loop(readers.aiobotocore(**options)),
        "aiohttp": lambda: timed_in_loop(readers.aiohttp(**options)),
        "bare socket": lambda: timed(readers.bare_socket(**ours)),
    }
    for suffix in ("", VERIFIED):
        found[SYNC + suffix] = lambda: timed(readers.stream_client(**ours))
        found[ASYNC + suffix] = lambda: timed_in_loop(readers.async_stream_client(**ours))
    if NODE.exists():
        command = [str(NODE), str(HERE / "peers" / "read.mjs"), str(PEERS / "package.json")]
        found["JavaScript SDK"] = lambda: timed_in_child(command, server)
    if python := sdk_python or (importlib.util.find_spec("aws_sdk_lambda") and sys.executable):
        script = [python, str(HERE / "peers" / "read_smithy.py")]
        found["aws-sdk-lambda"] = lambda: timed_in_child(script, server)
    return found


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}"


def write(found: Mapping[str, Results]) -> None:
    """Write the tables and the plot of docs/benchmarks.md; each cell is from one run."""
    cells = (*STREAMS, "live")
    topics = {name: (topic, found[name]) for name, topic in TOPICS.items() if name in found}
    rows = [row for topic, results in topics.values() for row in claims_rows(topic.claims, results, cells)]
    write_section("streams read", table(cells, rows))
    once = ("one call",)
    rows = [row for topic, results in topics.values() for row in claims_rows(topic.claims, results, once)]
    write_section("calls", table(once, rows))
    write_section("many streams", claims_table(many.CLAIMS, found.get(MANY, {}), (many.CPU, many.MEMORY)))
    text = found.get("text", {})
    write_section("milliseconds", medians_table(text, cells, milliseconds))
    groups = {title(cell): text[cell] for cell in STREAMS if cell in text}
    write_bars(
        "benchmarks-client.svg", "CPU for a stream of text, relative to boto3", relative(groups, "boto3")
    )


def relative(groups: Mapping[str, Mapping[str, float]], base: str) -> dict[str, dict[str, float]]:
    return {
        group: {name: value / values[base] for name, value in values.items()}
        for group, values in groups.items()
    }


if __name__ == "__main__":
    main()
