"""What a caller has not read to its end, and the processes that run for it."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiobotocore.session import AioSession

from streamify_server.local import LocalLambda
from support.local import Gate, add_steps, boto3_client, steps

PATH = "POST /2021-11-15/functions/steps/response-streaming-invocations"


def test_a_response_is_open_until_its_caller_closes_it(aws: LocalLambda, client: Any, gate: Gate) -> None:
    payload = steps(["write", "a"], ["await", gate.path], ["end"])
    stream = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)["EventStream"]
    next(iter(stream))
    assert aws.open_requests() == [PATH]
    stream.close()
    assert aws.open_requests(patience=10) == []
    gate.open()


def test_a_response_that_was_read_is_not_open(aws: LocalLambda, client: Any) -> None:
    answer = client.invoke_with_response_stream(FunctionName="steps", Payload=steps(["write", "a"], ["end"]))
    list(answer["EventStream"])
    assert aws.open_requests(patience=10) == []


def test_function_processes_are_known_by_their_ids(aws: LocalLambda, client: Any) -> None:
    client.invoke(FunctionName="steps", Payload=steps(["write", "a"], ["end"]))
    process_ids = aws.process_ids()
    assert process_ids
    for process_id in process_ids:
        os.kill(process_id, 0)


INVOKE = "POST /2015-03-31/functions/steps/invocations"
SIZES = [5, 100_000]  # both fit the buffers on the way; the first fits that of the client alone


@pytest.fixture
def alone() -> Iterator[LocalLambda]:
    with LocalLambda() as running:
        add_steps(running)
        yield running


@pytest.mark.parametrize("size", SIZES)
def test_a_response_that_was_sent_whole_is_open_until_its_caller_reads_it(
    alone: LocalLambda, size: int
) -> None:
    client = boto3_client(alone)
    payload = client.invoke(FunctionName="steps", Payload=steps(["answer", json.dumps("x" * size)]))[
        "Payload"
    ]
    assert alone.open_requests() == [INVOKE]
    payload.read()
    assert alone.open_requests(patience=10) == []
    client.close()


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_that_was_sent_whole_is_open_until_its_caller_closes_it(
    alone: LocalLambda, size: int
) -> None:
    client = boto3_client(alone)
    payload = steps(["write", "a"], ["write", "x" * size], ["end"])
    events = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)["EventStream"]
    next(iter(events))
    while alone.invocations("steps")[0].status == "running":
        pass
    assert alone.open_requests() == [PATH]
    events.close()
    assert alone.open_requests(patience=10) == []
    client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what lies in the sockets of others")
def test_what_lies_unread_in_a_socket_of_any_program_is_open(alone: LocalLambda) -> None:
    url = alone.function_url("steps")
    address = urlsplit(url).netloc
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as raw:
        raw.sendall(f"GET /unread HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        while not (left := alone.open_requests()):
            pass
        assert left == ["GET /unread"]
        with HTTPResponse(raw) as response:
            response.begin()
            response.read()
        assert alone.open_requests(patience=10) == []
        raw.sendall(f"GET /last HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        while raw.recv(65536):
            pass
        assert alone.open_requests(patience=10) == []


async def test_a_response_that_aiohttp_holds_is_open(alone: LocalLambda) -> None:
    async with AioSession().create_client("lambda", **alone.client_kwargs) as client:
        # aiohttp reads ahead, and lets go of a connection whose response it has whole.
        payload = steps(["answer", json.dumps("x" * 1_000_000)])
        answer = await client.invoke(FunctionName="steps", Payload=payload)
        assert await asyncio.to_thread(alone.open_requests) == [INVOKE]
        await answer["Payload"].read()
        assert await asyncio.to_thread(alone.open_requests, 10) == []


@pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_a_response_that_nobody_refers_to_is_not_open(alone: LocalLambda) -> None:
    client = boto3_client(alone)
    answer = client.invoke(FunctionName="steps", Payload=steps(["answer", '"hello"']))
    answer["itself"] = answer
    del answer
    assert alone.open_requests(patience=10) == []
    client.close()
