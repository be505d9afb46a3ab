"""What a log's end tells of an invocation."""

import pytest

from streamify_client.stream.log_tail import find_failure

REQUEST = "5f1e7b4c-0000-4000-8000-000000000000"
ID = f"RequestId: {REQUEST}"
RECORD = f'{{"type": "platform.report", "record": {{"requestId": "{REQUEST}", %s}}}}'


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (f"START {ID}\nREPORT {ID}\tDuration: 3000.00 ms\tStatus: timeout\n", ("timeout", None)),
        (
            f"REPORT {ID}\tDuration: 1 ms\tStatus: error\tError Type: Runtime.Unhandled\t\n",
            ("error", "Runtime.Unhandled"),
        ),
        (
            "first line\n" + RECORD % '"status": "timeout", "metrics": {}' + "\n",
            ("timeout", None),
        ),
        (
            RECORD % '"status": "failure", "errorType": "Runtime.ExitError"',
            ("error", "Runtime.ExitError"),
        ),
    ],
)
def test_a_failure_is_found(log: str, expected: tuple[str, str | None]) -> None:
    failure = find_failure(log, REQUEST)
    assert failure is not None
    assert (failure.status, failure.error_type) == expected


@pytest.mark.parametrize(
    "log",
    [
        "",
        f"REPORT {ID}\tDuration: 3 ms\tBilled Duration: 4 ms\n",
        "REPORT of the sales team: Status: error\n",
        f"something {ID} Status: timeout",
        RECORD % '"status": "success"',
        RECORD.replace(REQUEST, "another") % '"status": "timeout"',
        '{"type": "platform.report", "record": {"status": "timeout"}}',
        "REPORT RequestId: another\tDuration: 3000.00 ms\tStatus: timeout\n",
        f"REPORT RequestId: another\tStatus: timeout {ID}\tStatus: timeout\n",
        f"REPORT RequestId: another\tStatus: timeout\nREPORT {ID}\tDuration: 1 ms\n",
        '{"type": "platform.report", "record": null}',
        '{"message": "platform.report", "status": "timeout"}',
        '"platform.report',
        '["platform.report"]',
    ],
)
def test_what_tells_of_no_failure_is_left_alone(log: str) -> None:
    assert find_failure(log, REQUEST) is None
