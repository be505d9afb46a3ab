"""What a team that comes from middy counts on, line by line, in a real runtime process.

The list is that of the streaming tests of @middy/core 7.9.2, and of what falls short there.
"""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.runtime_api import Post, Runtime, RuntimeApi, Script, running

APP = '''
import asyncio, io, json, os, tempfile
from streamify_server import HttpResponse, streaming_handler

MIB = "0123456789abcdef" * 65536


def handler(event, context):
    """Hands each event to the streaming handler that it names."""
    return globals()[event["do"]](event, context)


def say(*words):
    print(*words, flush=True)


class Hooks:
    def before_prefetch(self): say("prefetch")
    def request_start(self, request): say("request_start", request.event.get("tag"))
    def before_middleware(self, name): say("before_middleware", name)
    def after_middleware(self, name): say("after_middleware", name)
    def before_handler(self): say("before_handler")
    def after_handler(self): say("after_handler")
    async def request_end(self, request):
        say("request_end", request.stream_end.error, request.stream_end.bytes_sent)
        if request.event.get("end_fails"):
            raise RuntimeError("the end failed")


async def async_pieces(whole, size=65536):
    for start in range(0, len(whole), size):
        await asyncio.sleep(0)
        yield whole[start:start + size]


def pieces(whole, size=65536):
    for start in range(0, len(whole), size):
        yield whole[start:start + size]


def body_of(kind):
    if kind == "string": return MIB
    if kind == "bytes": return MIB.encode()
    if kind == "memoryview": return memoryview(MIB.encode())
    if kind == "bytearray": return bytearray(MIB.encode())
    if kind == "generator": return pieces(MIB)
    if kind == "list": return list(pieces(MIB.encode()))
    if kind == "async generator": return async_pieces(MIB)
    if kind == "binary file": return io.BytesIO(MIB.encode())
    if kind == "text file": return io.StringIO(MIB)
    if kind == "real file":
        file = tempfile.TemporaryFile()
        file.write(MIB.encode())
        file.seek(0)
        return file
    async def later(): return MIB
    return later()


@streaming_handler
def bare(event, context): return body_of(event["kind"])


@streaming_handler
def under_http(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": body_of(event["kind"])}


@streaming_handler
def nothing(event, context): pass


@streaming_handler
def wrong(event, context): return object()


@streaming_handler
def wrong_http(event, context): return {"statusCode": 200, "body": 7}


@streaming_handler
def no_body(event, context): return {"statusCode": 200, "headers": {"x-a": "b"}}


@streaming_handler
def status(event, context): return {"statusCode": event["status"], "body": iter(())}


@streaming_handler(hooks=Hooks())
def early(event, context): say("the handler ran")

@early.before
def _(request): request.early_response = None


@streaming_handler
def replaced(event, context): return "first"

replaced.handler(lambda event, context: "second").handler(lambda event, context: "third")


class Named:
    def __init__(self, name): self.name = name
    def before(self, request): say(f"before {self.name}")
    def after(self, request): say(f"after {self.name}")
    def on_error(self, request): say(f"on_error {self.name} {request.error!r}")
    def on_stream_end(self, request):
        say(f"stream_end {self.name} {request.stream_end.bytes_sent} {request.stream_end.error!r}")


@streaming_handler(middlewares=[Named("one"), Named("two")], hooks=Hooks())
def hooked(event, context):
    say("handler")
    if event.get("fails"): raise ValueError("in the handler")
    def body():
        yield "abc"
        say("body")
        if event.get("stream_fails"): raise ValueError("in the stream")
        yield "def"
    return body()


@streaming_handler
def endless(event, context):
    try:
        for number in range(10**9):
            say("made", number)
            yield b"x" * 262144
    finally:
        say("closed the producer")


@streaming_handler
def astral(event, context): return "a" + "\\U0001f600" * 40_000


@streaming_handler
def invalid(event, context): return event["answer"]


class Newline(Exception): pass

Newline.__name__ = "bad\\r\\nname: \\u2603"


@streaming_handler
def newline(event, context):
    yield "first"
    raise Newline("x")


@streaming_handler
def fails_late(event, context):
    yield "first"
    raise ValueError("late")


@streaming_handler
def pid(event, context): return str(os.getpid())
'''

