"""The fault matrix: what every caller gets, whatever goes wrong, wherever, on whichever way.

A run takes two cells of each group; STREAMIFY_MATRIX=full (`make matrix`) takes all.
"""

import asyncio
import base64
import http.client
import importlib.util
import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiobotocore.session
import boto3
import psutil
import pytest

from matrix.cells import Call, Outcome, is_prefix, is_whole, run, run_async
from matrix.table import HANDLER, KINDS, UNKNOWABLE, VIEWS, WHOLE, Group, expected, groups, impossible
from streamify_client import AsyncStreamClient, StreamClient
from streamify_server.local import Fault, LocalLambda

FUNCTIONS = Path(__file__).parent / "functions"
FULL = os.environ.get("STREAMIFY_MATRIX") == "full"
PATIENCE = 0.6  # seconds, where the cell is about running out of it
OFFER = {"custom": {"streamify": "verified/1"}}
HANDLER_TIMEOUT = 1.5
FRAME = 119  # bytes of a PayloadChunk that carries one byte
INVOKE_COMPLETE = 102
LAST_FRAMES = INVOKE_COMPLETE + 3 * FRAME + 60  # from inside of a verified stream's own end to the end of all

specification = importlib.util.spec_from_file_location("subject", FUNCTIONS / "subject.py")
assert specification is not None
assert specification.loader is not None
subject = importlib.util.module_from_spec(specification)
specification.loader.exec_module(subject)


class Place:
    """A LocalLambda with the function of the matrix, and its Function URL."""

    def __init__(self, mode: Any) -> None:
        self.aws = LocalLambda(stream_errors=mode)
        self.aws.start()
        self.session, self.async_session = boto3.Session(), aiobotocore.session.get_session()
        for name, timeout in (("subject", 30.0), ("brief", HANDLER_TIMEOUT)):
            self.aws.add_function(name, handler="subject.handler", code=FUNCTIONS, timeout=timeout)
        self.urls = {
            name: self.aws.function_url(name, invoke_mode="RESPONSE_STREAM", empty_body="end")
            for name in ("subject", "brief")
        }

    def clean_bytes(self, group: Group, payload: dict[str, Any]) -> bytes:
        """What the wire carries when nothing goes wrong, without HTTP's own framing."""
        reframed = Fault(reframe="bytes") if group.channel == "sdk" else None
        return _raw(self, group.channel, group.verified, json.dumps(payload), reframed)


@cache
def _raw(place: Place, channel: str, verified: bool, payload: str, fault: Fault | None) -> bytes:
    if fault:
        place.aws.inject("subject", fault, times=1)
    headers = {"content-type": "application/json"}
    if channel == "sdk":
        url, path = place.aws.endpoint_url, "/2021-11-15/functions/subject/response-streaming-invocations"
        offer = base64.b64encode(json.dumps(OFFER).encode()).decode()
        headers |= {"x-amz-client-context": offer} if verified else {}
    else:
        url, path = place.urls["subject"], "/"
        headers |= {"streamify-accept": "verified/1"} if verified else {}
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    try:
        connection.request("POST", path, payload, headers)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, Place]]:
    made = {mode: Place(mode) for mode in ("observed", "documented")}
    yield made
    for place in made.values():
        place.aws.stop()


def payload_of(group: Group, kind: str) -> dict[str, Any]:
    """The event for the function."""
    whole = subject.body(kind)
    http_response = group.channel == "url" or group.position == "prelude"
    after = {
        "before": -1,
        "prelude": 0,
        "middle": len(whole) // 2,
        "character": _inside_a_character(whole),
        "last": len(whole),
    }[group.position]
    fault = group.fault if group.fault in HANDLER else None
    return {"kind": kind, "http": http_response, "fault": fault, "after": after if fault else 0}


def _inside_a_character(whole: bytes) -> int:
    middle = len(whole) // 2
    return next((n for n in range(middle, len(whole)) if whole[n] & 0xC0 == 0x80), middle)


def plan(place: Place, group: Group, payload: dict[str, Any]) -> Fault | None:
    """What LocalLambda does to the response."""
    if group.fault in HANDLER or group.fault == "nothing":
        return None
    single: dict[str, dict[str, Any]] = {
        "rechunk": {"rechunk": "random", "seed": 7},
        "delay": {"delay_headers": 3 * PATIENCE},
        "throttle": {"error": "TooManyRequestsException", "retry_after": 0},
        "server_error": {"error": "ServiceException"},
        "exception_frame": {"exception": ("ServiceException", "it broke")},
        "error_frame": {"error_frame": ("Broken", "it broke")},
        "error_code": {"error_code": "Unhandled", "error_details": '{"errorType": "LookupError"}'},
        "drop_end": {"drop_end": True},
    }
    if group.fault in single:
        return Fault(**single[group.fault])
    offset = wire_offset(place, group, payload)
    reframe: Any = "bytes" if group.channel == "sdk" else None
    if group.fault == "stall":
        return Fault(stall_after=offset, reframe=reframe)
    if group.fault == "flip":
        return Fault(flip_bit=8 * offset + 2, reframe=reframe)
    cut: Any = group.fault.removeprefix("cut_")
    return Fault(cut_after=offset, cut=cut, reframe=reframe)


