"""The onion: middlewares, hooks and what they share, in sync and async code alike."""

import asyncio
import contextvars
import functools
import gc
import io
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from streamify_server import Headers, HttpResponse, Request, streaming_handler
from streamify_server.posting import posting_through
from streamify_server.testing import Context, Result, invoke
from support.answers import outcome
from support.posters import Leaving, Poster


class Recording:
    """A middleware that notes what it is called for."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    def before(self, request: Request) -> None:
        self.notes.append(f"before {self.name}")

    def after(self, request: Request) -> None:
        self.notes.append(f"after {self.name}")

    def on_error(self, request: Request) -> None:
        self.notes.append(f"on_error {self.name}")

    def on_stream_end(self, request: Request) -> None:
        self.notes.append(f"end {self.name}")


class AsyncRecording(Recording):
    async def before(self, request: Request) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().before(request)

    async def after(self, request: Request) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().after(request)

    async def on_error(self, request: Request) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_error(request)

    async def on_stream_end(self, request: Request) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().on_stream_end(request)


def sync_generator(event: Any, context: Any) -> Iterator[str]:
    yield "a"
    if event == "fails":
        raise ValueError("late")
    yield "b"


async def async_generator(event: Any, context: Any) -> AsyncIterator[str]:
    for chunk in sync_generator(event, context):
        await asyncio.sleep(0)
        yield chunk


async def coroutine(event: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    return sync_generator(event, context)


async def coroutine_of_async_generator(event: Any, context: Any) -> Any:
    return async_generator(event, context)


HANDLERS = [sync_generator, async_generator, coroutine, coroutine_of_async_generator]
MIDDLEWARES = [Recording, AsyncRecording]


@pytest.mark.parametrize("function", HANDLERS)
@pytest.mark.parametrize("second", MIDDLEWARES)
@pytest.mark.parametrize("first", MIDDLEWARES)
def test_sync_and_async_code_mix_in_one_order(
    function: Callable[..., Any], first: type[Recording], second: type[Recording]
) -> None:
    notes: list[str] = []
    handler = streaming_handler(middlewares=[first("1", notes), second("2", notes)])(function)
    assert outcome(handler).chunks == [b"a", b"b"]
    assert notes == ["before 1", "before 2", "after 2", "after 1", "end 2", "end 1"]


@pytest.mark.parametrize("function", HANDLERS)
@pytest.mark.parametrize("kind", MIDDLEWARES)
def test_a_stream_error_reaches_the_end_hooks_and_not_on_error(
    function: Callable[..., Any], kind: type[Recording]
) -> None:
    notes: list[str] = []
    ends: list[Any] = []
    handler = streaming_handler(middlewares=[kind("1", notes)])(function)
    handler.on_stream_end(lambda request: ends.append(request.stream_end))
    result = outcome(handler, "fails")
    assert result.chunks == [b"a"]
    assert isinstance(result.error, ValueError)
    assert notes == ["before 1", "after 1", "end 1"]
    assert ends[0].error is result.error
    assert ends[0].bytes_sent == 1
    assert ends[0].duration >= 0


@pytest.mark.parametrize("kind", MIDDLEWARES)
@pytest.mark.parametrize("phase", ["before", "after"])
def test_an_error_of_a_middleware_reaches_every_on_error(kind: type[Recording], phase: str) -> None:
    """Also those of middlewares whose before never ran."""
    notes: list[str] = []

    def fail(request: Request) -> None:
        raise ValueError("in a hook")

    handler = streaming_handler(middlewares=[kind("1", notes)])(sync_generator)
    getattr(handler, phase)(fail)
    handler.use(kind("2", notes))
    result = outcome(handler)
    assert isinstance(result.error, ValueError)
    assert result.content_type is None
    assert notes[-4:] == ["on_error 2", "on_error 1", "end 2", "end 1"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_of_the_first_chunk_of_a_bare_stream_reaches_on_error(is_async: bool) -> None:
    def sync_body(event: Any, context: Any) -> Any:
        yield from ()
        raise ValueError("at once")

    async def async_body(event: Any, context: Any) -> Any:
        for nothing in list[str]():
            yield nothing
        raise ValueError("at once")

    handler = streaming_handler(async_body if is_async else sync_body)
    handler.on_error(lambda request: f"sorry, {request.error}")
    result = outcome(handler)
    assert result.text == "sorry, at once"
    assert result.error is None


def test_on_error_may_set_the_response_and_the_others_still_run() -> None:
    seen: list[Any] = []

    def answer(request: Request) -> None:
        request.response = HttpResponse(500, body="x")

    handler = streaming_handler(lambda event, context: 1 / 0)
    handler.on_error(lambda request: seen.append(request.response)).on_error(answer)
    assert outcome(handler).status_code == 500
    assert seen[0].status == 500


def test_on_error_that_returns_ends_its_chain() -> None:
    seen: list[Any] = []
    handler = streaming_handler(lambda event, context: 1 / 0)
    handler.on_error(seen.append).on_error(lambda request: "handled")
    assert outcome(handler).text == "handled"
    assert seen == []


def test_another_error_of_on_error_propagates_chained_to_the_first() -> None:
    def fail(request: Request) -> None:
        raise KeyError("second")

    error = outcome(streaming_handler(lambda event, context: 1 / 0).on_error(fail)).error
    assert isinstance(error, KeyError)
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_the_response_is_cleared_before_on_error() -> None:
    seen: list[Any] = []

    def fail(request: Request) -> None:
        raise ValueError

    outcome(
        streaming_handler(lambda event, context: "x").after(fail).on_error(lambda r: seen.append(r.response))
    )
    assert seen == [None]


@pytest.mark.parametrize("value", ["early", b"early", {"statusCode": 200, "body": "early"}])
def test_a_before_that_returns_answers_instead(value: Any) -> None:
    ran: list[str] = []
    handler = streaming_handler(lambda event, context: ran.append("handler"))
    handler.before(lambda request: value).before(lambda request: ran.append("second before"))
    handler.after(lambda request: ran.append("after"))
    assert outcome(handler).text == "early"
    assert ran == []


def test_an_after_that_returns_replaces_the_response_and_ends_its_chain() -> None:
    ran: list[Any] = []
    handler = streaming_handler(lambda event, context: "handler's")
    handler.after(ran.append).after(lambda request: "after's")
    assert outcome(handler).text == "after's"
    assert ran == []


def test_an_after_sees_http_as_an_http_response_and_anything_else_as_it_is() -> None:
    seen: list[Any] = []
    handler = streaming_handler(lambda event, context: event).after(
        lambda request: seen.append(request.response)
    )
    outcome(handler, {"statusCode": 201, "headers": {"X-A": "b"}, "body": "x"})
    outcome(handler, "bare")
    assert isinstance(seen[0], HttpResponse)
    assert (seen[0].status, seen[0].headers["x-a"], seen[0].body) == (201, "b", "x")
    assert seen[1] == "bare"


def test_a_middleware_may_replace_event_and_context() -> None:
    def change(request: Request) -> None:
        request.event = {"name": "other"}
        request.context = "context"

    handler = streaming_handler(lambda event, context: f"{event['name']} {context}").before(change)
    assert outcome(handler, {"name": "first"}).text == "other context"


def test_internal_is_fresh_for_every_request() -> None:
    seen: list[Any] = []

    def note(request: Request) -> None:
        seen.append(dict(request.internal))
        request.internal["used"] = True

    handler = streaming_handler(lambda event, context: "x").before(note)
    outcome(handler)
    outcome(handler)
    assert seen == [{}, {}]


class Upper:
    def after(self, request: Request) -> None:
        request.transform_body(self)

    def feed(self, chunk: bytes) -> bytes:
        return chunk.upper()

    def finish(self) -> bytes:
        return b"!"


class Pairs:
    """Gives out two chunks at a time."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, chunk: bytes) -> bytes:
        held, self.held = self.held, b"" if self.held else chunk
        return held + chunk if held else b""

    def finish(self) -> bytes:
        return self.held


