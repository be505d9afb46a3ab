import pytest

from streamify_server.local.events import Mode, Status
from streamify_server.local.inspector.timeline import Timeline, hint

STREAM = [0.1, 0.4, 0.7]
CASES: list[tuple[list[float], Status, Mode, str | None]] = [
    ([], "running", "streaming", None),
    ([], "success", "streaming", "empty"),
    ([], "error", "streaming", None),
    ([0.01], "success", "streaming", "one-piece"),
    ([0.01], "running", "streaming", None),
    ([2.0], "success", "buffered", "one-piece"),
    ([2.0, 2.01, 2.02], "success", "streaming", "burst"),
    ([2.0, 2.01, 2.02], "running", "streaming", None),
    ([0.01, 0.011], "success", "streaming", None),
    (STREAM, "success", "streaming", None),
    (STREAM, "success", "buffered", "buffered-caller"),
    ([0.1, 1.2], "running", "streaming", "gap"),
    ([0.1, 1.2], "timeout", "streaming", "gap"),
]


@pytest.mark.parametrize(("times", "status", "mode", "kind"), CASES)
def test_the_times_of_the_chunks_tell_what_to_look_at(
    times: list[float], status: Status, mode: Mode, kind: str | None
) -> None:
    timeline = Timeline()
    for at in times:
        timeline.add(at, 1)
    found = hint(timeline, status=status, mode=mode)
    assert (found and found.kind) == kind


def test_a_response_in_one_piece_is_told_with_its_wait() -> None:
    timeline = Timeline()
    timeline.add(1.84, 5)
    found = hint(timeline, status="success", mode="streaming")
    assert found
    assert found.text.startswith("The whole response left the function in one piece, after 1.84 s of silence")
