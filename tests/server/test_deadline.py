"""The deadline covers the stream: the producer ends and the caller is told before Lambda's timeout."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client.wire.verified import HandlerError, VerifiedDecoder
from streamify_server import DeadlineExceededError, streaming_handler
from streamify_server.testing import Context
from support.answers import outcome
from support.runtime_api import Post, Runtime, RuntimeApi, running

APP = '''
import asyncio, signal, socket, threading, time
from streamify_server import HttpResponse, streaming_handler

left, right = socket.socketpair()


def say(*words):
    print(*words, flush=True)


def block(how):
    if how == "sleep": time.sleep(600)
    if how == "recv": left.recv(1)
    if how == "busy":
        while True: pass
    if how == "lock": threading.Event().wait()


def handler(event, context):
    return globals()[event["do"]](event, context)


@streaming_handler(deadline_margin=2.0)
def blocks(event, context):
    try:
        yield "first"
        block(event["how"])
    finally:
        say("finally")

@blocks.on_stream_end
def _(request): say("ended with", type(request.stream_end.error).__name__)


@streaming_handler(deadline_margin=2.0)
def blocks_early(event, context): block(event["how"])


@streaming_handler(deadline_margin=2.0)
async def async_blocks(event, context):
    try:
        yield "first"
        await asyncio.sleep(600)
    finally:
        say("finally")


@streaming_handler(deadline_margin=2.0)
def reads_inner(event, context): yield from async_blocks(event, context)


@streaming_handler(deadline_margin=2.0)
def reads_inner_after_async(event, context): yield from async_blocks(event, context)

@reads_inner_after_async.before
async def _(request): await asyncio.sleep(0)


@streaming_handler(deadline_margin=2.0)
async def async_blocks_the_loop(event, context):
    yield "first"
    released.wait()


@streaming_handler(deadline_margin=2.0)
async def async_before_then_sync(event, context):
    await asyncio.sleep(0)
    return stuck(event)


def stuck(event):
    try:
        yield "first"
        block(event["how"])
    finally:
        say("finally")


@streaming_handler(deadline_margin=2.0)
def swallows(event, context):
    yield "first"
    while True:
        try: time.sleep(600)
        except BaseException as error: say("swallowed", type(error).__name__); break
    yield "more than the caller gets"


@streaming_handler(deadline_margin=2.0)
async def refuses_cancellation(event, context):
    yield "first"
    try: await asyncio.sleep(600)
    except asyncio.CancelledError: say("swallowed")
    yield "more"


@streaming_handler(deadline_margin=2.0)
def saved(event, context): block("sleep")

@saved.on_error
def _(request): return HttpResponse(503, body=f"sorry: {type(request.error).__name__}")


released = threading.Event()


@streaming_handler(deadline_margin=1.0)
def uses_alarms(event, context):
    """The application's own SIGALRM: only the watchdog is left."""
    signal.signal(signal.SIGALRM, lambda *_: released.set())
    try:
        yield "first"
        released.wait()
        yield "second"
    finally:
        say("finally")
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@streaming_handler(deadline_margin=1.0)
def uses_alarms_early(event, context):
    signal.signal(signal.SIGALRM, lambda *_: released.set())
    released.wait()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    yield "too late"


@streaming_handler(deadline_margin=1.0)
def writes(event, context, stream):
    stream.write("first")
    try:
        left.recv(1)
        stream.write("second")
    finally: say("finally")


@streaming_handler(deadline_margin=1.0)
def late_writer(event, context, stream):
    """Does not write until the test says so, and long after its invocation."""
    try:
        left.recv(1)
        stream.write("too late")
    finally: say("finally")


@streaming_handler(deadline_margin=1.0)
async def late_async_writer(event, context, stream):
    try:
        await asyncio.sleep(600)
        await stream.write("too late")
    finally: say("finally")


def let_go(event, context): right.send(b"x")


