"""The fault matrix of streams that go on: what goes wrong, in which part, on which way, resumed or not.

A run takes a few cells; STREAMIFY_MATRIX=full (`make matrix`) takes all.
"""

import asyncio
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from matrix.cells import Call, Outcome, run, run_async
from matrix.table import WHOLE
from streamify_client import AsyncStreamClient, StreamClient
from streamify_server.local import ChunkProduced, Event, Fault, LocalLambda

FUNCTIONS = Path(__file__).parent / "functions"
FULL = os.environ.get("STREAMIFY_MATRIX") == "full"
LINES = [str(number) for number in range(6)]
FRAME = 119  # bytes of a PayloadChunk that carries one byte
CUTS = ("fin", "rst", "clean")
PLACES = (
    "start",
    "data",
    "checkpoint",
    "ended",
)  # of a part: before its first byte, inside a frame, behind it
FEW = [
    *((cut, place, 2) for cut, place in zip(("fin", "rst", "fin", "clean"), PLACES, strict=True)),
    ("flip", "checkpoint", 2),
    ("throttle", "start", 2),
    ("nothing", "start", 1),
]
PATIENCE = 0.6  # seconds, where the cell is about running out of it


@dataclass(frozen=True, slots=True)
class Cell:
    """What goes wrong, where in which part, and who reads by which way."""

    fault: str
    place: str
    part: int
    channel: str  # "sdk" or "url"
    client: str  # "sync" or "async"
    resumes: int
    function: str  # "parts", or "alone": with a concurrency of 1

    def __str__(self) -> str:
        resumed = "resumed" if self.resumes else "final"
        wrong = f"{self.fault}-{self.place}-part{self.part}"
        return f"{wrong}-{self.channel}-{self.client}-{resumed}-{self.function}"


def cells() -> list[Cell]:
    """Every cell; or of a few faults one cell each."""
    wrong: list[tuple[str, str, int]] = [
        *product(CUTS, PLACES, (1, 2)),
        *product(("flip", "stall"), ("data", "checkpoint"), (1, 2)),
        *product(("throttle",), ("start",), (2, 3)),
        ("nothing", "start", 1),
    ]
    callers = list(product(("sdk", "url"), ("sync", "async"), (0, 3), ("parts", "alone")))
    made = []
    for fault, place, part in wrong if FULL else FEW:
        first = zlib.crc32(f"{fault} {place} {part}".encode()) % len(callers)
        chosen = callers if FULL else [callers[first]]
        made += [Cell(fault, place, part, *caller) for caller in chosen]
    return made


def expected(cell: Cell) -> str:
    """What the reader gets: the name of an error, or WHOLE."""
    if cell.fault in ("nothing", "throttle") or cell.place == "ended":
        return WHOLE
    if cell.resumes and cell.part > 1:  # there was a checkpoint, at the latest that of the part before
        return WHOLE
    return {"flip": "CorruptStreamError", "stall": "StreamTimeoutError"}.get(
        cell.fault, "TruncatedStreamError"
    )


class Place:
    """A LocalLambda with the function, its URLs, and what its parts consist of."""

    def __init__(self) -> None:
        self.aws = LocalLambda().start()
        self.urls: dict[str, str] = {}
        for name, concurrency in (("parts", None), ("alone", 1)):
            self.aws.add_function(name, handler="parts.handler", code=FUNCTIONS, concurrency=concurrency)
            self.urls[name] = self.aws.function_url(name, invoke_mode="RESPONSE_STREAM")
        self.parts = {channel: self._clean_parts(channel) for channel in ("sdk", "url")}

    def target(self, cell: Cell) -> str:
        return cell.function if cell.channel == "sdk" else self.urls[cell.function]

    def _clean_parts(self, channel: str) -> list[bytes]:
        """What each part sends when nothing goes wrong, behind its prelude."""
        sent: dict[str, bytes] = {}

        def observe(event: Event) -> None:
            if isinstance(event, ChunkProduced):
                sent[event.request_id] = sent.get(event.request_id, b"") + event.data

        forget = self.aws.subscribe(observe)
        with StreamClient(**self.aws.client_kwargs) as client:
            target = "parts" if channel == "sdk" else self.urls["parts"]
            assert list(client.stream(target, {}).iter_lines()) == LINES
        forget()
        return [part.partition(bytes(8))[2] if channel == "url" else part for part in sent.values()]

    def fault(self, cell: Cell) -> Fault | None:
        """The plan for the part in which it goes wrong."""
        if cell.fault == "nothing":
            return None
        if cell.fault == "throttle":
            return Fault(error="TooManyRequestsException", retry_after=0)
        part = self.parts[cell.channel][cell.part - 1]
        offset = {
            "start": 0,
            "data": part.find(b"data") + 5,
            "checkpoint": part.find(b"checkpoint{") + 30,
            "ended": len(part),
        }[cell.place]
        reframe: Any = None
        if cell.channel == "sdk":
            reframe, offset = "bytes", FRAME * offset + (60 if 0 < offset < len(part) else 0)
        if cell.fault == "flip":
            return Fault(flip_bit=8 * offset + 2, reframe=reframe)
        if cell.fault == "stall":
            return Fault(stall_after=offset, reframe=reframe)
        cut: Any = cell.fault
        return Fault(cut_after=offset, cut=cut, reframe=reframe)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.aws.stop()


def outcome_of(place: Place, cell: Cell) -> Outcome:
    options: dict[str, Any] = {"resumes": cell.resumes, "verified": "require"}
    if cell.fault == "stall":
        options["idle_timeout"] = PATIENCE
    call = Call(place.target(cell), {}, options)
    if cell.client == "sync":
        with StreamClient(**place.aws.client_kwargs) as client:
            return run(client, "lines", call)

    async def read() -> Outcome:
        async with AsyncStreamClient(**place.aws.client_kwargs) as client:
            return await run_async(client, "lines", call)

    return asyncio.run(read())


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_a_stream_that_goes_on_is_whole_or_its_reader_is_told(place: Place, cell: Cell) -> None:
    fault = place.fault(cell)
    if cell.part > 1:
        place.aws.inject(cell.function, Fault(), times=cell.part - 1)
    if fault:
        place.aws.inject(cell.function, fault, times=1)
    try:
        outcome = outcome_of(place, cell)
    finally:
        place.aws.clear_faults(cell.function)
    assert outcome.name == expected(cell), repr(outcome.error)
    assert outcome.got == LINES[: len(outcome.got)]
    if outcome.error is None:
        assert (outcome.got, outcome.verified) == (LINES, True)
