"""The readers to compare, written as users would write them.

Each is a context manager that returns a function of a body and a view, which returns how many characters,
lines or bytes it has read. `timed` and `timed_in_loop` turn it into one that also returns the CPU seconds.
"""

import asyncio
import codecs
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bodies import Body
from children import child
from prepared import Prepared

Read = Callable[[Body, str], int]
Timed = Callable[[Body, str, int], tuple[int, float]]
AsyncRead = Callable[[Body, str], Awaitable[int]]
PAYLOAD = b'{"prompt": "hi"}'
CREDENTIALS = {
    "region_name": "us-east-1",
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
FOLDER = TemporaryDirectory(prefix="streamify-bench-")
TARGET = Path(FOLDER.name, "body")


def options(server: Prepared, *, tls: bool) -> dict[str, Any]:
    """Return the arguments of a client, ours or boto3's."""
    trusted = {"verify": server.ca_bundle} if tls else {}
    return {"endpoint_url": server.base(tls=tls), **CREDENTIALS, **trusted}


@contextmanager
def measuring(view: str) -> Iterator[Callable[[bytes], int]]:
    """Return what a program does with each chunk from plain boto3 or an HTTP client; it returns a count."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    rest = ""

    def lines(chunk: bytes) -> int:
        nonlocal rest
        count = 0
        *complete, rest = (rest + decode(chunk)).split("\n")
        for _ in complete:
            count += 1
        return count

    with TARGET.open("wb") if view == "file" else contextlib.nullcontext() as file:
        yield {
            "text": lambda chunk: len(decode(chunk)),
            "bytes": len,
            "lines": lines,
            "file": file.write if file else len,
        }[view]
    decode(b"", True)


@contextmanager
def boto3(server: Prepared, *, tls: bool = False, connections: int = 10) -> Iterator[Read]:
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=connections)
    client = boto3.client("lambda", config=config, **options(server, tls=tls))

    def read(body: Body, view: str) -> int:
        size = 0
        answer = client.invoke_with_response_stream(FunctionName=body.name, Payload=PAYLOAD)
        with measuring(view) as measure:
            for event in answer["EventStream"]:
                if "PayloadChunk" in event:
                    size += measure(event["PayloadChunk"]["Payload"])
        return size

    yield read
    client.close()


@contextmanager
def stream_client(
    server: Prepared, *, tls: bool = False, by_url: bool = False, connections: int = 10
) -> Iterator[Read]:
    from botocore.config import Config

    from streamify_client import StreamClient

    base = server.base(tls=tls) + "/" if by_url else ""
    config = Config(max_pool_connections=connections)
    with StreamClient(config=config, **options(server, tls=tls)) as client:

        def read(body: Body, view: str) -> int:
            size = 0
            if view == "file":
                return client.stream_to_file(base + body.name, PAYLOAD, TARGET).bytes_received
            with client.stream(base + body.name, PAYLOAD) as stream:
                if view == "text":
                    for text in stream.iter_text():
                        size += len(text)
                elif view == "bytes":
                    for chunk in stream.iter_bytes():
                        size += len(chunk)
                else:
                    for _ in stream.iter_lines():
                        size += 1
            return size

        yield read


@contextmanager
def httpx2(server: Prepared, *, tls: bool) -> Iterator[Read]:
    import httpx2

    with httpx2.Client(verify=server.ca_bundle if tls else True) as client:

        def read(body: Body, view: str) -> int:
            size = 0
            url = f"{server.base(tls=tls)}/{body.name}"
            with client.stream("POST", url, content=PAYLOAD, timeout=60) as response:
                if view == "text":
                    for text in response.iter_text():
                        size += len(text)
                else:
                    for chunk in response.iter_bytes():
                        size += len(chunk)
            return size

        yield read


@contextmanager
def bare_socket(server: Prepared, *, tls: bool, by_url: bool = False) -> Iterator[Read]:
    """The lower bound: the bytes are discarded."""
    path = "/{}" if by_url else "/2021-11-15/functions/{}/response-streaming-invocations"
    address = ("127.0.0.1", int(server.endpoint.rpartition(":")[2]))
    with socket.create_connection(address) as sock:
        buffer = bytearray(1 << 18)

        def read(body: Body, view: str) -> int:
            target = path.format(body.name)
            request = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PAYLOAD)}\r\n\r\n"
            sock.sendall(request.encode() + PAYLOAD)
            tail = b""
            while not tail.endswith(b"\r\n0\r\n\r\n"):
                count = sock.recv_into(buffer)
                tail = (tail + buffer[max(0, count - 7) : count])[-7:]
            return expected(body, view)

        yield read


def expected(body: Body, view: str) -> int:
    """Return the count for a complete body in a view."""
    return body.total // 100 if view == "lines" else body.total


@contextmanager
def timed(opened: AbstractContextManager[Read]) -> Iterator[Timed]:
    """Make a blocking reader read several times and measure the CPU time of this process."""
    with opened as read:

        def several(body: Body, view: str, times: int) -> tuple[int, float]:
            before = time.process_time()
            size = sum([read(body, view) for _ in range(times)])
            return size, time.process_time() - before

        yield several


@contextmanager
def timed_in_loop(opened: AbstractAsyncContextManager[AsyncRead]) -> Iterator[Timed]:
    """Do the same for an asyncio reader."""

    async def several(read: AsyncRead, body: Body, view: str, times: int) -> tuple[int, float]:
        before = time.process_time()
        size = sum([await read(body, view) for _ in range(times)])
        return size, time.process_time() - before

    with asyncio.Runner() as runner:
        read = runner.run(_enter(opened))
        yield lambda body, view, times: runner.run(several(read, body, view, times))
        runner.run(_leave(opened))


async def _enter(opened: AbstractAsyncContextManager[AsyncRead]) -> AsyncRead:
    return await opened.__aenter__()


async def _leave(opened: AbstractAsyncContextManager[AsyncRead]) -> None:
    await opened.__aexit__(None, None, None)


@contextmanager
def timed_in_child(command: Sequence[str], server: Prepared) -> Iterator[Timed]:
    """Run a reader in a separate process, which measures its own CPU time."""
    with child(command) as process:

        def several(body: Body, view: str, times: int) -> tuple[int, float]:
            done = process.ask(endpoint=server.endpoint, function=body.name, view=view, times=times)
            return done["size"], done["cpu"]

        yield several


@asynccontextmanager
async def aiobotocore(
    server: Prepared, *, tls: bool = False, connections: int = 10
) -> AsyncIterator[AsyncRead]:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(max_pool_connections=connections)
    async with get_session().create_client("lambda", config=config, **options(server, tls=tls)) as client:

        async def read(body: Body, view: str) -> int:
            size = 0
            answer = await client.invoke_with_response_stream(FunctionName=body.name, Payload=PAYLOAD)
            with measuring(view) as measure:
                async for event in answer["EventStream"]:
                    if "PayloadChunk" in event:
                        size += measure(event["PayloadChunk"]["Payload"])
            return size

        yield read


@asynccontextmanager
async def async_stream_client(
    server: Prepared, *, tls: bool = False, by_url: bool = False, connections: int = 10
) -> AsyncIterator[AsyncRead]:
    from aiobotocore.config import AioConfig

    from streamify_client import AsyncStreamClient

    base = server.base(tls=tls) + "/" if by_url else ""
    config = AioConfig(max_pool_connections=connections)
    async with AsyncStreamClient(config=config, **options(server, tls=tls)) as client:

        async def read(body: Body, view: str) -> int:
            size = 0
            if view == "file":
                result = await client.stream_to_file(base + body.name, PAYLOAD, TARGET)
                return result.bytes_received
            async with client.stream(base + body.name, PAYLOAD) as stream:
                if view == "text":
                    async for text in stream.iter_text():
                        size += len(text)
                elif view == "bytes":
                    async for chunk in stream.iter_bytes():
                        size += len(chunk)
                else:
                    async for _ in stream.iter_lines():
                        size += 1
            return size

        yield read


@asynccontextmanager
async def aiohttp(server: Prepared, *, tls: bool) -> AsyncIterator[AsyncRead]:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def read(body: Body, view: str) -> int:
            size = 0
            url = f"{server.base(tls=tls)}/{body.name}"
            async with session.post(url, data=PAYLOAD) as response:
                with measuring(view) as measure:
                    async for chunk in response.content.iter_any():
                        size += measure(chunk)
            return size

        yield read
