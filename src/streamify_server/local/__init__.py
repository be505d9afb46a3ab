"""LocalLambda, an emulator of Lambda on 127.0.0.1: the Lambda API, the Runtime API, function processes."""

from .events import (
    ChunkProduced,
    Event,
    FaultInjected,
    InvocationEnded,
    InvocationRecord,
    InvocationStarted,
    LogWritten,
    ResponseStarted,
)
from .faults import Fault
from .fronts.cors import Cors
from .local_lambda import LocalLambda
from .stream_parts import StreamPart

__all__ = [
    "ChunkProduced",
    "Cors",
    "Event",
    "Fault",
    "FaultInjected",
    "InvocationEnded",
    "InvocationRecord",
    "InvocationStarted",
    "LocalLambda",
    "LogWritten",
    "ResponseStarted",
    "StreamPart",
]