@streaming_handler
def threads(event, context):
    import asyncio
    names = [thread.name for thread in threading.enumerate()]
    return f"{names.count('streamify-writer')} writers"


@streaming_handler(deadline_margin=2.0)
def events(event, context):
    from streamify_server import sse
    def ticks():
        try:
            yield "first"
            block(event["how"])
        finally: say("finally")
    return sse(ticks())


@streaming_handler(deadline_margin=2.0)
def http_that_says_nothing(event, context):
    def body():
        block("sleep")
        yield "never"
    return HttpResponse(200, body=body())


@streaming_handler(deadline_margin=2.0)
async def blocks_the_loop(event, context):
    try:
        yield "first"
        block(event["how"])
    finally: say("finally")


@streaming_handler(deadline_margin=2.0)
async def spins_in_the_loop(event, context):
    try:
        while True:
            sum(range(5000))  # slower than the caller, so that the response is never full
            yield "x"
    finally: say("finally")


@streaming_handler(deadline_margin=2.0)
def cleans_up(event, context):
    try:
        yield "first"
        block("sleep")
    finally:
        time.sleep(0.3)
        say("cleaned up")


@streaming_handler(deadline_margin=None)
def has_none(event, context):
    yield "first"
    time.sleep(0.5)
    yield "second"


@streaming_handler
def fine(event, context): return "fine"


