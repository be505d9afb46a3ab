"""Probes: test streams that `streamify doctor` requests from a deployed function.

A caller requests one in ``custom["streamify-probe"]`` of the client context, or in the HTTP header
``streamify-probe``: "stream" sends three lines of JSON, `GAP` seconds apart; "error-before" fails before the
first byte, "error-after" after one line. The function's own handler and middlewares do not run.
STREAMIFY_PROBE=off turns it off.
"""

from __future__ import annotations

import json
import os
import time

from .onion import Onion
from .version import version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

CONTENT_TYPE = "application/x-ndjson"
GAP = 0.3  # seconds
LINES = 3


class ProbeError(Exception):
    """The error that a probe requests."""


def probe(mode: str, *, first: bool) -> Onion:
    """Return a handler that answers a probe.

    Args:
        mode: "stream", "error-before" or "error-after".
        first: Whether this is the first invocation of the process.
    """

    def handler(event: Any, context: Any) -> Iterator[str]:
        if os.environ.get("STREAMIFY_PROBE") == "off":
            raise ProbeError("Probes are off: STREAMIFY_PROBE=off.")
        if mode == "error-before":
            raise ProbeError("A probe asked for this error before the first byte.")
        yield from _lines(mode, first)

    return Onion(handler)


def _lines(mode: str, first: bool) -> Iterator[str]:
    for number in range(1, LINES + 1):
        said = {"streamify": version(), "chunk": number, "of": LINES, "first": first}
        yield json.dumps(said) + "\n"
        if mode == "error-after":
            raise ProbeError("A probe asked for this error in mid-stream.")
        if number < LINES:
            time.sleep(GAP)
