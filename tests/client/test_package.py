"""What can be imported from the package, and what that costs."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import streamify_client


@pytest.mark.parametrize("name", streamify_client.__all__)
def test_every_name_that_is_promised_is_there(name: str) -> None:
    assert getattr(streamify_client, name) is not None


def test_the_package_knows_its_version() -> None:
    assert streamify_client.__version__ == version("streamify")


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("StreamClient().stream('fn').open()", "client"),
        ("StreamClient().stream('http://127.0.0.1:9').open()", "url"),
        ("asyncio.run(use(AsyncStreamClient().stream('fn')))", "aio"),
        ("asyncio.run(use(AsyncStreamClient().stream('http://127.0.0.1:9')))", "aio"),
        ("StreamClient().stream_to_file('fn', None, 's3://a/b')", "fsspec"),
        ("StreamClient().read_csv('fn')", "pandas"),
    ],
)
def test_without_any_other_package_a_call_names_the_extra_that_it_needs(call: str, extra: str) -> None:
    missing = ["boto3", "botocore", "urllib3", "aiobotocore", "aiohttp", "fsspec", "pandas"]
    code = f"""
import asyncio, sys
sys.modules.update(dict.fromkeys({missing}))
from streamify_client import AsyncStreamClient, ConfigurationError, StreamClient

async def use(stream):
    await stream.open()

try:
    {call}
except ConfigurationError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f": pip install 'streamify[{extra}]'." in said


def test_importing_the_package_imports_no_sdk_and_no_data_frames() -> None:
    heavy = ["boto3", "botocore", "aiobotocore", "aiohttp", "pandas", "pyarrow", "asyncio"]
    code = f"import sys, streamify_client; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
