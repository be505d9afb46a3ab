"""For unit tests: call a streaming handler and inspect what it would send.

>>> from streamify_server import streaming_handler
>>> from streamify_server.testing import invoke
>>> @streaming_handler
... def handler(event, context):
...     yield "one"
...     raise ValueError("in the middle")
>>> result = invoke(handler, {}, raise_errors=False)
>>> result.chunks, result.content_type, result.error
([b'one'], 'text/plain; charset=utf-8', ValueError('in the middle'))
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from streamify_server.engine.part import Part

from . import checkpoints
from .checkpoints import Checkpoint
from .posting import posting_through
from .response import PRELUDE_END, Headers


@dataclass(frozen=True, slots=True)
class Result:
    """What a handler sent.

    Attributes:
        chunks: The chunks of the body, as they would be sent.
        content_type: Content type of the response; None if it failed before its first byte.
        status_code: HTTP status; None for a bare stream.
        headers: HTTP headers; names are case-insensitive.
        cookies: Complete Set-Cookie values.
        error: With `raise_errors=False`, what the handler, a middleware or a body raised; None if the
            response is complete.
        value: What the handler returned if the response is buffered, as for an event of a load balancer.
        checkpoints: The states of the checkpoints that the handler reached after its first chunk.
    """

    chunks: list[bytes] = field(default_factory=list)
    content_type: str | None = None
    status_code: int | None = None
    headers: Headers = field(default_factory=Headers)
    cookies: list[str] = field(default_factory=list)
    error: Exception | None = None
    value: Any = None
    checkpoints: list[Any] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """All chunks joined."""
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Context:
    """A Lambda context with made-up values and a running clock; accepts more attributes."""

    aws_request_id: str = "00000000-0000-0000-0000-000000000000"
    function_name: str = "test"
    function_version: str = "$LATEST"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"
    memory_limit_in_mb: str = "128"
    log_group_name: str = "/aws/lambda/test"
    log_stream_name: str = "test"
    client_context: Any = None
    identity: Any = None
    tenant_id: str | None = None
    timeout: float = 60.0
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda would kill the function."""
        return max(0, int((self.started + self.timeout - time.monotonic()) * 1000))


class _Recorder:
    """A poster and sink that records what it is given."""

    full = False

    def __init__(self) -> None:
        self.content_type: str | None = None
        self.prelude = b""
        self.chunks: list[bytes] = []
        self.checkpoints: list[Any] = []

    def open(self, content_type: str, prelude: bytes) -> _Recorder:
        self.content_type = content_type
        self.prelude = prelude
        return self

    def write(self, data: bytes) -> None:
        self.chunks.append(data)

    async def drained(self) -> None:
        pass

    goes_on = True

    def forward(self, at: Checkpoint, *, waits: bool) -> None:
        self.checkpoints.append(json.loads(at.state))

    def end(self) -> None:
        pass

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        if last and self.content_type is not None:
            self.chunks.append(last)


@contextmanager
def _going_on(event: Any, context: Any, state: Any) -> Iterator[None]:
    """Provide a state for the handler to continue from."""
    if state is None:
        yield
        return
    part = Part(event, context, None)
    part.resume_at(checkpoints.checkpoint(state).state)
    token = checkpoints.current.set(part)
    try:
        yield
    finally:
        checkpoints.current.reset(token)


def invoke(
    handler: Callable[[Any, Any], Any],
    event: Any = None,
    context: Any = None,
    *,
    checkpoint: Any = None,
    raise_errors: bool = True,
) -> Result:
    """Call a streaming handler as the runtime would, and collect what it sends.

    Args:
        handler: A handler made by `@streaming_handler`.
        event: The event.
        context: The Lambda context; by default one with a minute left (or use `Context(timeout=...)`).
        checkpoint: The state for `last_checkpoint` to return, as in a later part of a stream.
        raise_errors: Whether to raise what the handler, a middleware or a body raises; False puts it into the
            result, together with what was sent before.

    Returns:
        Everything that was sent, and the error that ended it, if any.
    """
    recorder = _Recorder()
    error: Exception | None = None
    value = None
    context = Context() if context is None else context
    try:
        with posting_through(recorder), _going_on(event, context, checkpoint):
            value = handler(event, context)
    except Exception as raised:
        if raise_errors:
            raise
        error = raised
    metadata = json.loads(recorder.prelude.removesuffix(PRELUDE_END)) if recorder.prelude else {}
    headers = dict(metadata.get("headers", {}))
    several = {name: list(values) for name, values in metadata.get("multiValueHeaders", {}).items()}
    cookies = metadata.get("cookies", []) + several.pop("set-cookie", [])
    headers |= {name: ", ".join(values) for name, values in several.items()}
    kind = recorder.content_type
    if metadata:
        kind = next((text for name, text in headers.items() if name.lower() == "content-type"), None)
    return Result(
        recorder.chunks,
        kind,
        metadata.get("statusCode"),
        Headers(headers),
        cookies,
        error,
        value,
        recorder.checkpoints,
    )