@pytest.mark.parametrize("function", [*HANDLERS, lambda event, context: "ab"])
def test_a_transform_sees_every_chunk_of_any_body(function: Callable[..., Any]) -> None:
    assert outcome(streaming_handler(middlewares=[Upper()])(function)).body == b"AB!"


def test_transforms_run_one_after_the_other_and_empty_output_is_not_sent() -> None:
    handler = streaming_handler(lambda event, context: ["a", "b", "c"])
    handler.after(lambda request: request.transform_body(Upper()))
    handler.after(lambda request: request.transform_body(Pairs()))
    result = outcome(handler)
    assert result.chunks == [b"AB", b"C", b"!"]


def test_a_failing_transform_is_an_error_of_the_stream() -> None:
    class Fails(Upper):
        def feed(self, chunk: bytes) -> bytes:
            raise ValueError("cannot encode")

    closed: list[bool] = []

    def body(event: Any, context: Any) -> Iterator[str]:
        try:
            yield "a"
        finally:
            closed.append(True)

    result = outcome(streaming_handler(middlewares=[Fails()])(body))
    assert str(result.error) == "cannot encode"
    assert closed == [True]


def test_an_error_handled_by_on_error_is_not_transformed_by_what_failed() -> None:
    def fail(request: Request) -> None:
        raise ValueError

    handler = streaming_handler(lambda event, context: "x").after(fail).use(Upper())
    handler.on_error(lambda request: "plain")
    assert outcome(handler).text == "plain"


