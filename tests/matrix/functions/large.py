"""Streams a megabyte of lines and goes wrong, before or after it."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from streamify_server import streaming_handler

LINE = '{"n": 1}\n'


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Yield a megabyte if `late`, then do what `fault` says."""
    if event["late"]:
        for _ in range(16):
            yield LINE * 7300
    match event["fault"]:
        case "raise":
            raise LookupError("the rows are gone")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "deadline":
            time.sleep(60)
    yield ""
