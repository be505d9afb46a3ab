"""Invocations of every shape, as the emulator's events."""

import json
from collections.abc import Iterator
from typing import Any

from streamify_server.local.events import (
    ChunkProduced,
    Event,
    InvocationEnded,
    InvocationStarted,
    LogWritten,
    Mode,
    ResponseStarted,
    Status,
)
from streamify_server.local.stream_parts import StreamPart
from streamify_server.wire.frames import encode_frame

TEXT = "text/plain; charset=utf-8"


def invocation(
    number: int,
    start: float,
    chunks: list[tuple[float, bytes]],
    *,
    function: str = "assistant",
    mode: Mode = "streaming",
    payload: bytes = b'{"prompt": "hi"}',
    content_type: str = TEXT,
    status: Status = "success",
    error_type: str | None = None,
    duration: float | None = None,
    error: bytes = b"",
    request: str = "",
    log: list[tuple[float, str]] | None = None,
    part: StreamPart | None = None,
) -> Iterator[Event]:
    """The events of one invocation; times of chunks and log lines are seconds since its start."""
    request_id = f"{number:08x}-5b0d-4c8e-9a59-0d6f3b1c7e42"
    yield InvocationStarted(function, request_id, start, mode, payload, request, part)
    if chunks:
        yield ResponseStarted(function, request_id, start + chunks[0][0], content_type)
    for at, data in chunks:
        yield ChunkProduced(function, request_id, start + at, len(data), data)
    for at, line in log or []:
        yield LogWritten(function, start + at, line, request_id)
    if status != "running":
        over = duration if duration is not None else (chunks[-1][0] if chunks else 0.0) + 0.004
        size = sum(len(data) for _, data in chunks)
        totals = (size, len(chunks), over)
        yield InvocationEnded(function, request_id, start + over, status, error_type, *totals, error)


def http(status: int, content_type: str) -> bytes:
    """An HTTP prelude."""
    return json.dumps({"statusCode": status, "headers": {"content-type": content_type}}).encode() + bytes(8)


def frame(kind: str, payload: Any) -> bytes:
    """A frame of a verified stream."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return encode_frame([(":event-type", kind)], data)


ANSWER = (
    "Response streaming sends each part of an answer as soon as it is made, so a reader sees the first"
    " words after a few hundred milliseconds and not after the last one. Auf Deutsch, στα ελληνικά, "
    "по-русски. A function that collects its rows before it yields them looks like a cliff here, however"
    " it is deployed; one that truly streams looks like a staircase. <script>alert('a chunk is"
    " text')</script> is five tokens."
)
VERIFIED = "application/vnd.streamify.eventstream"
HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"


def tokens(text: str) -> list[bytes]:
    """A text in pieces of about a word, as a language model sends it."""
    words = text.split(" ")
    return [(word + " ").encode() for word in words[:-1]] + [words[-1].encode()]


def answer() -> list[tuple[float, bytes]]:
    """The text above as a model sends it, with one long pause for thought."""
    at, chunks = 0.412, []
    for index, token in enumerate(tokens(ANSWER)):
        chunks.append((at, token))
        at += 0.021 + 0.013 * (index * 7 % 5) + (1.34 if index == 27 else 0)
    return chunks


def platform(number: int, duration: float) -> list[tuple[float, str]]:
    """The lines that Lambda writes around an invocation."""
    request = f"RequestId: {number:08x}-5b0d-4c8e-9a59-0d6f3b1c7e42"
    report = (
        f"REPORT {request}\tDuration: {duration * 1000:.2f} ms\tMemory Size: 128 MB\tMax Memory Used: 61 MB\t"
    )
    return [(0.0, f"START {request} Version: $LATEST"), (duration, f"END {request}"), (duration, report)]


def broken_stream() -> dict[str, Any]:
    """A verified stream whose handler raised in the middle."""
    error = {
        "errorType": "ConnectionResetError",
        "errorMessage": "the model hung up after 18 tokens",
        "stackTrace": [
            '  File "/home/me/app.py", line 31, in handler\n    yield from answer(event["prompt"])\n',
            '  File "/home/me/model.py", line 88, in answer\n    raise ConnectionResetError(...)\n',
        ],
    }
    words = tokens(ANSWER)[:18]
    chunks = [(0.21, frame("head", {"contentType": TEXT}))]
    chunks += [(0.31 + 0.06 * index, frame("data", word)) for index, word in enumerate(words)]
    chunks += [(1.52, frame("error", error))]
    trace = [line for element in error["stackTrace"] for line in element.splitlines()]
    said = f"[ERROR] {error['errorType']}: {error['errorMessage']}"
    log = [(0.2, "asking the model"), (1.5, said), *((1.5, line) for line in trace)]
    return {"chunks": chunks, "log": log, "content_type": VERIFIED}


def gallery(now: float) -> Iterator[Event]:
    """What an afternoon of development looks like: every shape once."""
    rows = [(2.31 + index * 0.0004, b"%d,LHR,51.4775,-0.4614\n" % index) for index in range(40)]
    yield from invocation(1, now - 95, rows, function="report", content_type="text/csv")
    whole = [(1.84, b'{"answer": 42}' * 300)]
    yield from invocation(2, now - 71, whole, function="classic", content_type="application/json")
    page = [(0.031, http(200, "text/html")), (0.034, b"<!doctype html>")]
    page += [(0.05 + 0.06 * index, b"<li>row</li>" * 90) for index in range(14)]
    yield from invocation(3, now - 55, page, function="page", content_type=HTTP_RESPONSE)
    raised = b'{"errorType": "ValueError", "errorMessage": "rows must be positive"}'
    options: dict[str, Any] = {"status": "error", "error_type": "Function.ValueError", "error": raised}
    log = [(0.011, "rows requested: -5"), (0.05, "[ERROR] ValueError: rows must be positive")]
    yield from invocation(
        4, now - 47, [], function="report", duration=0.052, request="POST /reports", log=log, **options
    )
    yield from invocation(
        10, now - 44, function="assistant", request="POST /chat", status="error",
        error_type="Function.ConnectionResetError", duration=1.53, **broken_stream(),
    )  # fmt: skip
    ticks = [(0.2 * index, b"tick\n") for index in range(1, 11)]
    yield from invocation(
        5, now - 40, ticks, function="ticker", status="timeout", error_type="Sandbox.Timedout", duration=3.0
    )
    missing = [(0.02, http(404, "text/plain")), (0.021, b"no such page\n")]
    yield from invocation(
        6,
        now - 33,
        missing,
        function="page",
        content_type=HTTP_RESPONSE,
        request="GET /reports/2026/november",
    )
    blocks = [(0.01 + 0.002 * index, b"x" * 4096) for index in range(400)]
    yield from invocation(
        7, now - 25, blocks, function="export", mode="buffered", content_type="application/octet-stream"
    )
    ended = 5.05
    begun, *over = platform(8, ended)
    said = [
        (0.05, "prompt of 2 characters"),
        (0.41, "first token"),
        (1.66, "the model pauses"),
        (3.06, "it goes on"),
    ]
    yield from invocation(
        8, now - 12, answer(), request="POST /chat", duration=ended, log=[begun, *said, *over]
    )
    yield from invocation(9, now - 1.2, answer()[:12], status="running")
