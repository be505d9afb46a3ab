"""A LocalLambda with one function that does as it is told, for each module that asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_server.local import LocalLambda
from support.local import Gate, add_steps, boto3_client


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as running:
        add_steps(running)
        yield running


@pytest.fixture(scope="module")
def documented() -> Iterator[LocalLambda]:
    with LocalLambda(stream_errors="documented") as running:
        add_steps(running)
        yield running


@pytest.fixture
def client(aws: LocalLambda) -> Iterator[Any]:
    made = boto3_client(aws)
    yield made
    made.close()


@pytest.fixture
def documented_client(documented: LocalLambda) -> Iterator[Any]:
    made = boto3_client(documented)
    yield made
    made.close()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)
