"""What LocalLambda remembers is bounded, whatever it is sent and whatever is printed."""

from streamify_server.local import InvocationStarted
from streamify_server.local.events import History


def started(number: int, size: int, function: str = "fn") -> InvocationStarted:
    return InvocationStarted(function, str(number), 0.0, "buffered", b"x" * size)


def remembered(history: History, function: str = "fn") -> list[str]:
    return [record.request_id for record in history.invocations(function)]


def test_the_oldest_invocations_are_forgotten_when_there_are_too_many() -> None:
    history = History(invocations=2)
    for number in range(4):
        history.observe(started(number, 1))
    assert remembered(history) == ["2", "3"]


def test_the_oldest_invocations_are_forgotten_when_their_payloads_are_too_large_together() -> None:
    history = History(payload_bytes=100)
    for number in range(50):
        history.observe(started(number, 40))
    history.observe(started(50, 100, "other"))
    assert (remembered(history), remembered(history, "other")) == (["48", "49"], ["50"])
