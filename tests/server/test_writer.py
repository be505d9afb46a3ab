"""Writer style: a stream to write to, from sync and async code and from several places."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial, update_wrapper, wraps
from pathlib import Path
from typing import Any

import pytest

from streamify_server import StreamWriter, streaming_handler
from streamify_server.errors import StreamClosedError
from streamify_server.posting import posting_through
from support.answers import outcome
from support.posters import Leaving, Poster
from support.runtime_api import RuntimeApi, Script, running


def test_a_sync_writer_writes_chunks() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        stream.write("one")
        stream.write(b"two")
        stream.write("")
        stream.write(None)
        stream.write(memoryview(b"three"))

    result = outcome(handler)
    assert result.chunks == [b"one", b"two", b"three"]
    assert result.error is None


def test_an_async_writer_awaits_its_writes() -> None:
    @streaming_handler
    async def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        for number in range(5):
            await stream.write(str(number))

    assert outcome(handler).chunks == [b"0", b"1", b"2", b"3", b"4"]


def test_writes_that_nobody_awaits_are_not_lost() -> None:
    @streaming_handler
    async def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        for number in range(5):
            stream.write(str(number))

    assert outcome(handler).chunks == [b"0", b"1", b"2", b"3", b"4"]


def test_a_writer_may_write_from_several_threads_and_tasks() -> None:
    @streaming_handler
    async def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        async def from_task() -> None:
            await stream.write("task")

        await asyncio.gather(from_task(), asyncio.to_thread(stream.write, "thread"), from_task())

    assert sorted(outcome(handler).chunks) == [b"task", b"task", b"thread"]


def test_the_content_type_can_be_set_before_the_first_write() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        stream.set_content_type("text/csv")
        stream.write("a")
        with pytest.raises(RuntimeError, match="begun"):
            stream.set_content_type("text/plain")

    result = outcome(handler)
    assert result.error is None
    assert result.content_type == "text/csv"


def test_start_http_begins_an_http_response() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        stream.start_http(201, {"x-a": "b"}, cookies=["c=1"])
        stream.write("body")
        with pytest.raises(RuntimeError, match="begun"):
            stream.start_http()

    result = outcome(handler)
    assert (result.status_code, result.cookies, result.body) == (201, ["c=1"], b"body")
    assert result.headers["x-a"] == "b"


def test_start_http_checks_what_it_is_given() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        stream.start_http(200, {"x-a": "b\r\n"})

    assert "line break" in str(outcome(handler).error)


def test_the_prelude_leaves_before_the_writer_goes_on(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\n"
        "from streamify_server import streaming_handler\n"
        "@streaming_handler\n"
        "def handler(event, context, stream):\n"
        "    stream.start_http(201)\n"
        "    with open(event, 'rb') as gate: gate.read()\n"
        "    stream.write('late')\n"
    )
    import os

    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with RuntimeApi() as api, running(api, tmp_path):
        invocation = api.invoke(str(gate))
        assert invocation.wait_for(b"\0" * 8).prelude["statusCode"] == 201
        gate.write_bytes(b"")
        assert invocation.result().http_body == b"late"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_writer_that_fails_before_it_writes_is_a_plain_error(is_async: bool) -> None:
    def sync(event: Any, context: Any, stream: StreamWriter) -> None:
        raise ValueError("early")

    async def not_sync(event: Any, context: Any, stream: StreamWriter) -> None:
        raise ValueError("early")

    result = outcome(streaming_handler(not_sync if is_async else sync))
    assert isinstance(result.error, ValueError)
    assert result.content_type is None


@pytest.mark.parametrize("is_async", [False, True])
def test_a_writer_that_fails_later_has_sent_what_it_wrote(is_async: bool) -> None:
    def sync(event: Any, context: Any, stream: StreamWriter) -> None:
        stream.write("one")
        raise ValueError("late")

    async def not_sync(event: Any, context: Any, stream: StreamWriter) -> None:
        await stream.write("one")
        raise ValueError("late")

    result = outcome(streaming_handler(not_sync if is_async else sync))
    assert result.chunks == [b"one"]
    assert str(result.error) == "late"


def test_a_writer_that_writes_nothing_sends_an_empty_body() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        pass

    assert outcome(handler).chunks == []
    assert outcome(handler).error is None


def test_a_wrong_type_is_refused_where_it_is_written() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        with pytest.raises(TypeError, match=r"json\.dumps"):
            stream.write({"a": 1})
        stream.write("fine")

    assert outcome(handler).body == b"fine"


def yields(event: Any, context: Any, stream: Any) -> Iterator[str]:
    yield "a"


async def async_yields(event: Any, context: Any, stream: Any) -> AsyncIterator[str]:
    yield "a"


@pytest.mark.parametrize("function", [yields, async_yields])
def test_a_writer_that_also_yields_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="also yields"):
        streaming_handler(function)


def test_a_writer_that_returns_a_generator_is_refused() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> Any:
        return yields(event, context, stream)

    assert "also yields" in str(outcome(handler).error)


def test_a_writer_that_returns_something_is_told_to_write() -> None:
    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> Any:
        return "text"

    assert "write to the stream" in str(outcome(handler).error)


def two(event: Any, context: Any) -> str:
    return "two"


def three(event: Any, context: Any, stream: StreamWriter) -> None:
    stream.write("three")


def two_and_default(event: Any, context: Any, option: int = 1) -> str:
    return "two"


class WithMethod:
    def method(self, event: Any, context: Any, stream: StreamWriter) -> None:
        stream.write("three")

    def __call__(self, event: Any, context: Any) -> str:
        return "two"


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def four(option: int, event: Any, context: Any, stream: StreamWriter) -> None:
    stream.write("three")


@pytest.mark.parametrize(
    ("function", "sent"),
    [
        (two, b"two"),
        (three, b"three"),
        (two_and_default, b"two"),
        (WithMethod().method, b"three"),
        (WithMethod(), b"two"),
        (wrapping(three), b"three"),
        (wrapping(two), b"two"),
        (partial(four, 1), b"three"),
        (lambda event, context, *rest: "two", b"two"),
        (lambda event, context, *, option=1: "two", b"two"),
    ],
)
def test_exactly_three_required_positional_parameters_make_a_writer(
    function: Callable[..., Any], sent: bytes
) -> None:
    assert outcome(streaming_handler(function)).body == sent


def injecting(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(event: Any, context: Any) -> Any:
        return function(event, context, "database")

    return wrapper


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(event: Any, context: Any) -> Any:
        return function(event, context)

    return wrapper


class Injecting:
    """A decorator that is an object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self._function = function

    def __call__(self, event: Any, context: Any) -> Any:
        return self._function(event, context, "database")


