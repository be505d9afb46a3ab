"""When a call may be tried again: a table of errors, and nothing that runs."""

import pytest

from streamify_client import (
    ConfigurationError,
    ConnectError,
    FunctionError,
    HttpStatusError,
    InvocationError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from streamify_client.stream.retries import LONGEST_WAIT, SAFE_RETRIES, RetryPolicy

SAFE = [ConnectError("x", refused=True), ThrottledError("x")]
RISKY = [
    TruncatedStreamError("x"),
    FunctionError("x"),
    StreamTimeoutError("x", phase="first_byte"),
    StreamTimeoutError("x", phase="idle"),
    InvocationError("x", may_have_run=True),
]
FINAL = [
    ConnectError("x"),
    InvocationError("x"),
    ConfigurationError("x"),
    HttpStatusError("x"),
    StreamTimeoutError("x", phase="connect"),
    StreamTimeoutError("x", phase="total"),
]


def delays(policy: RetryPolicy, error: StreamifyError) -> int:
    count = 0
    while policy.delay_after(error, yielded=False, time_left=None) is not None:
        count += 1
    return count


@pytest.mark.parametrize("error", SAFE)
def test_what_did_not_run_is_tried_again_a_few_times(error: StreamifyError) -> None:
    assert delays(RetryPolicy(0), error) == SAFE_RETRIES


@pytest.mark.parametrize("error", RISKY)
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_what_may_have_run_is_tried_again_only_as_often_as_asked(error: StreamifyError, retries: int) -> None:
    assert delays(RetryPolicy(retries), error) == retries


@pytest.mark.parametrize("error", FINAL)
def test_what_another_try_would_not_mend_is_final(error: StreamifyError) -> None:
    assert delays(RetryPolicy(5), error) == 0


@pytest.mark.parametrize("error", RISKY + SAFE)
def test_nothing_is_tried_again_once_something_was_yielded(error: StreamifyError) -> None:
    assert RetryPolicy(5).delay_after(error, yielded=True, time_left=None) is None


def test_the_service_says_how_long_to_wait() -> None:
    error = ThrottledError("x", retry_after=3.0)
    assert RetryPolicy(0).delay_after(error, yielded=False, time_left=None) == 3.0


@pytest.mark.parametrize(("wait", "left"), [(LONGEST_WAIT + 1, None), (3.0, 2.0)])
def test_a_wait_that_is_too_long_is_not_begun(wait: float, left: float | None) -> None:
    error = ThrottledError("x", retry_after=wait)
    assert RetryPolicy(0).delay_after(error, yielded=False, time_left=left) is None


def test_the_attempts_say_why_each_but_the_last_failed() -> None:
    policy = RetryPolicy(1)
    policy.begin()
    policy.delay_after(ThrottledError("slow down"), yielded=False, time_left=None)
    policy.begin()
    policy.delay_after(TruncatedStreamError("cut"), yielded=False, time_left=None)
    policy.begin()
    assert policy.attempts.count == 3
    assert policy.attempts.reasons == ("ThrottledError: slow down", "TruncatedStreamError: cut")
