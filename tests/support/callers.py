"""The four ways of reading a stream, so that one test holds for all of them."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from streamify_client import AsyncStreamClient, StreamClient
from support.clients import CREDENTIALS
from support.http_peers import plain
from support.wire_server import Behaviour, whole

WAYS = ("name", "url", "async name", "async url")
URL_WAYS = ("url", "async url")


class Caller:
    """A client of one kind; for asyncio, with an event loop of its own.

    Args:
        way: One of `WAYS`.
        url: The server.
        client: A boto client to use.
        **options: Of the client.
    """

    def __init__(self, way: str, url: str, *, client: Any = None, **options: Any) -> None:
        self.way = way
        self.is_async = way.startswith("async")
        self.by_name = way.endswith("name")
        self._url = url
        self._stack = ExitStack()
        given = {**CREDENTIALS, "endpoint_url": url, **options} if client is None else options
        if not self.by_name:
            given.pop("endpoint_url", None)
        self.client: Any = (AsyncStreamClient if self.is_async else StreamClient)(client, **given)

    def __enter__(self) -> Self:
        if self.is_async:
            self._runner = self._stack.enter_context(asyncio.Runner())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self.client.close())
        self._stack.close()

    def run(self, step: Any) -> Any:
        """Wait for a step of asyncio; a blocking one has been taken already."""
        return self._runner.run(step) if self.is_async else step

    def stream(self, path: str = "", payload: Any = None, **options: Any) -> Any:
        """Return a stream."""
        return self.client.stream("fn" if self.by_name else self._url + path, payload, **options)

    def read(self, path: str = "", payload: Any = None, **options: Any) -> bytes:
        """Read a stream to its end."""
        return self._read(self.stream(path, payload, **options))

    def opened(self, path: str = "", payload: Any = None, **options: Any) -> Any:
        """Return a stream whose head is there."""
        stream = self.stream(path, payload, **options)
        self.run(stream.open())
        return stream

    def next(self, chunks: Any) -> bytes:
        """Return the next chunk of a view."""
        chunk: bytes = self._runner.run(_anext(chunks)) if self.is_async else next(chunks)
        return chunk

    def close(self, stream: Any) -> None:
        """Close a stream."""
        self.run(stream.aclose() if self.is_async else stream.close())

    def _read(self, stream: Any) -> bytes:
        data: bytes = self.run(stream.read())
        return data


async def _anext(view: Any) -> Any:
    return await anext(view)


def answer(way: str, *chunks: bytes, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Make a behaviour: what a function answers that is called in this way."""
    return whole(*chunks, headers=headers) if way.endswith("name") else plain(*chunks, headers=headers)