@pytest.mark.parametrize("inject", [injecting, Injecting])
def test_a_decorator_that_injects_an_argument_does_not_make_a_writer(inject: Callable[..., Any]) -> None:
    @streaming_handler
    @wrapping
    @inject
    def handler(event: Any, context: Any, db: str) -> Iterator[str]:
        yield db

    assert outcome(handler).text == "database"


@pytest.mark.parametrize("around", [lambda handler: handler, wrapping, timed])
def test_a_function_around_a_writer_in_a_handler_is_no_writer(around: Callable[..., Any]) -> None:
    inner = streaming_handler(three)
    assert outcome(streaming_handler(around(inner))).body == b"three"

    @wraps(inner)
    def copying(event: Any, context: Any, stream: Any) -> None:
        for chunk in inner(event, context):
            stream.write(b"<" + chunk + b">")

    assert outcome(streaming_handler(copying)).body == b"<three>"


def test_a_decorator_that_keeps_the_stream_from_a_writer_is_named() -> None:
    with pytest.raises(TypeError, match="three takes a stream to write to, but a decorator"):
        streaming_handler(injecting(three))
    assert outcome(streaming_handler(writer=False)(injecting(lambda event, context, stream: stream))).text


def test_the_option_overrides_what_the_signature_says() -> None:
    def anything(*args: Any) -> None:
        args[2].write("written")

    assert outcome(streaming_handler(writer=True)(anything)).body == b"written"


def test_a_write_has_been_taken_when_it_returns() -> None:
    seen: list[tuple[int, int]] = []
    poster = Poster()

    @streaming_handler
    def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        for number in range(20):
            stream.write(str(number))
            seen.append((number + 1, len(poster.chunks)))

    with posting_through(poster):
        handler({}, None)
    assert seen == [(number, number) for number in range(1, 21)]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_writer_learns_that_nobody_takes_more(is_async: bool) -> None:
    outcome: list[Any] = []

    def sync(event: Any, context: Any, stream: StreamWriter) -> None:
        try:
            while True:
                stream.write("x")
        except StreamClosedError:
            outcome.append(stream.closed)
            raise

    async def not_sync(event: Any, context: Any, stream: StreamWriter) -> None:
        try:
            while True:
                await stream.write("x")
        except (StreamClosedError, asyncio.CancelledError):
            outcome.append(stream.closed)
            raise

    with posting_through(Leaving()), pytest.raises(ConnectionResetError):
        streaming_handler(not_sync if is_async else sync)({}, None)
    assert outcome == [True]
    assert not [thread for thread in threading.enumerate() if thread.name == "streamify-writer"]


def test_a_writer_survives_a_lost_connection_of_the_runtime(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from streamify_server import streaming_handler\n"
        "@streaming_handler\n"
        "def handler(event, context, stream):\n"
        "    try:\n"
        "        for _ in range(event): stream.write(b'x' * 65536)\n"
        "    finally: print('writer ended', flush=True)\n"
    )
    with RuntimeApi() as api, running(api, tmp_path) as runtime:
        api.invoke(10**9, script=Script(drop_after=1)).result()
        assert len(api.invoke(2).result().body) == 2 * 65536
        assert runtime.log.count("writer ended") == 2


def test_writes_that_nobody_awaits_do_not_fill_the_memory() -> None:
    """They wait where they are made, once they are too many."""
    unsent: list[int] = []

    class Slow(Poster):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.full = True

        async def drained(self) -> None:
            await asyncio.sleep(0)
            self.full = False

    poster = Slow()

    @streaming_handler
    async def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        await stream.write("x")
        for number in range(200):
            stream.write(b"y" * 65536)
            unsent.append((number + 1) * 65536 - sum(map(len, poster.chunks)))

    with posting_through(poster):
        handler({}, None)
    assert sum(map(len, poster.chunks)) == 1 + 200 * 65536
    assert max(unsent) < 2 << 20


def test_a_handler_that_never_awaits_is_told_before_it_fills_the_memory() -> None:
    @streaming_handler
    async def handler(event: Any, context: Any, stream: StreamWriter) -> None:
        while True:
            stream.write(b"y" * 65536)

    assert "await stream.write" in str(outcome(handler).error)
