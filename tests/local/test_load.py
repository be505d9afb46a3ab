"""Many invocations, and large ones."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.config import Config

from streamify_server.local import LocalLambda
from streamify_server.local.invocation import STREAMED_LIMIT
from support.local import add_steps, body_of, boto3_client, steps, stream

SIZE = 200 * 1024 * 1024
ALLOWED = 32 * 1024 * 1024


def test_two_hundred_megabytes_pass_without_being_held(client: Any, aws: LocalLambda) -> None:
    stream(client, payload=steps(["fill", 1 << 20], ["end"]))
    own = psutil.Process()
    before = peak = own.memory_info().rss
    answer = client.invoke_with_response_stream(FunctionName="steps", Payload=steps(["fill", SIZE], ["end"]))
    raw, received = answer["EventStream"]._raw_stream, 0
    while data := raw.read(1 << 20):
        received += len(data)
        peak = max(peak, own.memory_info().rss)
    answer["EventStream"].close()
    record = aws.invocations("steps")[-1]
    assert (record.status, record.bytes) == ("success", SIZE)
    assert received > SIZE
    assert peak - before < ALLOWED


def test_more_than_the_limit_of_a_stream_is_cut_off_and_an_error(documented: LocalLambda) -> None:
    client = boto3_client(documented)
    payload = steps(["fill", STREAMED_LIMIT], ["write", "x"], ["end"])
    answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
    raw = answer["EventStream"]._raw_stream
    last = b""
    while data := raw.read(1 << 20):
        last = (last + data)[-1000:]
    answer["EventStream"].close()
    client.close()
    assert b'"ErrorCode": "Function.ResponseSizeTooLarge"' in last


def concurrently(count: int) -> Counter[bytes]:
    """The bodies of so many streams that are all open at the same time."""
    meeting = threading.Barrier(count)
    with LocalLambda() as aws:
        add_steps(aws)
        config = Config(max_pool_connections=count, retries={"total_max_attempts": 1}, read_timeout=110)
        client = boto3_client(aws, config=config)

        def call(number: int) -> bytes:
            payload = steps(["write", f"{number}:"], ["fill", 1 << 18], ["end"])
            answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
            meeting.wait(100)
            body = body_of(list(answer["EventStream"]))
            answer["EventStream"].close()
            return body

        with ThreadPoolExecutor(count) as threads:
            bodies = Counter(threads.map(call, range(count)))
        client.close()
    return bodies


def sequentially(count: int) -> int:
    """The processes that so many invocations in a row take."""
    own = psutil.Process()
    before = set(own.children(recursive=True))
    with LocalLambda() as aws:
        add_steps(aws)
        client = boto3_client(aws)
        descriptors = 0
        for number in range(count):
            assert body_of(stream(client, payload=steps(["write", str(number)], ["end"]))) == b"%d" % number
            descriptors = descriptors or own.num_fds()
        assert own.num_fds() <= descriptors + 2
        client.close()
        return len(set(own.children(recursive=True)) - before)


@pytest.mark.parametrize("count", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_concurrent_streams_have_a_process_each_and_no_wrong_byte(count: int) -> None:
    assert concurrently(count) == Counter(b"%d:%b" % (number, b"x" * (1 << 18)) for number in range(count))


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_warm_process_serves_one_invocation_after_the_other(count: int) -> None:
    assert sequentially(count) == 2  # the supervisor and one function
