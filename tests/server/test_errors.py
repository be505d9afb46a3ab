"""The errors of the server half are one tree, and what is caught by other names still is."""

import re
from pathlib import Path

import pytest

from streamify_server import errors

ALL = {name: value for name, value in vars(errors).items() if name.endswith("Error")}
PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def drawn(text: str) -> set[str]:
    """The names in a tree with branches."""
    return set(re.findall(r"─ (\w+)", text))


def test_every_error_is_a_streamify_error_and_stands_in_the_tree() -> None:
    assert all(issubclass(error, errors.StreamifyError) for error in ALL.values())
    assert drawn(errors.__doc__ or "") == ALL.keys() - {"StreamifyError"}
    assert drawn(PAGE.read_text(encoding="utf-8").partition("## In handlers")[2]) == ALL.keys() - {
        "StreamifyError"
    }


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.DeadlineExceededError, TimeoutError),
        (errors.StreamClosedError, BrokenPipeError),
        (errors.CallerGoneError, OSError),
        (errors.ResponseRefusedError, ConnectionError),
        (errors.ResponseTooLargeError, ValueError),
        (errors.NotStreamingError, RuntimeError),
        (errors.LifespanError, RuntimeError),
        (errors.TokenError, ValueError),
    ],
)
def test_an_error_is_what_python_calls_it_as_well(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)
    assert str(error("what it says")) == "what it says"
