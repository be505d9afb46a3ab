from pathlib import Path
from typing import Any

import pytest

import streamify_server
from streamify_server.dev.report import Report
from streamify_server.local import Fault
from streamify_server.local.events import FaultInjected, InvocationStarted, LogWritten
from streamify_server.local.stream_parts import StreamPart
from support.waterfalls import HTTP_RESPONSE, VERIFIED, frame, http, invocation

PACKAGE = Path(streamify_server.__file__).parent
RAISED = b'{"errorType": "KeyError", "errorMessage": "\'name\'\\nsecond line"}'
EXITED = (
    b'{"errorType": "Runtime.ExitError", "errorMessage":'
    b' "RequestId: 5b0d4c8e-9a59-4d6f-b1c7-e420d6f3b1c7 Error: Runtime exited"}'
)
ONE = "00000001-5b0d-4c8e-9a59-0d6f3b1c7e42"
HANDED_OVER = [
    (0.05, frame("head", {"contentType": "text/plain"}) + frame("data", b"ab")),
    (0.08, frame("checkpoint", {"token": "AQ", "bytes": 2})),
    (0.09, frame("end", {"bytes": 2, "chunks": 1, "continues": True})),
]
CODE = Path("/home/me/report")
CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"chunks": [(0.05, b"ab"), (0.25, b"c")]},
        "ok      fn  first byte 50 ms  3 bytes in 2 chunks  254 ms  streamed",
    ),
    (
        {"chunks": [(1.5, b"x" * 2000)], "mode": "buffered"},
        "ok      fn  first byte 1.50 s  2.0 kB in 1 chunk  1.50 s  buffered",
    ),
    (
        {"chunks": [(0.02, http(404, "a/b"))], "content_type": HTTP_RESPONSE},
        "404     fn  first byte 20 ms  63 bytes in 1 chunk  24 ms  streamed",
    ),
    (
        {"chunks": [], "status": "error", "error_type": "Function.KeyError", "duration": 0.1},
        "error   fn  no byte  0 bytes in 0 chunks  100 ms  streamed  Function.KeyError",
    ),
    (
        {"chunks": [], "request": "POST /rows", "status": "error", "error": RAISED, "duration": 0.1},
        "error   fn  POST /rows  no byte  0 bytes in 0 chunks  100 ms  streamed  KeyError: 'name'",
    ),
    (
        {
            "chunks": [],
            "status": "error",
            "error_type": "Runtime.ExitError",
            "error": EXITED,
            "duration": 0.1,
        },
        "error   fn  no byte  0 bytes in 0 chunks  100 ms  streamed  Runtime.ExitError: Runtime exited",
    ),
    (
        {"chunks": HANDED_OVER, "content_type": VERIFIED},
        f"ok      fn  part 1 of {ONE}, goes on  first byte 50 ms  247 bytes in 3 chunks  94 ms  streamed",
    ),
    (
        {"chunks": HANDED_OVER, "content_type": VERIFIED, "request": "X", "part": StreamPart(2, ONE)},
        f"ok      fn  X  part 2 of {ONE}, goes on  first byte 50 ms  247 bytes in 3 chunks  94 ms  streamed",
    ),
    (
        {"chunks": [(0.05, b"ab")], "part": StreamPart(3, ONE)},
        f"ok      fn  part 3 of {ONE}  first byte 50 ms  2 bytes in 1 chunk  54 ms  streamed",
    ),
    (
        {"chunks": [(0.1, b"a")], "status": "timeout", "error_type": "Sandbox.Timedout", "duration": 3.0},
        "timeout fn  first byte 100 ms  1 byte in 1 chunk  3.00 s  streamed  Sandbox.Timedout",
    ),
]


def printed(*events: Any, functions: tuple[str, ...] = ("fn",)) -> list[str]:
    lines: list[str] = []
    report = Report(lines.append, lambda text, colour: text, dict.fromkeys(functions, CODE))
    for event in events:
        report.observe(event)
    return lines


@pytest.mark.parametrize(("case", "line"), CASES)
def test_an_invocation_is_one_line(case: dict[str, Any], line: str) -> None:
    assert printed(*invocation(1, 100.0, function="fn", **case)) == [line]


