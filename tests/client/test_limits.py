"""The clock of a stream: which limit it was that passed."""

import pytest

from streamify_client.errors import StreamTimeoutError, TimeoutPhase
from streamify_client.request.options import Options
from streamify_client.stream.limits import Limits
from streamify_client.transports.seam import Cancellation


@pytest.mark.parametrize("phase", ["connect", "first_byte", "idle", "total"])
def test_whichever_timer_goes_off_a_total_limit_that_has_passed_is_named(phase: TimeoutPhase) -> None:
    limits = Limits(Options(total_timeout=0.0001))
    limits.begin(Cancellation())
    assert limits.timed_out(phase).phase == "total"
    settled = limits.settle(StreamTimeoutError("nothing came", phase=phase))
    assert isinstance(settled, StreamTimeoutError)
    assert (settled.phase, settled.limit) == ("total", 0.0001)


@pytest.mark.parametrize("total", [None, 60.0])
def test_a_limit_that_passes_before_the_total_one_is_named_itself(total: float | None) -> None:
    limits = Limits(Options(total_timeout=total, first_byte_timeout=7))
    opening = limits.begin(Cancellation())
    assert (opening.first_byte_timeout, opening.deadline is None) == (7, total is None)
    assert (limits.timed_out("first_byte").phase, limits.timed_out("first_byte").limit) == ("first_byte", 7)
