"""Streams that continue in another invocation: a producer yields checkpoints to continue from.

    >>> from streamify_server import checkpoint, last_checkpoint, streaming_handler
    >>> @streaming_handler
    ... def export(event, context):
    ...     for number in range(last_checkpoint(context) or 0, 3):
    ...         yield f"{number}\\n"
    ...         yield checkpoint(number + 1)
    >>> export({}, None)
    b'0\\n1\\n2\\n'

Near the deadline, or near the largest allowed size of a response, the stream is handed over at a checkpoint:
the producer is closed, and streamify_client invokes the function again. Callers that did not ask for this get
the stream without checkpoints.
"""

from __future__ import annotations

import json
from _contextvars import ContextVar  # the function may have its own contextvars.py

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATE_LIMIT = 1024  # bytes of a state as JSON

current: ContextVar[Any] = ContextVar("streamify_part", default=None)  # a part set by a unit test


class Checkpoint:
    """The position of a producer; created by `checkpoint`.

    Attributes:
        state: The state, as compact ASCII JSON.
    """

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state: str = state

    def __repr__(self) -> str:
        return f"checkpoint({self.state})"


class StreamHandedOver(BaseException):  # not an error: the way to leave a writer
    """Raised by `stream.checkpoint(state)` in a writer when the stream continues in another invocation."""

    def __init__(self, at: Checkpoint) -> None:
        super().__init__("The stream goes on in another invocation.")
        self.at = at


def checkpoint(state: Any) -> Checkpoint:
    """Return a checkpoint, to be yielded between two chunks.

    An invocation that gets this state from `last_checkpoint` must produce exactly the bytes that would have
    followed.

    Args:
        state: Any JSON value except None, at most 1 KiB as JSON. It is serialized now. It is not secret: it
            travels through the caller.

    Raises:
        TypeError: The state cannot be encoded as JSON.
        ValueError: It is None, larger than 1 KiB as JSON, or holds NaN or an infinity.
    """
    if state is None:
        raise ValueError(
            "A checkpoint's state cannot be None: last_checkpoint returns that in the first part, so the "
            "next part would start again. After the last item, use another state or send no checkpoint."
        )
    try:
        text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    except TypeError as error:
        raise TypeError(f"A checkpoint's state must be a JSON value: {error}.") from None
    if len(text) > STATE_LIMIT:
        raise ValueError(
            f"A checkpoint's state takes {len(text)} bytes as JSON; there is room for {STATE_LIMIT}. Keep "
            "the data where the function finds them again, and only the key here."
        )
    return Checkpoint(text)


def last_checkpoint(context: Any) -> Any:
    """Return the state to continue from; None in the first part of a stream.

    A handler that yields checkpoints must call this before its body begins; otherwise it would start again.

    Args:
        context: The handler's Lambda context.
    """
    part = getattr(context, "_streamify_part", None) or current.get()
    return None if part is None else part.ask()
