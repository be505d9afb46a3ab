from typing import Any

import pytest

from streamify_server.dev.report import Report
from streamify_server.local.events import LogWritten
from support.waterfalls import HTTP_RESPONSE, http, invocation

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
        {"chunks": [(0.1, b"a")], "status": "timeout", "error_type": "Sandbox.Timedout", "duration": 3.0},
        "timeout fn  first byte 100 ms  1 byte in 1 chunk  3.00 s  streamed  Sandbox.Timedout",
    ),
]


def printed(*events: Any) -> list[str]:
    lines: list[str] = []
    report = Report(lines.append, lambda text, colour: text)
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
    ]
    assert printed(*(LogWritten("fn", 1.0, line) for line in lines)) == ["│ hello", "│ END"]