def test_every_end_hook_runs_and_the_first_error_wins() -> None:
    ran: list[str] = []

    def fails(name: str) -> Callable[[Request], None]:
        def hook(request: Request) -> None:
            ran.append(name)
            raise RuntimeError(name)

        return hook

    handler = streaming_handler(sync_generator).on_stream_end(fails("1")).on_stream_end(fails("2"))
    alone = outcome(handler)
    assert alone.chunks == [b"a", b"b"]
    assert str(alone.error) == "2"
    together = outcome(handler, "fails")
    assert str(together.error) == "late"
    assert together.error is not None
    assert str(together.error.__context__) == "2"
    assert ran == ["2", "1", "2", "1"]


def test_resources_live_until_the_end_hooks() -> None:
    """What a before opens is open while the body is made, and closed by its on_stream_end."""
    opened: list[str] = []

    class Resource:
        async def before(self, request: Request) -> None:
            opened.append("r")

        async def on_stream_end(self, request: Request) -> None:
            opened.clear()

    def body(event: Any, context: Any) -> Iterator[str]:
        yield from opened
        yield from opened

    assert outcome(streaming_handler(middlewares=[Resource()])(body)).chunks == [b"r", b"r"]
    assert opened == []


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.parametrize("is_async_before", [False, True])
@pytest.mark.parametrize("function", ["sync", "async"])
def test_context_variables_of_a_before_are_seen_everywhere_after_it(
    function: str, is_async_before: bool
) -> None:
    def set_it(request: Request) -> None:
        VARIABLE.set("set")

    async def set_it_async(request: Request) -> None:
        set_it(request)

    def sync_body(event: Any, context: Any) -> Iterator[str]:
        yield VARIABLE.get()

    async def async_body(event: Any, context: Any) -> AsyncIterator[str]:
        yield VARIABLE.get()

    seen: list[str] = []
    handler = streaming_handler(sync_body if function == "sync" else async_body)
    handler.before(set_it_async if is_async_before else set_it)
    handler.on_stream_end(lambda request: seen.append(VARIABLE.get()))
    assert outcome(handler).text == "set"
    assert seen == ["set"]


def bind(event: Any, context: Any) -> Iterator[str]:
    yield VARIABLE.get()
    VARIABLE.set("bound")


async def bind_async(event: Any, context: Any) -> AsyncIterator[str]:
    yield VARIABLE.get()
    VARIABLE.set("bound")


def bind_written(event: Any, context: Any, stream: Any) -> None:
    stream.write(VARIABLE.get())
    VARIABLE.set("bound")


async def bind_written_async(event: Any, context: Any, stream: Any) -> None:
    await stream.write(VARIABLE.get())
    VARIABLE.set("bound")


