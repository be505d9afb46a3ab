"""Clients as users have them: one that StreamClient makes, and plain boto3 clients in every retry mode."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from streamify_client import StreamClient
from support.clients import around_boto, stream_client

MakeClient = Callable[..., StreamClient]


@pytest.fixture(params=["own", "legacy", "standard", "adaptive"])
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Make a client for a URL, with options of ours; closed at the test's end."""
    with ExitStack() as stack:

        def make(url: str, **options: Any) -> StreamClient:
            if request.param == "own":
                return stack.enter_context(stream_client(url, **options))
            return stack.enter_context(around_boto(url, request.param, **options))

        yield make


@pytest.fixture
def make_own_client() -> Iterator[MakeClient]:
    """Make a client for a URL, with options of boto3's and ours; closed at the test's end."""
    with ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(stream_client(url, **options))
