"""Clients for servers on this machine."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import boto3
from botocore.config import Config

from streamify_client import StreamClient

CREDENTIALS: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "secret",
}


def boto_client(url: str, mode: str = "legacy", **options: Any) -> Any:
    """Make a plain boto3 client, as a user has one."""
    retries: Any = {"mode": mode}
    config = Config(retries=retries, read_timeout=options.pop("read_timeout", 60))
    return boto3.client("lambda", endpoint_url=url, config=config, **CREDENTIALS, **options)


@asynccontextmanager
async def aiobotocore_client(url: str, mode: str = "legacy", **config: Any) -> AsyncIterator[Any]:
    """Make a plain aiobotocore client, as a user has one, and close it."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    settings = AioConfig(retries={"mode": mode}, **config)
    maker = get_session().create_client("lambda", endpoint_url=url, config=settings, **CREDENTIALS)
    async with maker as client:
        yield client


@contextmanager
def stream_client(url: str, **options: Any) -> Iterator[StreamClient]:
    """Make a client of ours, and close it."""
    with StreamClient(endpoint_url=url, **CREDENTIALS, **options) as client:
        yield client


@contextmanager
def around_boto(url: str, mode: str, **options: Any) -> Iterator[StreamClient]:
    """Wrap a plain boto3 client, and close both."""
    boto = boto_client(url, mode)
    with StreamClient(boto, **options) as client:
        yield client
    boto.close()
