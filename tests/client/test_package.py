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


def test_importing_the_package_imports_no_sdk_and_no_data_frames() -> None:
    heavy = ["boto3", "botocore", "aiobotocore", "aiohttp", "pandas", "pyarrow", "asyncio"]
    code = f"import sys, streamify_client; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
