"""What LocalLambda remembers is bounded, whatever it is sent and whatever is printed."""

import base64
import sys
from pathlib import Path

from streamify_server.local import InvocationStarted, LocalLambda, LogWritten
from streamify_server.local.events import History
from support.local import boto3_client, invoke


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


def test_the_oldest_lines_are_forgotten_when_they_are_too_many_or_too_long_together() -> None:
    few, short = History(lines=2), History(line_characters=10)
    for line in ("first", "second", "third", "4th"):
        few.observe(LogWritten("fn", 0.0, line))
        short.observe(LogWritten("fn", 0.0, line))
    assert (few.logs("fn"), short.logs("fn")) == (["third", "4th"], ["third", "4th"])


RAISES = """
print("loading")
def handler(event, context):
    print("called", end="")
    return event["name"]
"""


def test_a_traceback_is_told_line_by_line_with_the_invocation_it_belongs_to(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(RAISES)
    lines: list[str] = []
    written: list[LogWritten] = []
    with LocalLambda(log=lines.append) as aws:
        aws.subscribe(lambda event: written.append(event) if isinstance(event, LogWritten) else None)
        aws.add_function("fn", handler="app.handler", code=tmp_path, timeout=30)
        client = boto3_client(aws)
        answers = [invoke(client, name="fn", LogType="Tail") for _ in range(2)]
        client.close()
        ids = [record.request_id for record in aws.invocations("fn")]
        assert lines == aws.logs("fn")
    assert not [line for line in lines if "\r" in line or "\n" in line]
    assert "called[ERROR] KeyError: 'name'" in lines
    assert any('app.py", line 5, in handler' in line for line in lines)
    assert written[0].line == "loading"
    assert {event.request_id for event in written} == set(ids)
    assert [event.request_id for event in written if event.line.startswith("REPORT")] == ids
    assert "\r" not in base64.b64decode(answers[1]["LogResult"]).decode()


def test_a_line_that_never_ends_is_told_in_pieces_and_loses_nothing(tmp_path: Path) -> None:
    size = 1_000_000
    program = f"import sys; sys.stdout.write('x' * {size}); sys.stdout.write('end')"
    with LocalLambda() as aws:
        aws.add_function("endless", command=[sys.executable, "-c", program], code=tmp_path)
        client = boto3_client(aws)
        invoke(client, name="endless")
        client.close()
        pieces = [line for line in aws.logs("endless") if line.startswith("x") or line == "end"]
    assert "".join(pieces) == "x" * size + "end"
    assert len(pieces) >= 3
    assert max(map(len, pieces)) < 400_000
