"""A function with a timeout of three seconds, read for nine and for sixty: every number once, in order."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import AsyncStreamClient, StreamClient
from streamify_server.local import LocalLambda

FUNCTIONS = Path(__file__).parent / "functions"
PAUSE = 0.1  # seconds between two numbers
TIMEOUT = 3

Read = Callable[[LocalLambda, dict[str, Any]], tuple[str, Any]]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        for name in ("sync", "asynchronous"):
            aws.add_function(name, handler=f"going_on.{name}", code=FUNCTIONS, timeout=TIMEOUT)
        yield aws


def by_iteration(aws: LocalLambda, event: dict[str, Any]) -> tuple[str, Any]:
    with StreamClient(**aws.client_kwargs) as client, client.stream("sync", event) as stream:
        return "".join(stream), stream.result


def by_lines(aws: LocalLambda, event: dict[str, Any]) -> tuple[str, Any]:
    with StreamClient(**aws.client_kwargs) as client, client.stream("sync", event) as stream:
        return "".join(f"{line}\n" for line in stream.iter_lines()), stream.result


def by_the_async_client(aws: LocalLambda, event: dict[str, Any]) -> tuple[str, Any]:
    async def read() -> tuple[str, Any]:
        async with (
            AsyncStreamClient(**aws.client_kwargs) as client,
            client.stream("asynchronous", event) as stream,
        ):
            return "".join([text async for text in stream]), stream.result

    return asyncio.run(read())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("read", "seconds"),
    [(by_iteration, 9), (by_lines, 9), (by_the_async_client, 9), (by_lines, 60), (by_the_async_client, 60)],
)
def test_a_stream_goes_on_for_many_timeouts(aws: LocalLambda, read: Read, seconds: int) -> None:
    count = round(seconds / PAUSE)
    text, result = read(aws, {"count": count, "pause": PAUSE})
    assert text == "".join(f"{number}\n" for number in range(count))
    assert result.verified
    assert len(result.parts) > seconds / TIMEOUT
