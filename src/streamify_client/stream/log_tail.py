"""What the end of a function's log says about how the invocation ended.

Lambda's last line for an invocation is ``REPORT RequestId: ...``, with a ``Status:`` if it went wrong;
functions that log JSON have a ``platform.report`` record instead. Source:
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html
"""

import json
import re
from dataclasses import dataclass
from typing import Any

_REPORT = re.compile(
    r"REPORT RequestId: (?P<id>\S+)\s.*?"
    r"\bStatus: (?P<status>timeout|error)\b(?:\s+Error Type: (?P<type>\S+))?"
)


@dataclass(frozen=True, slots=True)
class ReportedFailure:
    """A failure that Lambda wrote into the log.

    Attributes:
        status: ``timeout`` or ``error``.
        error_type: What kind of error, if it says so.
        line: The log line.
    """

    status: str
    error_type: str | None
    line: str


def find_failure(log_tail: str, request_id: str) -> ReportedFailure | None:
    """Return the failure that a log's end tells of this invocation, or None.

    The log may hold reports of other invocations: a function that forwards logs prints them.
    """
    for line in log_tail.splitlines():
        report = _REPORT.match(line)
        if report and report["id"] == request_id:
            return ReportedFailure(report["status"], report["type"], line.strip())
        if "platform.report" in line and (failure := _from_json(line, request_id)):
            return failure
    return None


def _from_json(line: str, request_id: str) -> ReportedFailure | None:
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or entry.get("type") != "platform.report":
        return None
    record = entry.get("record")
    if not isinstance(record, dict) or record.get("requestId") != request_id:
        return None
    if (status := record.get("status")) not in ("timeout", "error", "failure"):
        return None
    error_type = record.get("errorType")
    return ReportedFailure(
        "timeout" if status == "timeout" else "error",
        error_type if isinstance(error_type, str) else None,
        line.strip(),
    )
