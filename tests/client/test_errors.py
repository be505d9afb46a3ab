"""The exception tree: what is what, what an error says, and that it survives pickling."""

import pickle
from typing import Any

import pytest

import streamify_client
from streamify_client import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.StreamifyError)
]
REQUIRED: dict[str, dict[str, Any]] = {"StreamTimeoutError": {"phase": "idle"}}


def make(kind: type[errors.StreamifyError]) -> errors.StreamifyError:
    return kind(
        "It went wrong.",
        function="fn",
        request_id="req-1",
        bytes_received=1234,
        **REQUIRED.get(kind.__name__, {}),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_pickling(kind: type[errors.StreamifyError]) -> None:
    error = make(kind)
    error.attempts = 3
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert copy.args == error.args
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_public(kind: type[errors.StreamifyError]) -> None:
    assert getattr(streamify_client, kind.__name__) is kind
    assert kind.__name__ in streamify_client.__all__
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (errors.ConnectError, ConnectionError),
        (errors.StreamTimeoutError, TimeoutError),
        (errors.StreamTimeoutError, errors.StreamError),
        (errors.TruncatedStreamError, errors.StreamError),
        (errors.CorruptStreamError, errors.StreamError),
        (errors.ThrottledError, errors.InvocationError),
        (errors.FunctionNotFoundError, errors.InvocationError),
        (errors.DecodeError, ValueError),
        (errors.ConfigurationError, ValueError),
    ],
)
def test_errors_are_what_the_standard_library_calls_them_too(kind: type[Any], other: type[Any]) -> None:
    assert issubclass(kind, other)


def test_an_error_says_which_call_it_was_about() -> None:
    error = errors.TruncatedStreamError("It ended.", function="fn", request_id="req-1", bytes_received=1234)
    assert (
        str(error)
        == "It ended. (function fn, request req-1, 1,234 bytes received, the function may have run)"
    )


def test_an_error_without_context_says_only_what_was_wrong() -> None:
    assert str(errors.ConfigurationError("No region.")) == "No region."


@pytest.mark.parametrize(("phase", "ran"), [("connect", False), ("first_byte", True), ("idle", True)])
def test_only_a_connect_timeout_is_sure_that_nothing_ran(phase: Any, ran: bool) -> None:
    assert errors.StreamTimeoutError("Late.", phase=phase).may_have_run is ran