MIB = b"0123456789abcdef" * 65536
KINDS = [
    "string",
    "bytes",
    "memoryview",
    "bytearray",
    "generator",
    "list",
    "async generator",
    "binary file",
    "text file",
    "real file",
    "awaitable",
]


@pytest.fixture(scope="module")
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        yield api


@pytest.fixture(scope="module")
def runtime(api: RuntimeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("function")
    (folder / "app.py").write_text(APP, encoding="utf-8")
    with running(api, folder) as runtime:
        yield runtime


class Function:
    """The function: invoke it, and read what it has logged since."""

    def __init__(self, api: RuntimeApi, runtime: Runtime) -> None:
        self.api = api
        self.runtime = runtime
        self._read = len(runtime.log)

    def __call__(self, do: str, *, script: Script | None = None, **event: Any) -> Post:
        return self.api.invoke({"do": do, **event}, script=script).result()

    def log(self) -> list[str]:
        """The lines since this was asked last; the function is idle again then."""
        self("pid")
        lines = self.runtime.log[self._read :].splitlines()
        self._read = len(self.runtime.log)
        return lines

    def ends(self) -> list[str]:
        """What on_error and the end hooks have logged."""
        return [line for line in self.log() if line.startswith(("on_error", "stream_end", "request_end"))]


@pytest.fixture
def function(api: RuntimeApi, runtime: Runtime) -> Function:
    return Function(api, runtime)


# The list.


@pytest.mark.parametrize("kind", KINDS)
def test_a_mebibyte_of_any_kind_arrives_whole(function: Function, kind: str) -> None:
    """1 MiB through each kind of stream, bare; row 4: all that middy refuses is taken."""
    post = function("bare", kind=kind)
    assert post.complete
    assert not post.trailers
    assert post.body == MIB


@pytest.mark.parametrize("kind", KINDS)
def test_a_mebibyte_of_any_kind_arrives_whole_behind_a_prelude(function: Function, kind: str) -> None:
    """1 MiB through each kind of stream, under a prelude."""
    post = function("under_http", kind=kind)
    assert post.prelude == {"statusCode": 200, "headers": {"content-type": "text/plain"}}
    assert post.http_body == MIB


@pytest.mark.parametrize("do", ["wrong", "wrong_http"])
def test_an_object_that_is_no_stream_is_an_error_before_a_byte_leaves(function: Function, do: str) -> None:
    """Object that is no stream: error; row 4: refused before a byte leaves, also with a status code."""
    post = function(do)
    assert post.path.endswith("/error")
    assert post.error["errorType"] == "TypeError"
    assert "str or bytes" in post.error["errorMessage"] or "json.dumps" in post.error["errorMessage"]


def test_an_http_response_without_body_is_a_prelude_and_an_empty_body(function: Function) -> None:
    """{statusCode, headers} without body: prelude and empty body."""
    post = function("no_body")
    assert post.prelude == {"statusCode": 200, "headers": {"x-a": "b"}}
    assert post.http_body == b""


def test_a_handler_that_returns_nothing_sends_an_empty_body(function: Function) -> None:
    """Handler returns nothing: empty body."""
    post = function("nothing")
    assert post.complete
    assert post.body == b""


def test_a_before_that_ends_the_chain_with_nothing_sends_an_empty_body(function: Function) -> None:
    """A before ends the chain with nothing: handler not run, empty body, requestEnd called."""
    assert function("early").body == b""
    log = function.log()
    assert "the handler ran" not in log
    assert "request_end None 0" in log


@pytest.mark.parametrize("status", [301, 204, 504])
def test_an_empty_body_still_carries_its_status(function: Function, status: int) -> None:
    """301 with empty body; empty stream under 204 and 504: prelude flushed."""
    post = function("status", status=status)
    assert post.prelude["statusCode"] == status
    assert post.complete


def test_a_producer_waits_for_the_platform(function: Function, api: RuntimeApi) -> None:
    """Backpressure honoured, bytes in order."""
    script = Script(pause_after=1, drop_after=64 * 262144)
    invocation = api.invoke({"do": "endless"}, script=script)
    invocation.wait_for(b"x")
    made_while_paused = settled(function.runtime)
    script.resume.set()
    invocation.result()
    made = sum(line.startswith("made") for line in function.log())
    assert made_while_paused < 48, "socket buffers take some, and no more"
    assert made >= 64


def settled(runtime: Runtime) -> int:
    """How often the producer was asked, once its process sleeps in a blocked send."""
    import psutil

    process = psutil.Process(runtime.process.pid)
    while True:
        before = runtime.log.count("made"), sum(process.cpu_times()[:2])
        if process.status() != psutil.STATUS_SLEEPING:
            continue
        process.cpu_percent(interval=0.2)
        if before == (runtime.log.count("made"), sum(process.cpu_times()[:2])):
            return before[0]


def test_the_handler_that_was_set_last_answers(function: Function) -> None:
    """Handler replaced: the later one wins."""
    assert function("replaced").body == b"third"


def test_hooks_run_in_the_order_of_the_onion(function: Function) -> None:
    """requestStart and requestEnd called, requestEnd after the stream ended; the whole order with them."""
    assert function("hooked", tag="t").body == b"abcdef"
    assert function.log() == [
        "request_start t",
        "before_middleware Named",
        "before one",
        "after_middleware Named",
        "before_middleware Named",
        "before two",
        "after_middleware Named",
        "before_handler",
        "handler",
        "after_handler",
        "before_middleware Named",
        "after two",
        "after_middleware Named",
        "before_middleware Named",
        "after one",
        "after_middleware Named",
        "body",
        "stream_end two 6 None",
        "stream_end one 6 None",
        "request_end None 6",
    ]


def test_before_prefetch_ran_once_when_the_handler_was_made(runtime: Runtime, function: Function) -> None:
    function("hooked")
    function("hooked")
    assert runtime.log.count("prefetch\n") == 2  # two handlers of the module have these hooks


def test_a_failing_request_end_alone_is_the_error(function: Function) -> None:
    """requestEnd fails alone: its error propagates."""
    post = function("hooked", end_fails=True)
    assert post.body == b"abcdef"
    assert post.error["errorMessage"] == "the end failed"


def test_a_failing_request_end_does_not_hide_the_error_of_the_stream(function: Function) -> None:
    """Together with the stream: the stream's wins, chained."""
    post = function("hooked", end_fails=True, stream_fails=True)
    assert post.error["errorMessage"] == "in the stream"


def test_three_slices_are_three_writes_and_none_is_empty(function: Function) -> None:
    """Exact chunk counts: 3 slices are 3 writes, none empty."""
    post = function("invalid", answer="x" * 3 * 16 * 1024)
    assert [len(chunk) for chunk in post.chunks] == [16 * 1024] * 3


def test_an_error_of_the_response_connection_reaches_the_end_hooks_and_the_log(function: Function) -> None:
    """An error of the response connection propagates."""
    function("endless", script=Script(drop_after=1))
    log = function.log()
    assert "closed the producer" in log
    assert any("ResponseRefusedError" in line for line in log)


# Where the original falls short, by its row.


def test_an_error_in_mid_stream_ends_in_trailers_and_the_process_serves_on(function: Function) -> None:
    """Row 1: correct trailers, process lives, next invocation served."""
    before = function("pid").body
    post = function("fails_late")
    assert post.complete
    assert post.trailers["lambda-runtime-function-error-type"] == "Function.ValueError"
    assert function("pid").body == before


def test_end_hooks_run_once_also_when_the_handler_fails(function: Function) -> None:
    """Row 2: end hooks run exactly once, always; on_error sees what fails before the first byte."""
    post = function("hooked", fails=True)
    assert post.path.endswith("/error")
    assert [
        line for line in function.log() if line.startswith(("on_error", "stream_end", "request_end"))
    ] == [
        "on_error two ValueError('in the handler')",
        "on_error one ValueError('in the handler')",
        "stream_end two 0 ValueError('in the handler')",
        "stream_end one 0 ValueError('in the handler')",
        "request_end in the handler 0",
    ]


def test_end_hooks_learn_of_an_error_of_the_stream(function: Function) -> None:
    """Row 2: they learn of the stream's error and its bytes, after the last one."""
    function("hooked", stream_fails=True)
    assert [
        line for line in function.log() if line.startswith(("on_error", "stream_end", "request_end"))
    ] == [
        "stream_end two 3 ValueError('in the stream')",
        "stream_end one 3 ValueError('in the stream')",
        "request_end in the stream 3",
    ]


def test_slicing_never_breaks_a_character(function: Function) -> None:
    """Row 5: a character outside the BMP on the cut is whole."""
    post = function("astral")
    assert post.body.decode() == "a" + "\U0001f600" * 40_000
    for chunk in post.chunks:
        chunk.decode()


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"statusCode": 200, "headers": {"x-a": "b\r\nc: d"}}, "x-a"),
        ({"statusCode": 200, "headers": {"x\na": "b"}}, "header name"),
        ({"statusCode": 200, "headers": {"x-a": "b\0"}}, "NUL"),
        ({"statusCode": "abc"}, "abc"),
        ({"statusCode": 99}, "99"),
        ({"statusCode": 600}, "600"),
        ({"statusCode": True}, "True"),
        ({"statusCode": 200, "extra": 1}, "extra"),
        ({"statusCode": 200, "cookies": "a=1"}, "cookies"),
        ({"statusCode": 200, "cookies": ["a=1\r\nb"]}, "line break"),
        ({"statusCode": 200, "headers": ["a"]}, "headers"),
        ({"statusCode": 200, "headers": {"x-a": "b" * 16384}}, "16384"),
    ],
)
def test_metadata_that_cannot_be_sent_is_refused(function: Function, answer: Any, named: str) -> None:
    """Row 8: known keys, int status, no CR/LF/NUL, prelude within 16 KB."""
    post = function("invalid", answer=answer)
    assert post.path.endswith("/error")
    assert named in post.error["errorMessage"]