@pytest.mark.parametrize("function", [bind, bind_async, bind_written, bind_written_async])
def test_what_a_request_puts_into_context_variables_ends_with_it(function: Callable[..., Any]) -> None:
    handler = streaming_handler(function).on_stream_end(lambda request: VARIABLE.set("at the end"))
    assert [outcome(handler).text for _ in range(2)] == ["unset", "unset"]
    assert VARIABLE.get() == "unset"


def test_async_generators_run_in_one_task_so_timeouts_may_span_yields() -> None:
    async def body(event: Any, context: Any) -> AsyncIterator[str]:
        async with asyncio.timeout(60):
            first = asyncio.current_task()
            yield "a"
            assert asyncio.current_task() is first
            yield "b"

    assert outcome(streaming_handler(body)).chunks == [b"a", b"b"]


def test_sync_code_runs_on_the_calling_thread_also_after_async_code() -> None:
    threads: list[Any] = []

    async def go_async(request: Request) -> None:
        await asyncio.sleep(0)
        threads.append(threading.current_thread())

    def body(event: Any, context: Any) -> Iterator[str]:
        threads.append(threading.current_thread())
        yield "a"
        threads.append(threading.current_thread())

    outcome(streaming_handler(body).before(go_async))
    here = threading.current_thread()
    assert threads == [here, here, here]


def test_one_loop_serves_every_invocation() -> None:
    loops: list[Any] = []

    async def note(event: Any, context: Any) -> str:
        loops.append(asyncio.get_running_loop())
        return "x"

    handler = streaming_handler(note)
    outcome(handler)
    outcome(handler)
    assert loops[0] is loops[1]


async def test_a_direct_call_works_inside_a_running_loop() -> None:
    assert streaming_handler(async_generator)("x", None) == b"ab"


def test_no_loop_is_started_for_sync_handlers() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from streamify_server import streaming_handler\n"
        "print(streaming_handler(lambda e, c: iter(['a']))({}, None), 'asyncio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "b'a' False\n"


@pytest.mark.parametrize("wrong", [object(), 1, "ab", Recording, [Recording("1", []), object()]])
def test_what_is_no_middleware_is_refused_and_nothing_of_its_list_is_kept(wrong: Any) -> None:
    notes: list[str] = []
    handler = streaming_handler(lambda event, context: "x")
    with pytest.raises(TypeError, match="middleware is an object with some of"):
        handler.use(wrong)
    assert outcome(handler).error is None
    assert notes == []


def nothing(*args: Any) -> None:
    """A hook that does nothing."""


