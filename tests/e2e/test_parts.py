"""Streams longer than their invocations, over the whole wire: every number once, in order, verified."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import (
    AsyncStreamClient,
    CorruptStreamError,
    FunctionError,
    StreamClient,
    StreamError,
    TruncatedStreamError,
)
from streamify_server.local import Fault, LocalLambda
from support.local import body_of, boto3_client, stream

FUNCTIONS = Path(__file__).parent / "functions"
NAMES = (
    "sync", "asynchronous", "http", "compressed", "written", "written_async", "nested", "rows", "events",
    "forgetful", "fails_when_closed", "fails_later", "random", "changes_its_event",
)  # fmt: skip
# Six numbers 0.3 s apart, through invocations of two seconds, of which the last one is kept for handing over.
EVENT = {"count": 6, "pause": 0.3}
NUMBERS = [str(number) for number in range(6)]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        for name in NAMES:
            aws.add_function(name, handler=f"going_on.{name}", code=FUNCTIONS, timeout=2, memory_size=512)
        yield aws


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[StreamClient]:
    with StreamClient(**aws.client_kwargs) as client:
        yield client


@pytest.mark.parametrize(
    "name", ["sync", "asynchronous", "http", "written", "written_async", "nested", "changes_its_event"]
)
def test_a_stream_outlives_its_invocations(client: StreamClient, name: str) -> None:
    with client.stream(name, EVENT, verified="require") as stream:
        assert list(stream.iter_lines()) == NUMBERS
    assert stream.result.verified
    assert len(stream.result.parts) >= 2
    assert sum(part.bytes_received for part in stream.result.parts) == stream.result.bytes_received
    assert len({part.request_id for part in stream.result.parts}) == len(stream.result.parts)


def test_csv_rows_go_on(client: StreamClient) -> None:
    frames = client.read_csv("rows", EVENT, chunksize=4, header=None)
    assert [int(value) for frame in frames for value in frame[0]] == list(range(6))


def test_server_sent_events_go_on_and_keepalives_are_none_of_them(client: StreamClient) -> None:
    with client.stream("events", EVENT) as stream:
        assert [event.data for event in stream.iter_sse()] == NUMBERS


def test_a_file_gets_every_part(client: StreamClient, tmp_path: Path) -> None:
    result = client.stream_to_file("sync", EVENT, tmp_path / "numbers")
    assert (tmp_path / "numbers").read_text().split() == NUMBERS
    assert len(result.parts) >= 2


@pytest.mark.parametrize("name", ["http", "compressed"])
def test_a_function_url_goes_on(aws: LocalLambda, client: StreamClient, name: str) -> None:
    url = aws.function_url(name, invoke_mode="RESPONSE_STREAM")
    headers = {"accept-encoding": "gzip"}
    with client.stream(url, query=EVENT, headers=headers) as stream:
        assert list(stream.iter_lines()) == NUMBERS
    assert stream.result.verified
    assert len(stream.result.parts) >= 2


@pytest.mark.parametrize("by_name", [True, False])
def test_later_parts_are_told_with_the_request_id_of_the_first(
    aws: LocalLambda, client: StreamClient, by_name: bool
) -> None:
    target = "http" if by_name else aws.function_url("http", invoke_mode="RESPONSE_STREAM")
    before = len(aws.invocations("http"))
    with client.stream(target, EVENT if by_name else None, query=None if by_name else EVENT) as stream:
        stream.read()
    first, *later = aws.invocations("http")[before:]
    assert first.part is None
    assert [(part.number, part.stream) for record in later if (part := record.part)] == [
        (number, first.request_id) for number in range(2, len(stream.result.parts) + 1)
    ]


def test_the_asynchronous_client_goes_on(aws: LocalLambda) -> None:
    async def read() -> tuple[list[str], Any]:
        async with (
            AsyncStreamClient(**aws.client_kwargs) as client,
            client.stream("asynchronous", EVENT) as stream,
        ):
            return [line async for line in stream.iter_lines()], stream.result

    lines, result = asyncio.run(read())
    assert lines == NUMBERS
    assert result.verified


def test_a_map_of_streams_goes_on(client: StreamClient) -> None:
    items = list(client.map("sync", [EVENT, EVENT], concurrency=2))
    assert [item.value.split() for item in items] == [NUMBERS, NUMBERS]


def test_the_command_goes_on(aws: LocalLambda) -> None:
    command = [
        sys.executable,
        "-m",
        "streamify_client.cli",
        "invoke",
        "sync",
        "-p",
        json.dumps(EVENT),
    ]
    command += ["--endpoint-url", aws.endpoint_url, "--region", "us-east-1"]
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=True)
    assert done.stdout.decode().split() == NUMBERS


def test_raw_boto3_sees_a_plain_stream(aws: LocalLambda) -> None:
    events = stream(boto3_client(aws), "sync", b'{"count": 3}')
    assert body_of(events) == b"0\n1\n2\n"


def test_a_handler_that_begins_again_is_an_error_and_no_byte_comes_twice(client: StreamClient) -> None:
    lines: list[str] = []
    stream = client.stream("forgetful", EVENT)
    with pytest.raises(FunctionError, match="did not call last_checkpoint"):
        lines.extend(stream.iter_lines())
    assert lines == NUMBERS[: len(lines)]


def test_a_producer_that_cannot_be_closed_fails_the_stream(client: StreamClient) -> None:
    with pytest.raises(FunctionError, match="the cursor cannot be closed"):
        client.stream("fails_when_closed", EVENT).text()


def test_an_error_in_a_later_part_is_the_streams(client: StreamClient) -> None:
    with pytest.raises(FunctionError, match="late"):
        client.stream("fails_later", EVENT).text()


def test_a_function_that_runs_once_at_a_time_goes_on(aws: LocalLambda, client: StreamClient) -> None:
    aws.add_function("alone", handler="going_on.sync", code=FUNCTIONS, timeout=2, concurrency=1)
    assert list(client.stream("alone", EVENT).iter_lines()) == NUMBERS


def test_a_later_part_that_is_throttled_is_asked_for_again(aws: LocalLambda, client: StreamClient) -> None:
    with client.stream("sync", EVENT) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "0"
        aws.inject("sync", Fault(error="TooManyRequestsException", retry_after=0), times=2)
        assert ["0", *lines] == NUMBERS
    aws.clear_faults("sync")


@pytest.mark.parametrize("seed", range(8))
def test_random_cuts_lose_and_repeat_nothing(aws: LocalLambda, client: StreamClient, seed: int) -> None:
    dice = random.Random(seed)
    cuts = dice.randint(1, 6)
    for _ in range(cuts):
        fault = Fault(cut_after=dice.randint(200, 4000), cut=dice.choice(["fin", "clean"]))
        aws.inject("sync", fault, times=1)
    try:
        body = client.stream("sync", {"count": 60}, resumes=10).read()
    except StreamError:  # cut before the first checkpoint: nothing to go on from
        body = None
    aws.clear_faults("sync")
    assert body in (None, b"".join(b"%d\n" % number for number in range(60)))


@pytest.mark.parametrize("seed", range(4))
def test_what_cannot_be_reproduced_is_an_error_and_never_a_wrong_byte(
    aws: LocalLambda, client: StreamClient, seed: int
) -> None:
    aws.inject("random", Fault(cut_after=random.Random(seed).randint(1500, 2500), cut="fin"), times=1)
    received = b""
    stream = client.stream("random", {"count": 60}, resumes=10)
    try:
        for chunk in stream.iter_bytes():
            received += chunk
    except (CorruptStreamError, TruncatedStreamError):
        pass  # the latter for a cut before the first checkpoint
    aws.clear_faults("random")
    numbers = [int(line.split()[1]) for line in received.splitlines() if b" " in line]
    assert numbers == list(range(len(numbers)))
