"""What is known once a stream is over."""

from dataclasses import dataclass

from ._attempts import Attempts


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What is known once a stream is over.

    Attributes:
        bytes_received: Bytes of the body.
        chunks: How many pieces they came in.
        time_to_first_byte: Seconds from the opening to the body's first byte; None if none came.
        duration: Seconds from the opening to the end.
        verified: Whether the function's side confirmed that the stream is whole.
        attempts: How many invocations were tried, and why.
        log_tail: The end of the function's log, if ``log_tail=True`` asked for it.
        request_id: AWS's id of the request.
    """

    bytes_received: int
    chunks: int
    time_to_first_byte: float | None
    duration: float
    verified: bool
    attempts: Attempts
    log_tail: str | None
    request_id: str | None
