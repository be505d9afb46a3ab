"""The function of the fault matrix: it streams a known body as far as told, and then goes wrong as told."""

import io
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from streamify_server import HttpResponse, streaming_handler

ROWS = [(number, name) for number, name in enumerate(["Zoë", "日本", "Ωμέγα", "naïve", "😀", "plain"] * 3)]
PIECE = 50  # bytes in a chunk of the body
CONTENT_TYPES = {
    "text": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
}


def body(kind: str) -> bytes:
    """The whole body: the rows as CSV, as JSON Lines, or as an Arrow stream."""
    if kind == "jsonl":
        return "".join(
            json.dumps({"number": n, "name": s}, ensure_ascii=False) + "\n" for n, s in ROWS
        ).encode()
    if kind == "arrow":
        return _arrow()
    return ("number,name\n" + "".join(f"{number},{name}\n" for number, name in ROWS)).encode()


def _arrow() -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    table = pa.table({"number": [n for n, _ in ROWS], "name": [s for _, s in ROWS]})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=6)
    return sink.getvalue()


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Any:
    """Stream `kind`, as HTTP or bare; after `after` bytes, do what `fault` says (before returning: -1)."""
    if "body" in event:  # as a Function URL sends it
        event = json.loads(event["body"])
    if event["after"] == -1:
        go_wrong(event["fault"])
    if event["http"]:
        return HttpResponse(200, {"content-type": CONTENT_TYPES[event["kind"]]}, body=pieces(event))
    return pieces(event)


def pieces(event: dict[str, Any]) -> Iterator[bytes]:
    """The body in pieces, up to where it goes wrong."""
    whole = body(event["kind"])
    end = len(whole) if event["fault"] is None else event["after"]
    for start in range(0, end, PIECE):
        yield whole[start : min(start + PIECE, end)]
    go_wrong(event["fault"])


def go_wrong(fault: str | None) -> None:
    """Raise, leave, die or hang."""
    if fault == "raise":
        raise LookupError("the rows are gone")
    if fault == "exit":
        os._exit(7)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "timeout":
        time.sleep(60)
