"""What is known once a stream is over."""

from dataclasses import dataclass

from ._attempts import Attempts


@dataclass(frozen=True, slots=True)
class Part:
    """One invocation of a stream.

    Attributes:
        request_id: AWS's id of the request.
        executed_version: The version of the function that ran.
        bytes_received: Bytes of the body that it brought.
        duration: Seconds from its request to its end.
    """

    request_id: str | None
    executed_version: str | None
    bytes_received: int
    duration: float


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What is known once a stream is over.

    Attributes:
        bytes_received: Bytes of the body.
        chunks: How many pieces they came in.
        time_to_first_byte: Seconds from the opening to the body's first byte; None if none came.
        duration: Seconds from the opening to the end.
        verified: Whether the function's side confirmed that the stream is whole.
        attempts: How many invocations were tried before the first byte, and why.
        parts: The invocations that brought the body, in order: one, unless the function handed over or was
            cut off and resumed.
        log_tail: The end of the function's log, if ``log_tail=True`` asked for it.
        request_id: AWS's id of the request.
    """

    bytes_received: int
    chunks: int
    time_to_first_byte: float | None
    duration: float
    verified: bool
    attempts: Attempts
    parts: tuple[Part, ...]
    log_tail: str | None
    request_id: str | None