def wire_offset(place: Place, group: Group, payload: dict[str, Any]) -> int:
    """Where in the response's bytes it goes wrong."""
    clean = place.clean_bytes(group, payload)
    whole = subject.body(payload["kind"])
    if group.position == "before":
        return 0
    if group.position == "last":
        return len(clean) - (LAST_FRAMES if group.channel == "sdk" and group.verified else 5)
    if group.channel == "url" and not group.verified:
        return _inside_a_character(whole) if group.position == "character" else len(whole) // 2
    if group.position == "prelude":
        return 5 * FRAME + 60
    if group.channel == "url":
        return len(clean) // 2
    middle = (len(clean) // FRAME // 2) * FRAME
    return middle + (60 if group.position == "middle" else 0)


def cells(group: Group) -> list[tuple[str, str]]:
    """(client, view) pairs: all, or two that differ from group to group."""
    every = [(client, view) for view in VIEWS for client in ("sync", "async")]
    if FULL:
        return every
    first = zlib.crc32(str(group).encode()) % len(every)
    return [every[first], every[(first + 7) % len(every)]]


def call_of(place: Place, group: Group, view: str) -> Call:
    name = "brief" if group.fault == "timeout" else "subject"
    target = name if group.channel == "sdk" else place.urls[name]
    options: dict[str, Any] = {"verified": "require" if group.verified else "off"}
    if group.fault in ("stall", "delay"):
        options |= {"idle_timeout": PATIENCE, "first_byte_timeout": PATIENCE}
    return Call(target, payload_of(group, KINDS[view]), options)


def run_cells(place: Place, group: Group) -> dict[tuple[str, str], Outcome]:
    """Run the cells of a group, side by side."""
    name = "brief" if group.fault == "timeout" else "subject"
    outcomes: dict[tuple[str, str], Outcome] = {}
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for cell in cells(group):
        by_kind.setdefault(KINDS[cell[1]], []).append(cell)
    for kind, chosen in by_kind.items():
        fault = plan(place, group, payload_of(group, kind))
        if fault:
            place.aws.inject(name, fault)
        try:
            outcomes |= _run_sync(place, group, [view for client, view in chosen if client == "sync"])
            asynchronous = [view for client, view in chosen if client == "async"]
            outcomes |= asyncio.run(_run_async(place, group, asynchronous))
        finally:
            place.aws.clear_faults(name)
    return outcomes


def _run_sync(place: Place, group: Group, views: list[str]) -> dict[tuple[str, str], Outcome]:
    if not views:
        return {}
    made = StreamClient(session=place.session, **place.aws.client_kwargs)
    with made as client, ThreadPoolExecutor(len(views)) as pool:
        done = list(pool.map(lambda view: run(client, view, call_of(place, group, view)), views))
    return {("sync", view): outcome for view, outcome in zip(views, done, strict=True)}


async def _run_async(place: Place, group: Group, views: list[str]) -> dict[tuple[str, str], Outcome]:
    if not views:
        return {}
    made = AsyncStreamClient(session=place.async_session, **place.aws.client_kwargs)
    async with made as client:
        calls = [run_async(client, view, call_of(place, group, view)) for view in views]
        done = await asyncio.gather(*calls)
    return {("async", view): outcome for view, outcome in zip(views, done, strict=True)}


def complaint(group: Group, view: str, outcome: Outcome) -> str | None:
    """What is wrong with what a cell gave."""
    want, whole = expected(group), subject.body(KINDS[view])
    if want in UNKNOWABLE:
        return None if outcome.verified in (False, None) else "nobody can have verified this"
    if want == WHOLE:
        right = outcome.whole and is_whole(view, outcome.got, whole)
        right = right and outcome.verified in (group.verified, None)
        return None if right else f"not whole: {outcome.error!r}, verified: {outcome.verified}"
    if outcome.name != want:
        return f"{outcome.name} instead of {want}: {outcome.error!r}"
    if not is_prefix(view, outcome.got, whole):
        return f"delivered what was never sent: {outcome.got!r}"
    return "a file was left" if outcome.file_left else None


@pytest.mark.parametrize("group", groups(), ids=str)
def test_a_caller_is_told(places: dict[str, Place], group: Group) -> None:
    place = places[group.mode]
    wrong = {
        cell: said
        for cell, outcome in run_cells(place, group).items()
        if (said := complaint(group, cell[1], outcome))
    }
    assert not wrong
    ports = {urlsplit(url).port for url in (place.aws.endpoint_url, *place.urls.values())}
    mine = psutil.Process().net_connections("tcp")
    assert not [found for found in mine if found.raddr and found.raddr.port in ports]


def test_every_combination_is_run_or_named_impossible() -> None:
    run_ids = {str(group) for group in groups()}
    assert len(run_ids) == len(groups())
    assert impossible(Group("drop_end", "last", "url", True, "observed"))
    assert not any(impossible(group) for group in groups())
