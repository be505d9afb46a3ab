"""The examples in the docstrings of the server half run and say what they say."""

import doctest
import importlib

import pytest

MODULES = [
    "formats",
    "handler",
    "middleware",
    "posting",
    "response",
    "testing",
    "wire.frames",
    "writer",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(f"streamify_server.{name}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0
