"""Time limits of a whole step."""

import time

from streamify_client.transports.deadlines import Allowance, Deadline


def test_without_a_limit_a_wait_is_endless() -> None:
    assert Deadline().left is None
    deadline = Deadline()
    deadline.allow(5)
    deadline.allow(None)
    assert deadline.left is None


def test_no_step_outlasts_the_whole() -> None:
    deadline = Deadline(time.monotonic() + 5)
    for seconds in (None, 60):
        deadline.allow(seconds)
        assert 0 < (deadline.left or 0) <= 5
    deadline.allow(1)
    assert 0 < (deadline.left or 0) <= 1


def test_what_has_passed_still_asks_for_what_is_there_without_waiting() -> None:
    assert 0 < (Deadline(time.monotonic() - 5).left or 0) <= 0.001


def test_an_allowance_ends_with_its_bytes_or_its_time() -> None:
    allowance = Allowance(size=3, seconds=60)
    allowance.took([b"ab"])
    assert 0 < allowance.wait <= 60
    allowance.took([b"c"])
    assert allowance.wait == 0
    assert Allowance(seconds=-1).wait == 0