def test_logs_are_printed_without_the_lines_of_lambda_itself() -> None:
    request_id = "5b0d4c8e-9a59-4d6f-b1c7-e420d6f3b1c7"
    lines = [
        "hello",
        f"START RequestId: {request_id} Version: $LATEST",
        f"END RequestId: {request_id}",
        "END",
        "[WARNING]\t2026-11-26T04:45:01.334Z\t\tLAMBDA_WARNING: Unhandled exception. The most likely cause",
    ]
    assert printed(*(LogWritten("fn", 1.0, line) for line in lines)) == ["│ hello", "│ END"]


RECORD = [
    "[ERROR] ValueError: no rows",
    "in the report",
    "Traceback (most recent call last):",
    '\xa0\xa0File "/venv/lib/python3.13/site-packages/awslambdaric/bootstrap.py", line 170, in handle',
    "\xa0\xa0\xa0\xa0response = handler(event)",
    f'\xa0\xa0File "{PACKAGE}/handler.py", line 9, in call',
    "\xa0\xa0\xa0\xa0return run()",
    '\xa0\xa0File "/home/me/report/app.py", line 5, in handler',
    "\xa0\xa0\xa0\xa0yield from rows()",
    '\xa0\xa0File "/home/me/report/lib/rows.py", line 2, in rows',
    "\xa0\xa0\xa0\xa0return json.loads(text)",
    "\xa0\xa0\xa0\xa0       ^^^^^^^^^^",
    '\xa0\xa0File "/opt/lib/json/__init__.py", line 346, in loads',
    "\xa0\xa0\xa0\xa0return decode(text)",
    '\xa0\xa0File "/opt/lib/json/decoder.py", line 3, in decode',
    "\xa0\xa0\xa0\xa0raise ValueError()",
]
SHOWN = [
    "│ ValueError: no rows",
    "│ in the report",
    "│   lib/rows.py:2 in rows",
    "│       return json.loads(text)",
    "│       ^^^^^^^^^^",
    "│   app.py:5 in handler",
    "│       yield from rows()",
    "│   raised in /opt/lib/json/__init__.py:346 in loads > /opt/lib/json/decoder.py:3 in decode",
]


def log(*lines: str, function: str = "fn", request: str | None = "1") -> list[Any]:
    return [LogWritten(function, 1.0, line, request) for line in lines]


def test_a_traceback_begins_with_the_functions_own_frames() -> None:
    assert printed(*log(*RECORD, "printed after it")) == [*SHOWN, "│ printed after it"]


def test_an_error_is_shown_before_the_line_of_its_invocation() -> None:
    begin, end = invocation(1, 100.0, [], function="fn", status="error", error=RAISED)
    assert isinstance(begin, InvocationStarted)
    lines = printed(begin, *log(*RECORD, request=begin.request_id), end)
    assert lines[:-1] == SHOWN
    assert lines[-1].startswith("error   fn  no byte")


def test_two_tracebacks_at_the_same_time_are_kept_apart() -> None:
    pairs = zip(log(*RECORD, request="1"), log(*RECORD, request="2"), strict=True)
    mixed = [event for pair in pairs for event in pair]
    assert printed(*mixed, *log("end", request="1"), *log("end", request="2")) == [*SHOWN, "│ end"] * 2


def test_an_error_without_a_frame_of_the_function_is_shown_whole() -> None:
    record = [RECORD[0], *RECORD[2:7]]
    assert printed(*log(*record, "end")) == [
        "│ ValueError: no rows",
        "│   streamify_server/handler.py:9 in call",
        "│       return run()",
        "│   /venv/lib/python3.13/site-packages/awslambdaric/bootstrap.py:170 in handle",
        "│       response = handler(event)",
        "│ end",
    ]


def test_what_was_printed_without_a_line_end_stands_before_the_error() -> None:
    assert printed(*log("loading..." + RECORD[0], *RECORD[2:], "end")) == [
        "│ loading...", SHOWN[0], *SHOWN[2:], "│ end"
    ]  # fmt: skip


def test_a_line_that_only_mentions_an_error_is_a_line() -> None:
    lines = ["a [ERROR] b", "[ERROR]\t2026-11-26T00:00:00Z\tid\tc", "d"]
    assert printed(*log(*lines)) == [f"│ {line}" for line in lines]


def test_lines_of_several_functions_say_whose_they_are() -> None:
    events = [*log("one", function="a"), *log("two", function="b")]
    assert printed(*events, functions=("a", "b")) == ["a │ one", "b │ two"]


def test_what_a_fault_did_is_a_line() -> None:
    event = FaultInjected("fn", "1", 1.0, Fault(drop_end=True), "sent no end event")
    assert printed(event) == ["fault   fn  sent no end event"]
