"""Request ids and X-Ray trace headers."""

import os
import re
import time
import uuid

_ROOT = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;|$)")


def new_request_id() -> str:
    """Return a new request id."""
    return str(uuid.uuid4())


def trace_header(given: str | None) -> str:
    """Return the caller's trace header if it is valid, else one for a new, unsampled trace.

    See https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader.
    """
    if given and _ROOT.match(given):
        return given
    random = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{random[:24]};Parent={random[24:]};Sampled=0"