def alarms(event, context): return signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
'''


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        yield api


@pytest.fixture
def runtime(api: RuntimeApi, tmp_path: Path) -> Iterator[Runtime]:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    with running(api, tmp_path) as runtime:
        assert run_out(api, "fine", seconds=60).body == b"fine"  # started, before the time counts
        yield runtime


def run_out(api: RuntimeApi, do: str, seconds: float = 2.3, **event: str) -> Post:
    return api.invoke({"do": do, **event}, seconds=seconds).result()


@pytest.mark.parametrize("how", ["sleep", "recv", "busy", "lock"])
def test_a_sync_producer_is_interrupted_wherever_it_is_stuck(
    api: RuntimeApi, runtime: Runtime, how: str
) -> None:
    post = run_out(api, "blocks", how=how)
    assert post.chunks == [b"first"]
    assert post.complete
    assert post.trailers["lambda-runtime-function-error-type"] == "Function.DeadlineExceededError"
    assert "timeout" in post.error["errorMessage"]
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally\nended with DeadlineExceededError" in runtime.log
    assert "[ERROR] DeadlineExceededError" in runtime.log


def test_a_handler_stuck_before_its_first_byte_is_a_plain_function_error(
    api: RuntimeApi, runtime: Runtime
) -> None:
    post = run_out(api, "blocks_early", how="sleep")
    assert post.path.endswith("/error")
    assert post.error["errorType"] == "DeadlineExceededError"


@pytest.mark.parametrize("how", ["sleep", "recv", "busy"])
def test_a_sync_body_of_an_async_handler_is_interrupted_too(
    api: RuntimeApi, runtime: Runtime, how: str
) -> None:
    post = run_out(api, "async_before_then_sync", how=how)
    assert post.error["errorType"] == "DeadlineExceededError"
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally" in runtime.log


def test_an_async_producer_is_cancelled(api: RuntimeApi, runtime: Runtime) -> None:
    post = run_out(api, "async_blocks")
    assert post.chunks == [b"first"]
    assert post.error["errorType"] == "DeadlineExceededError"
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally" in runtime.log


@pytest.mark.parametrize("do", ["reads_inner", "reads_inner_after_async"])
def test_an_async_handler_that_sync_code_reads_is_cancelled(
    api: RuntimeApi, runtime: Runtime, do: str
) -> None:
    post = run_out(api, do)
    assert post.chunks == [b"first"]
    assert post.error["errorType"] == "DeadlineExceededError"
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally" in runtime.log


def test_a_producer_that_swallows_the_interruption_is_ended_when_it_next_yields(
    api: RuntimeApi, runtime: Runtime
) -> None:
    post = run_out(api, "swallows")
    assert b"more" not in post.body
    assert post.error["errorType"] == "DeadlineExceededError"
    assert "swallowed Stopped" in runtime.log


def test_an_async_producer_that_swallows_its_cancellation_is_ended_when_it_next_yields(
    api: RuntimeApi, runtime: Runtime
) -> None:
    post = run_out(api, "refuses_cancellation")
    assert b"more" not in post.body
    assert post.error["errorType"] == "DeadlineExceededError"


def test_on_error_may_still_answer_within_the_margin(api: RuntimeApi, runtime: Runtime) -> None:
    post = run_out(api, "saved")
    assert post.prelude["statusCode"] == 503
    assert post.http_body == b"sorry: DeadlineExceededError"


def test_an_application_that_uses_alarms_is_told_on_by_the_watchdog(
    api: RuntimeApi, runtime: Runtime
) -> None:
    """The trailers come while the producer is stuck; its `finally` runs when it next yields."""
    post = run_out(api, "uses_alarms", seconds=1.3)
    assert post.chunks == [b"first"]
    assert post.complete
    assert post.error["errorType"] == "DeadlineExceededError"
    assert "finally" not in runtime.log
    runtime.process.send_signal(signal.SIGALRM)
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally" in runtime.log


def test_the_watchdog_reports_before_the_first_byte_as_well(api: RuntimeApi, runtime: Runtime) -> None:
    post = run_out(api, "uses_alarms_early", seconds=1.3)
    assert post.path.endswith("/error")
    assert post.error["errorType"] == "DeadlineExceededError"
    assert post.error["requestId"] == post.path.split("/")[-2]
    runtime.process.send_signal(signal.SIGALRM)
    assert run_out(api, "fine", seconds=60).body == b"fine"


def test_the_watchdog_answers_an_offer_in_frames(api: RuntimeApi, runtime: Runtime) -> None:
    offer = {"custom": {"streamify": "verified/1"}}
    post = api.invoke({"do": "uses_alarms_early"}, seconds=1.3, client_context=offer).result()
    decoder = VerifiedDecoder()
    decoder.receive(post.body)
    assert isinstance(decoder.last, HandlerError)
    assert decoder.last.error_type == "DeadlineExceededError"
    assert post.error["errorType"] == "DeadlineExceededError"
    runtime.process.send_signal(signal.SIGALRM)
    assert run_out(api, "fine", seconds=60).body == b"fine"


def test_the_watchdog_ends_a_framed_stream_with_a_frame(api: RuntimeApi, runtime: Runtime) -> None:
    offer = {"custom": {"streamify": "verified/1"}}
    post = api.invoke({"do": "uses_alarms"}, seconds=1.3, client_context=offer).result()
    decoder = VerifiedDecoder()
    decoder.receive(post.body)
    assert isinstance(decoder.last, HandlerError)
    assert decoder.last.error_type == "DeadlineExceededError"
    runtime.process.send_signal(signal.SIGALRM)
    assert run_out(api, "fine", seconds=60).body == b"fine"


def test_a_blocked_event_loop_does_not_keep_the_caller_waiting(api: RuntimeApi, runtime: Runtime) -> None:
    post = run_out(api, "async_blocks_the_loop")
    assert post.chunks == [b"first"]
    assert post.error["errorType"] == "DeadlineExceededError"


def test_a_stuck_writer_does_not_keep_the_caller_waiting(api: RuntimeApi, runtime: Runtime) -> None:
    post = run_out(api, "writes", seconds=1.3)
    assert post.chunks == [b"first"]
    assert post.error["errorType"] == "DeadlineExceededError"


@pytest.mark.parametrize("do", ["late_writer", "late_async_writer"])
def test_a_writer_that_has_not_written_is_closed(api: RuntimeApi, runtime: Runtime, do: str) -> None:
    """Its first write raises; it does not wait for ever for somebody who takes it."""
    post = run_out(api, do, seconds=1.3)
    assert post.path.endswith("/error")
    assert post.error["errorType"] == "DeadlineExceededError"
    api.invoke({"do": "let_go"}).result()
    while run_out(api, "threads", seconds=60).body != b"0 writers":
        assert runtime.alive()
    assert "finally" in runtime.log


@pytest.mark.parametrize("how", ["sleep", "recv", "busy", "lock"])
def test_a_producer_of_events_is_interrupted(api: RuntimeApi, runtime: Runtime, how: str) -> None:
    post = run_out(api, "events", how=how)
    assert post.chunks == [b"data: first\n\n"]
    assert post.error["errorType"] == "DeadlineExceededError"
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally" in runtime.log


@pytest.mark.parametrize("how", ["sleep", "recv", "busy", "lock"])
def test_sync_code_that_blocks_the_event_loop_is_interrupted(
    api: RuntimeApi, runtime: Runtime, how: str
) -> None:
    post = run_out(api, "blocks_the_loop", how=how)
    assert post.chunks == [b"first"]
    assert post.error["errorType"] == "DeadlineExceededError"
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally" in runtime.log


def test_an_async_producer_that_never_waits_is_stopped(api: RuntimeApi, runtime: Runtime) -> None:
    post = run_out(api, "spins_in_the_loop")
    assert post.error["errorType"] == "DeadlineExceededError"
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "finally" in runtime.log


def test_a_function_url_hears_of_the_deadline_behind_the_prelude(api: RuntimeApi, runtime: Runtime) -> None:
    url = {"requestContext": {"http": {"method": "GET"}, "domainName": "a.lambda-url.us-east-1.on.aws"}}
    post = api.invoke({"do": "http_that_says_nothing", **url}, seconds=2.3).result()
    assert post.http_body == b"\n"
    assert post.error["errorType"] == "DeadlineExceededError"


def test_cleaning_up_is_not_interrupted(api: RuntimeApi, runtime: Runtime) -> None:
    run_out(api, "cleans_up")
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert "cleaned up" in runtime.log


def test_the_deadline_can_be_switched_off(api: RuntimeApi, runtime: Runtime) -> None:
    post = run_out(api, "has_none", seconds=0.2)
    assert post.body == b"firstsecond"
    assert not post.trailers


def test_the_signal_is_given_back_after_each_invocation(api: RuntimeApi, runtime: Runtime) -> None:
    assert run_out(api, "fine", seconds=60).body == b"fine"
    assert run_out(api, "alarms", seconds=60).body == b"true"


def test_no_thread_stays_behind() -> None:
    outcome(streaming_handler(lambda event, context: "x"))
    assert not [thread for thread in threading.enumerate() if thread.name == "streamify-deadline"]


def test_a_handler_called_as_a_function_has_no_deadline() -> None:
    """Contexts of unit tests say anything, so nothing is concluded from them."""
    handler = streaming_handler(lambda event, context: "x")
    assert handler({}, Context(timeout=0.0)) == b"x"


def test_a_deadline_that_is_over_at_once_is_an_error() -> None:
    async def stuck(event: Any, context: Any) -> None:
        await asyncio.sleep(600)

    result = outcome(streaming_handler(stuck), {}, Context(timeout=0.1))
    assert isinstance(result.error, DeadlineExceededError)


@pytest.mark.parametrize("margin", [0, -1, float("nan")])
def test_a_margin_must_be_positive(margin: float) -> None:
    with pytest.raises(ValueError, match="deadline_margin"):
        streaming_handler(deadline_margin=margin)


def test_without_a_margin_nothing_is_stopped() -> None:
    def body(event: Any, context: Any) -> Iterator[str]:
        yield str([thread.name for thread in threading.enumerate()].count("streamify-deadline"))

    expired = Context(timeout=0)
    assert outcome(streaming_handler(deadline_margin=None)(body), context=expired).text == "0"