@pytest.mark.parametrize("status", [413, 410])
def test_an_early_answer_stops_the_producer(function: Function, api: RuntimeApi, status: int) -> None:
    """Row 9: 413 stops the producer and is logged."""
    script = Script(status=status, reject_after=1)
    api.invoke({"do": "endless"}, script=script).wait_for(b"x")
    log = function.log()
    script.resume.set()
    assert "closed the producer" in log
    assert any(str(status) in line for line in log)


def test_an_error_name_that_breaks_headers_is_sanitized(function: Function) -> None:
    """Row 10: header values sanitized, body bounded."""
    post = function("newline")
    assert post.trailers["lambda-runtime-function-error-type"] == "Function.Unhandled"
    assert post.error["errorType"] == "bad\r\nname: \u2603"


def test_the_invocation_id_is_echoed(api: RuntimeApi, function: Function) -> None:
    """Row 11: Lambda-Runtime-Invocation-Id comes back as it was."""
    post = api.invoke({"do": "pid"}, headers={"Lambda-Runtime-Invocation-Id": "inv 7"}).result()
    assert post.header("lambda-runtime-invocation-id") == "inv 7"


def test_the_prelude_travels_alone(function: Function) -> None:
    """Row 12: prelude sent on its own, in a chunk of its own, before the first body byte."""
    post = function("under_http", kind="string")
    metadata, nuls, rest = post.chunks[0].partition(b"\0" * 8)
    assert json.loads(metadata)["statusCode"] == 200
    assert nuls
    assert not rest


def test_an_unknown_option_is_an_error_at_once() -> None:
    """Row 13: `streamifyResponse` is not ignored in silence."""
    from streamify_server import streaming_handler

    with pytest.raises(TypeError, match="streamify_response"):
        streaming_handler(streamify_response=True)  # type: ignore[call-overload]


def test_each_response_has_a_connection_of_its_own(function: Function) -> None:
    """Row 15: one connection each, closed after the response."""
    assert function("pid").eof_after
    assert function("pid").eof_after


def test_a_file_is_closed_once_it_was_sent() -> None:
    from streamify_server import streaming_handler
    from streamify_server.testing import invoke

    file = io.BytesIO(b"abc")
    assert invoke(streaming_handler(lambda event, context: file)).body == b"abc"
    assert file.closed
