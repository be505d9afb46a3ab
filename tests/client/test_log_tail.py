"""What a log's end tells of an invocation."""

import pytest

from streamify_client._log_tail import find_failure

ID = "RequestId: 5f1e7b4c-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (f"START {ID}\nREPORT {ID}\tDuration: 3000.00 ms\tStatus: timeout\n", ("timeout", None)),
        (
            f"REPORT {ID}\tDuration: 1 ms\tStatus: error\tError Type: Runtime.Unhandled\t\n",
            ("error", "Runtime.Unhandled"),
        ),
        (
            '{"time": "t", "type": "platform.report", "record": {"status": "timeout", "metrics": {}}}\n',
            ("timeout", None),
        ),
        (
            '{"type": "platform.report", "record": {"status": "failure", "errorType": "Runtime.ExitError"}}',
            ("error", "Runtime.ExitError"),
        ),
    ],
)
def test_a_failure_is_found(log: str, expected: tuple[str, str | None]) -> None:
    failure = find_failure(log)
    assert failure is not None
    assert (failure.status, failure.error_type) == expected


@pytest.mark.parametrize(
    "log",
    [
        "",
        f"REPORT {ID}\tDuration: 3 ms\tBilled Duration: 4 ms\n",
        "REPORT of the sales team: Status: error\n",
        f"something {ID} Status: timeout",
        '{"type": "platform.report", "record": {"status": "success"}}',
        '{"type": "platform.report", "record": null}',
        '{"message": "platform.report", "status": "timeout"}',
        '"platform.report',
        '["platform.report"]',
    ],
)
def test_what_tells_of_no_failure_is_left_alone(log: str) -> None:
    assert find_failure(log) is None
