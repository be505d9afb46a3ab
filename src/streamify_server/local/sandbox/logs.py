"""The log lines that Lambda writes for an invocation, and the log tail that a caller may request."""

import math

TAIL_BYTES = 4096


def start_line(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}"


def end_line(request_id: str) -> str:
    return f"END RequestId: {request_id}"


def report_line(
    request_id: str,
    *,
    duration: float,
    memory_size: int,
    memory_used: int | None = None,
    init_duration: float | None = None,
    status: str = "success",
    error_type: str | None = None,
) -> str:
    """Return the REPORT line. Arguments are in seconds and MB; the line shows milliseconds."""
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration * 1000:.2f} ms",
        f"Billed Duration: {math.ceil((duration + (init_duration or 0.0)) * 1000)} ms",
        f"Memory Size: {memory_size} MB",
    ]
    if memory_used is not None:
        fields.append(f"Max Memory Used: {memory_used} MB")
    if init_duration is not None:
        fields.append(f"Init Duration: {init_duration * 1000:.2f} ms")
    if status != "success":
        fields.append(f"Status: {status}")
    if status == "error" and error_type:
        fields.append(f"Error Type: {error_type}")
    return "\t".join(fields) + "\t"


class Tail:
    """Keeps the last 4 KB of the added data."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        self._kept += data
        del self._kept[:-TAIL_BYTES]

    def __bytes__(self) -> bytes:
        # awslambdaric writes carriage returns between the lines of a traceback.
        return bytes(self._kept).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