@pytest.mark.parametrize(
    ("middleware", "problem"),
    [
        (SimpleNamespace(before=nothing, onError=nothing), "'onError', which is never called: .* 'on_error'"),
        (SimpleNamespace(before=nothing, Onstreamend=nothing), "rename it to 'on_stream_end'"),
        (SimpleNamespace(before=nothing, after="no function"), "after = 'no function'"),
        ({"before": nothing}, "as methods, not {'before'"),
        ([SimpleNamespace(before=nothing), {"after": nothing}], "as methods, not {'after'"),
    ],
)
def test_a_phase_that_would_never_run_is_refused(middleware: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        streaming_handler(middlewares=middleware)(nothing)
    with pytest.raises(TypeError, match=problem):
        streaming_handler(nothing).use(middleware)


def test_a_phase_that_is_none_is_absent() -> None:
    one = SimpleNamespace(before=lambda request: "early", after=None, on_error=None)
    assert outcome(streaming_handler(middlewares=one)(nothing)).text == "early"


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"deadline_margin": "x"}, TypeError, "deadline_margin takes a number of seconds, or None, not 'x'"),
        ({"deadline_margin": True}, TypeError, "deadline_margin"),
        ({"deadline_margin": float("inf")}, ValueError, "deadline_margin"),
        ({"deadline_margin": float("nan")}, ValueError, "deadline_margin"),
        ({"content_type": 5}, TypeError, "content_type takes a str, not 5"),
        ({"empty_body": 3}, TypeError, "empty_body"),
        ({"writer": "yes"}, TypeError, "writer takes True or False"),
        ({"internal": [1]}, TypeError, "internal takes a dict"),
        ({"respond": "chunked"}, ValueError, "respond takes auto, stream, buffered"),
        ({"respond": ["stream"]}, ValueError, "respond takes"),
        ({"hooks": SimpleNamespace(requestStart=nothing)}, TypeError, "rename it to 'request_start'"),
        ({"hooks": SimpleNamespace(request_start="x")}, TypeError, "request_start = 'x'"),
        ({"middlewares": None}, TypeError, "middleware is an object"),
    ],
)
def test_a_wrong_option_is_refused_when_the_handler_is_made(
    options: Any, error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        streaming_handler(**options)(nothing)


def test_a_wrong_environment_is_refused_when_the_handler_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMIFY_RESPOND", "nonsense")
    with pytest.raises(ValueError, match="STREAMIFY_RESPOND takes auto, stream, buffered, not 'nonsense'"):
        streaming_handler(nothing)
    assert outcome(streaming_handler(respond="stream")(lambda event, context: "x")).text == "x"


@pytest.mark.parametrize("function", [None, "f", 3])
def test_a_handler_is_replaced_by_a_function_only(function: Any) -> None:
    handler = streaming_handler(lambda event, context: "first")
    with pytest.raises(TypeError, match="decorates a function"):
        handler.handler(function)
    assert outcome(handler).text == "first"


@pytest.mark.parametrize("phase", ["after", "on_error"])
def test_a_dict_assigned_as_response_is_http_for_the_middlewares_that_follow(phase: str) -> None:
    class Stamp:
        def after(self, request: Request) -> None:
            request.response.headers["x-stamp"] = "yes"

        on_error = after

    def answer(request: Request) -> None:
        request.response = {"statusCode": 418, "body": "tea"}

    handler = streaming_handler(middlewares=[Stamp()])(lambda event, context: 1 / (phase == "after"))
    getattr(handler, phase)(answer)
    result = outcome(handler)
    assert (result.status_code, result.headers["x-stamp"], result.text) == (418, "yes", "tea")


def test_internal_begins_with_a_copy_of_what_was_given() -> None:
    seen: list[Any] = []
    given = {"table": "t"}

    def change(request: Request) -> None:
        seen.append(dict(request.internal))
        request.internal.update(table="other", more=1)

    handler = streaming_handler(internal=given)(lambda event, context: "x").before(change)
    outcome(handler)
    given["table"] = "changed later"
    outcome(handler)
    assert seen == [{"table": "t"}, {"table": "t"}]


@pytest.mark.parametrize("phase", ["before", "after", "on_error", "on_stream_end"])
def test_what_is_no_function_is_refused(phase: str) -> None:
    with pytest.raises(TypeError, match=phase):
        getattr(streaming_handler(lambda event, context: "x"), phase)("no function")


def test_hooks_without_any_hook_are_refused() -> None:
    with pytest.raises(TypeError, match="before_prefetch"):
        streaming_handler(hooks=object())


def test_after_handler_does_not_run_when_the_handler_fails() -> None:
    ran: list[str] = []

    class Hooks:
        def before_handler(self) -> None:
            ran.append("before")

        def after_handler(self) -> None:
            ran.append("after")

    outcome(streaming_handler(hooks=Hooks())(lambda event, context: 1 / 0))
    assert ran == ["before"]


def test_the_decorated_function_is_a_real_function() -> None:
    def named(event: Any, context: Any) -> str:
        """What it does."""
        return "x"

    decorated: Any = streaming_handler(named)
    assert decorated.__name__ == "named"
    assert decorated.__doc__ == "What it does."
    assert type(decorated).__name__ == "function"


def test_other_decorators_work_around_and_inside() -> None:
    def around(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        @functools.wraps(function)
        def wrapper(event: Any, context: Any) -> Any:
            return function({**event, "seen": event.get("seen", 0) + 1}, context)

        return wrapper

    @around
    @streaming_handler
    @around
    def handler(event: Any, context: Any) -> Iterator[str]:
        yield str(event["seen"])

    assert outcome(handler, {}).text == "2"


def test_a_decorator_around_sees_the_whole_response_happen() -> None:
    """So that a metric added in mid-stream is flushed, and a trace covers the body."""
    order: list[str] = []

    @streaming_handler
    def inner(event: Any, context: Any) -> Iterator[str]:
        yield "a"
        order.append("body")
        raise ValueError("late")

    def outer(event: Any, context: Any) -> Any:
        try:
            return inner(event, context)
        finally:
            order.append("decorator")

    assert isinstance(outcome(outer).error, ValueError)
    assert order == ["body", "decorator"]


def test_a_streaming_handler_called_by_another_answers_its_caller() -> None:
    inner = streaming_handler(lambda event, context: iter(["in", "ner"]))
    outer = streaming_handler(lambda event, context: b"<" + inner(event, context) + b">")
    assert outcome(outer).body == b"<inner>"


def test_the_body_is_closed_when_nobody_takes_the_rest() -> None:
    closed: list[str] = []

    def body(event: Any, context: Any) -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("sync")

    async def async_body(event: Any, context: Any) -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            await asyncio.sleep(0)
            closed.append("async")

    for function in (body, async_body):
        with posting_through(Leaving()), pytest.raises(ConnectionResetError):
            streaming_handler(function)({}, Context())
    assert closed == ["sync", "async"]


@pytest.mark.parametrize("left", ["by the caller", "by the handler", "by an error"])
def test_async_generators_inside_a_producer_are_closed_with_it(left: str) -> None:
    """Python leaves them to the event loop, which may turn again in the next invocation only."""
    closed: list[str] = []

    async def upstream() -> AsyncIterator[str]:
        try:
            while True:
                yield "a"
        finally:
            await asyncio.sleep(0)
            closed.append("upstream")

    @streaming_handler
    async def handler(event: Any, context: Any) -> AsyncIterator[str]:
        async for chunk in upstream():
            yield chunk
            if left == "by the handler":
                break
            if left == "by an error":
                raise ValueError("in the handler")

    poster = Leaving() if left == "by the caller" else Poster()
    with posting_through(poster), suppress(ConnectionResetError, ValueError):
        handler({}, Context())
    assert closed == ["upstream"]


def test_a_call_leaves_no_task_to_the_garbage_collector() -> None:
    tasks: list[Any] = []

    @streaming_handler
    async def handler(event: Any, context: Any) -> str:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(weakref.ref(task))
        return "x"

    gc.disable()
    try:
        handler({}, None)
        assert tasks[0]() is None
    finally:
        gc.enable()


def test_a_system_exit_passes_through_everything() -> None:
    def leave(event: Any, context: Any) -> None:
        raise SystemExit(3)

    async def leave_async(event: Any, context: Any) -> None:
        raise SystemExit(3)

    for function in (leave, leave_async):
        with pytest.raises(SystemExit):
            streaming_handler(function).on_error(lambda request: "handled")({}, None)
    assert streaming_handler(async_generator)("x", None) == b"ab", "the loop lives"


def test_a_cancellation_of_ones_own_making_is_an_error() -> None:
    async def cancelled(event: Any, context: Any) -> None:
        raise asyncio.CancelledError

    result: Result = outcome(streaming_handler(cancelled))
    assert isinstance(result.error, RuntimeError)
    assert "CancelledError" in str(result.error)


def test_an_async_prefetch_has_ended_when_the_handler_is_made() -> None:
    ran: list[str] = []

    class Hooks:
        async def before_prefetch(self) -> None:
            await asyncio.sleep(0)
            ran.append("prefetch")

    streaming_handler(hooks=Hooks())(lambda event, context: "x")
    assert ran == ["prefetch"]


def test_a_body_that_an_error_keeps_from_being_sent_is_closed_all_the_same() -> None:
    file = io.BytesIO(b"abc")

    def fail(request: Request) -> None:
        raise ValueError("after the handler")

    bare = streaming_handler(lambda event, context: file).after(fail)
    assert str(outcome(bare).error) == "after the handler"
    assert file.closed
    under_http = io.BytesIO(b"abc")
    http = streaming_handler(lambda event, context: HttpResponse(200, body=under_http)).after(fail)
    assert str(outcome(http).error) == "after the handler"
    assert under_http.closed


def test_an_error_of_on_error_keeps_the_cause_that_it_was_given() -> None:
    cause = KeyError("own")

    def fail(request: Request) -> None:
        raise ValueError("second") from cause

    error = outcome(streaming_handler(lambda event, context: 1 / 0).on_error(fail)).error
    assert error is not None
    assert error.__cause__ is cause


KEPT_HEADERS = Headers({"content-type": "text/plain"})
KEPT = HttpResponse(200, KEPT_HEADERS, "kept", cookies=["a=1"])


def change(request: Request) -> None:
    request.response.headers["x-caller"] = request.event["caller"]
    request.response.cookies.append("b=2")
    request.response.status = 201


@pytest.mark.parametrize(
    "respond",
    [
        lambda handler: handler.handler(lambda event, context: KEPT),
        lambda handler: handler.handler(lambda event, context: HttpResponse(200, KEPT_HEADERS, "kept")),
        lambda handler: handler.after(lambda request: KEPT),
        lambda handler: handler.after(lambda request: setattr(request, "response", KEPT)),
        lambda handler: handler.handler(lambda event, context: 1 / 0).on_error(lambda request: KEPT),
    ],
)
def test_a_response_that_the_application_keeps_is_never_changed(respond: Callable[[Any], Any]) -> None:
    handler: Any = streaming_handler(lambda event, context: "replaced").after(change).on_error(change)
    respond(handler)
    for caller in ("A", "B"):
        result = outcome(handler, {"caller": caller})
        assert result.headers.get("x-caller", caller) == caller
    assert KEPT_HEADERS == {"content-type": "text/plain"}
    assert (KEPT.status, dict(KEPT.headers), KEPT.cookies) == (200, {"content-type": "text/plain"}, ["a=1"])


def test_an_early_response_that_the_application_keeps_is_sent_as_it_is() -> None:
    handler: Any = streaming_handler(lambda event, context: None).before(lambda request: KEPT)
    assert outcome(handler).status_code == 200
    assert outcome(handler).cookies == ["a=1"]


class Closeable:
    """A body that knows how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[str]:
        return iter(["x"])

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(
    "replace",
    [
        lambda request: "other",
        lambda request: setattr(request, "response", "other"),
        lambda request: setattr(request, "response", HttpResponse(200, body="other")),
        lambda request: setattr(request, "response", map(str.upper, ["other"])),
    ],
)
def test_a_body_that_a_middleware_replaces_is_closed(replace: Callable[[Request], Any], http: bool) -> None:
    body = Closeable()
    handler: Any = streaming_handler(lambda event, context: HttpResponse(200, body=body) if http else body)
    assert outcome(handler.after(replace)).text.lower() == "other"
    assert body.closed == 1


def test_a_body_inside_another_is_closed_after_it_was_sent() -> None:
    order: list[str] = []

    def inner(event: Any, context: Any) -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            order.append("closed")

    def upper(chunk: str) -> str:
        order.append(chunk)
        return chunk.upper()

    def wrap(request: Request) -> None:
        request.response = map(upper, request.response)

    assert outcome(streaming_handler(inner).after(wrap)).chunks == [b"A", b"B"]
    assert order == ["a", "b", "closed"]


@pytest.mark.parametrize("function", ["sync", "async"])
def test_end_hooks_run_before_an_exit_passes_through(function: str) -> None:
    ran: list[Any] = []

    def leave(event: Any, context: Any) -> Iterator[str]:
        yield "a"
        raise SystemExit(3)

    async def leave_async(event: Any, context: Any) -> AsyncIterator[str]:
        yield "a"
        raise SystemExit(3)

    handler: Any = streaming_handler(leave if function == "sync" else leave_async)
    handler.on_stream_end(lambda request: ran.append(request.stream_end.error))
    with pytest.raises(SystemExit):
        handler({}, None)
    assert [type(error) for error in ran] == [SystemExit]


def links(error: BaseException) -> list[BaseException]:
    """What a traceback shows of a chain; fails if it goes in a circle."""
    found = [error]
    while (before := found[-1].__cause__ or found[-1].__context__) is not None:
        assert before not in found, "a circle"
        found.append(before)
    return found


def raised(handler: Any, event: Any = "fails") -> BaseException:
    with pytest.raises(Exception) as caught:
        handler(event, None)
    return caught.value


@pytest.mark.parametrize(
    "hook", ["from nothing", "from the error", "the error", "its cause", "itself in a circle"]
)
@pytest.mark.parametrize("body", ["plain", "with a cause", "from None"])
def test_the_chain_of_an_error_shows_a_failed_end_hook_and_has_no_circles(body: str, hook: str) -> None:
    cause = KeyError("cause")

    def fails(event: Any, context: Any) -> Iterator[str]:
        yield "a"
        if body == "plain":
            raise ValueError("body")
        raise ValueError("body") from (cause if body == "with a cause" else None)

    def fail_again(request: Request) -> None:
        assert request.stream_end is not None
        error = request.stream_end.error
        assert error is not None
        if hook == "from the error":
            raise RuntimeError("hook") from error
        if hook == "the error":
            raise error
        if hook == "its cause":
            raise error.__cause__ or RuntimeError("hook")
        if hook == "itself in a circle":
            try:
                raise error
            except ValueError:
                raise RuntimeError("hook")  # noqa: B904
        raise RuntimeError("hook")

    handler = streaming_handler(fails).on_stream_end(fail_again)
    error = raised(handler)
    assert str(error) == "body"
    shown = [str(link) for link in links(error)]
    assert "hook" in shown or hook == "the error" or (hook, body) == ("its cause", "with a cause")
    assert ("'cause'" in shown) == (body == "with a cause")
    import traceback

    assert ("RuntimeError: hook" in "".join(traceback.format_exception(error))) == ("hook" in shown)


def test_an_error_of_on_error_that_is_the_cause_of_the_first_makes_no_circle() -> None:
    cause = KeyError("cause")

    def fails(event: Any, context: Any) -> None:
        raise ValueError("first") from cause

    def raise_cause(request: Request) -> None:
        raise cause

    error = raised(streaming_handler(fails).on_error(raise_cause))
    assert [str(link) for link in links(error)] == ["'cause'", "first"]


def test_sync_code_may_run_a_loop_of_its_own_beside_async_code() -> None:
    async def before(request: Request) -> None:
        await asyncio.sleep(0)

    async def value() -> str:
        await asyncio.sleep(0)
        return "from its own loop"

    def body(event: Any, context: Any) -> Iterator[str]:
        yield asyncio.run(value())

    seen: list[str] = []
    handler: Any = streaming_handler(body).before(before)
    handler.after(lambda request: seen.append(asyncio.run(value())))
    handler.on_stream_end(lambda request: seen.append(asyncio.run(value())))
    assert outcome(handler).text == "from its own loop"
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("body", "outcome", "has_begun"),
    [
        (lambda: iter(["one", "two"]), "whole", True),
        (lambda: iter(()), "whole", False),
        (lambda: b"", "whole", False),
        (lambda: HttpResponse(200, body=iter(["", "one"])), "whole", True),
        (lambda: HttpResponse(204), "whole", False),
        (lambda: 1 / 0, "failed", False),
    ],
)
def test_the_end_of_a_stream_knows_when_its_first_byte_left(
    body: Callable[[], Any], outcome: str, has_begun: bool
) -> None:
    ends: list[Any] = []
    handler = streaming_handler(lambda event, context: body())
    handler.on_stream_end(lambda request: ends.append(request.stream_end))
    invoke(handler, {}, raise_errors=False)
    (end,) = ends
    assert end.outcome == outcome
    assert (end.time_to_first_byte is not None) is has_begun
    assert 0 <= (end.time_to_first_byte or 0) <= end.duration
