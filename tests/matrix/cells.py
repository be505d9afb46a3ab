"""Running one cell: a client, a view, and what came of it."""

import asyncio
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamify_client import AsyncStreamClient, StreamClient


@dataclass(slots=True)
class Outcome:
    """What a caller got."""

    got: list[Any] = field(default_factory=list)
    error: Exception | None = None
    whole: bool = False
    verified: bool | None = None
    file_left: bool = False

    @property
    def name(self) -> str:
        return "whole" if self.error is None else type(self.error).__name__


@dataclass(frozen=True, slots=True)
class Call:
    """What is called: `stream` takes it."""

    target: str
    payload: dict[str, Any]
    options: dict[str, Any]


def run(client: StreamClient, view: str, call: Call) -> Outcome:
    """Read a response by a view of the sync client."""
    outcome = Outcome()
    try:
        SYNC[view](client, call, outcome)
        outcome.whole = True
    except Exception as error:
        outcome.error = error
    return outcome


async def run_async(client: AsyncStreamClient, view: str, call: Call) -> Outcome:
    """Read a response by a view of the async client."""
    outcome = Outcome()
    try:
        await ASYNC[view](client, call, outcome)
        outcome.whole = True
    except Exception as error:
        outcome.error = error
    return outcome


def _iterated(view: str) -> Callable[[StreamClient, Call, Outcome], None]:
    def read(client: StreamClient, call: Call, outcome: Outcome) -> None:
        with client.stream(call.target, call.payload, **call.options) as stream:
            for item in getattr(stream, view)():
                outcome.got.append(item)
        assert stream.result is not None
        outcome.verified = stream.result.verified

    return read


def _iterated_async(view: str) -> Callable[[AsyncStreamClient, Call, Outcome], Any]:
    async def read(client: AsyncStreamClient, call: Call, outcome: Outcome) -> None:
        async with client.stream(call.target, call.payload, **call.options) as stream:
            async for item in getattr(stream, view)():
                outcome.got.append(item)
        assert stream.result is not None
        outcome.verified = stream.result.verified

    return read


def _to_file(client: StreamClient, call: Call, outcome: Outcome) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        try:
            result = client.stream_to_file(call.target, call.payload, path, **call.options)
            outcome.verified = result.verified
            outcome.got.append(path.read_bytes())
        finally:
            outcome.file_left = any(Path(folder).iterdir())


async def _to_file_async(client: AsyncStreamClient, call: Call, outcome: Outcome) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        try:
            result = await client.stream_to_file(call.target, call.payload, path, **call.options)
            outcome.verified = result.verified
            outcome.got.append(path.read_bytes())
        finally:
            outcome.file_left = any(await asyncio.to_thread(lambda: list(Path(folder).iterdir())))


def _pandas(client: StreamClient, call: Call, outcome: Outcome) -> None:
    outcome.got.append(client.read_csv(call.target, call.payload, **call.options))


async def _pandas_async(client: AsyncStreamClient, call: Call, outcome: Outcome) -> None:
    outcome.got.append(await client.read_csv(call.target, call.payload, **call.options))


def _arrow(client: StreamClient, call: Call, outcome: Outcome) -> None:
    outcome.got.append(client.read_arrow(call.target, call.payload, **call.options))


async def _arrow_async(client: AsyncStreamClient, call: Call, outcome: Outcome) -> None:
    outcome.got.append(await client.read_arrow(call.target, call.payload, **call.options))


SYNC: dict[str, Callable[[StreamClient, Call, Outcome], None]] = {
    "iterate": _iterated("iter_text"),
    "lines": _iterated("iter_lines"),
    "json": _iterated("iter_json"),
    "file": _to_file,
    "pandas": _pandas,
    "arrow": _arrow,
}
ASYNC: dict[str, Callable[[AsyncStreamClient, Call, Outcome], Any]] = {
    "iterate": _iterated_async("iter_text"),
    "lines": _iterated_async("iter_lines"),
    "json": _iterated_async("iter_json"),
    "file": _to_file_async,
    "pandas": _pandas_async,
    "arrow": _arrow_async,
}


def is_prefix(view: str, got: list[Any], whole: bytes) -> bool:
    """Whether what a view has delivered is true as far as it goes."""
    text = whole.decode() if view != "arrow" else ""
    if view == "iterate":
        return text.startswith("".join(got))
    if view == "lines":
        return text.splitlines()[: len(got)] == got
    if view == "json":
        return [json.loads(line) for line in text.splitlines()][: len(got)] == got
    return not got or is_whole(view, got, whole)


def is_whole(view: str, got: list[Any], whole: bytes) -> bool:
    """Whether a view has delivered everything."""
    if view == "iterate":
        return "".join(got) == whole.decode()
    if view == "file":
        return got == [whole]
    if view in ("pandas", "arrow"):
        return len(got) == 1 and _columns(view, got[0]) == _truth(whole, view)
    return is_prefix(view, got, whole) and len(got) == len(whole.decode().splitlines())


def _columns(view: str, table: Any) -> dict[str, list[Any]]:
    if view == "arrow" and hasattr(table, "to_pydict"):
        return dict(table.to_pydict())
    return {name: list(table[name]) for name in table.columns}


def _truth(whole: bytes, view: str) -> dict[str, list[Any]]:
    if view == "arrow":
        import pyarrow as pa

        return dict(pa.ipc.open_stream(whole).read_all().to_pydict())
    rows = [line.split(",") for line in whole.decode().splitlines()[1:]]
    return {"number": [int(number) for number, _ in rows], "name": [name for _, name in rows]}
