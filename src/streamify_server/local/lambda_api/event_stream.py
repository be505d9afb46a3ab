"""The event stream of a streamed invocation, encoded as AWS does it."""

import base64
import json
from collections.abc import AsyncIterator

from streamify_server.local.delivery import Delivery
from streamify_server.local.faults import Fault, Splitter
from streamify_server.local.invocation import Invocation, Outcome
from streamify_server.wire.frames import encode_frame

try:
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"


# The bytes of a PayloadChunk before its payload, and their checksum, by the size of the payload.
_heads: dict[int, tuple[bytes, int]] = {}
_HEADS = 1024


def payload_chunk(data: bytes) -> bytes:
    """Return a PayloadChunk frame, with the headers in AWS's order."""
    head = _heads.get(len(data))
    if head is None:
        begun = _event("PayloadChunk", "application/octet-stream", data)[: -4 - len(data) or None]
        head = begun, crc32(begun)
        if len(_heads) < _HEADS:
            _heads[len(data)] = head
    begun, checksum = head
    return b"%b%b%b" % (begun, data, crc32(data, checksum).to_bytes(4))


def invoke_complete(**fields: str) -> bytes:
    """Return an InvokeComplete frame; the fields are ErrorCode, ErrorDetails and LogResult."""
    return _event("InvokeComplete", "application/json", json.dumps(fields).encode())


def exception_frame(kind: str, message: str) -> bytes:
    """Return a frame for a modelled exception (https://smithy.io/2.0/aws/amazon-eventstream.html)."""
    headers = [
        (":exception-type", kind),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ]
    return encode_frame(headers, json.dumps({"message": message}).encode())


def error_frame(code: str, message: str) -> bytes:
    """Return a frame for an unmodelled error, which has no payload."""
    return encode_frame([(":error-code", code), (":error-message", message), (":message-type", "error")], b"")


def _event(event: str, content_type: str, payload: bytes) -> bytes:
    headers = [(":event-type", event), (":content-type", content_type), (":message-type", "event")]
    return encode_frame(headers, payload)


async def frames(
    invocation: Invocation, documented: bool, delivery: Delivery, content_type: str
) -> AsyncIterator[list[bytes]]:
    """Yield all frames of a streamed invocation as they are produced; those of one read as one list."""
    fault = delivery.fault
    splitter = Splitter(fault.reframe, fault.seed) if fault.reframe else None
    async for batch in delivery.pieces(invocation.batches(), content_type):
        if splitter:
            batch = [part for piece in batch for part in splitter.feed(piece)]
        yield [payload_chunk(piece) for piece in batch]
    if splitter:
        yield [payload_chunk(part) for part in splitter.flush()]
    if delivery.cut_here:
        return
    outcome = await invocation.result()
    last = _ending(outcome, invocation, documented, fault)
    if outcome.status != "success" and not documented and not outcome.in_response:
        last.insert(0, payload_chunk(outcome.error))
    yield last


def _ending(outcome: Outcome, invocation: Invocation, documented: bool, fault: Fault) -> list[bytes]:
    """Return the end event, or what a fault sends instead.

    As captured on AWS, a failed stream ends like a complete one, and an error instead of a response is sent
    as its payload. As documented by AWS, the end event contains the error.
    """
    if fault.exception:
        return [exception_frame(*fault.exception)]
    if fault.error_frame:
        return [error_frame(*fault.error_frame)]
    if fault.drop_end:
        return []
    fields = {}
    if outcome.status != "success" and documented:
        fields["ErrorCode"] = outcome.error_type or "Runtime.Unknown"
        fields["ErrorDetails"] = outcome.error.decode("utf-8", "replace")
    if fault.error_code is not None:
        fields["ErrorCode"] = fault.error_code
    if fault.error_details is not None:
        fields["ErrorDetails"] = fault.error_details
    if invocation.call.tail:
        fields["LogResult"] = base64.b64encode(invocation.log_tail).decode()
    return [invoke_complete(**fields)]
