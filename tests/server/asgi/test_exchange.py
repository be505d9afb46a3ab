"""One request to an ASGI application: the messages, the order of things, and what the application is told."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streamify_server.asgi import CallerGoneError
from streamify_server.asgi.exchange import Exchange
from streamify_server.engine.interruption import Interruption
from streamify_server.engine.output import Output
from support.posters import Leaving, Poster

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


@asynccontextmanager
async def exchange(
    app: Any, body: bytes = b"", method: str = "GET", path: str = "/"
) -> AsyncIterator[Exchange]:
    running = Exchange(app, {"type": "http", "method": method, "path": path}, body)
    try:
        yield running
    finally:
        await running.aclose()
        await running.settle()


async def sent(running: Exchange, poster: Poster | None = None) -> list[bytes]:
    """The chunks of the body, once it is complete; raises what ends it."""
    poster = poster or Poster()
    out = Output(lambda kind: (poster, b""), [], Interruption())
    out.begin()
    await running._streamify_push(out)
    return poster.chunks


async def test_status_and_headers_are_there_before_the_body() -> None:
    release = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({**START, "status": 203})
        await release.wait()
        await send(part(b"late", more=False))

    async with exchange(app) as running:
        response = await running.response()
        assert (response.status, dict(response.headers)) == (203, {"content-type": "text/plain"})
        release.set()
        assert await sent(running) == [b"late"]


async def test_each_message_is_one_chunk_and_empty_ones_are_none() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        for body in (b"one", b"", b"two", b"three"):
            await send(part(body))
        await send(part(b"", more=False))

    async with exchange(app) as running:
        await running.response()
        assert await sent(running) == [b"one", b"two", b"three"]


async def test_a_chunk_has_been_written_when_send_returns() -> None:
    ahead: list[int] = []
    poster = Poster()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(10):
            await send(part(b"%d" % number))
            ahead.append(number + 1 - len(poster.chunks))
        await send(part(b"", more=False))

    async with exchange(app) as running:
        await running.response()
        await sent(running, poster)
    assert ahead == [0] * 10


async def test_an_application_waits_while_the_response_is_full() -> None:
    order: list[str] = []

    class Full(Poster):
        async def drained(self) -> None:
            order.append("room")
            self.full = False

    poster = Full(lambda chunk: setattr(poster, "full", True))

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(2):
            await send(part(b"x"))
            order.append(f"sent {number}")
        await send(part(b"", more=False))

    async with exchange(app) as running:
        await running.response()
        await sent(running, poster)
    assert order == ["room", "sent 0", "room", "sent 1"]


async def test_the_request_comes_once_and_the_disconnect_only_after_the_response() -> None:
    heard: list[str] = []

    async def listen(receive: Receive) -> None:
        heard.append((await receive())["type"])

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "http.request", "body": b"question", "more_body": False}
        listener = asyncio.create_task(listen(receive))
        await send(START)
        await send(part(b"answer"))
        await asyncio.sleep(0)
        heard.append("still sending")
        await send(part(b"", more=False))
        await listener

    async with exchange(app, b"question") as running:
        await running.response()
        assert await sent(running) == [b"answer"]
        await running.settle()
    assert heard == ["still sending", "http.disconnect"]


async def test_an_application_that_fails_before_its_response_gives_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        raise KeyError("no such thing")

    async with exchange(app) as running:
        response = await running.response()
    assert (response.status, response.body) == (500, "Internal Server Error")
    assert "KeyError: 'no such thing'" in caplog.text


async def test_an_application_that_answers_nothing_gives_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        return None

    async with exchange(app) as running:
        assert (await running.response()).status == 500
    assert "returned without completing its response" in caplog.text


async def test_an_error_in_mid_stream_comes_out_after_what_was_sent() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"begun"))
        raise ZeroDivisionError("in the middle")

    async with exchange(app) as running:
        await running.response()
        poster = Poster()
        with pytest.raises(ZeroDivisionError, match="in the middle"):
            await sent(running, poster)
        assert poster.chunks == [b"begun"]


async def test_a_response_that_is_never_completed_is_an_error() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"begun"))

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(RuntimeError, match="without completing its response"):
            await sent(running)


async def test_an_application_that_cancels_itself_has_not_completed_its_response() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"begun"))
        raise asyncio.CancelledError

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(RuntimeError, match="without completing its response"):
            await sent(running)


async def test_a_lost_caller_is_an_oserror_from_send_and_a_disconnect_from_receive() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        try:
            while True:
                await send(part(b"on and on"))
        except OSError as error:
            heard.append(error)
            heard.append(await receive())
            raise

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(ConnectionResetError):
            await sent(running, Leaving())
    assert isinstance(heard[0], CallerGoneError)
    assert heard[1] == {"type": "http.disconnect"}


async def test_an_application_that_waits_for_something_else_is_cancelled_and_cleans_up() -> None:
    cleaned: list[bool] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            await send(START)
            await send(part(b"begun"))
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await sent(running)
    assert cleaned == [True]


async def test_a_cancelled_request_cancels_the_application() -> None:
    cleaned = asyncio.Event()
    begun = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async with exchange(app) as running:
        request = asyncio.create_task(running.response())
        await begun.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert cleaned.is_set()


async def test_work_after_the_response_does_not_hold_its_end_but_is_waited_for() -> None:
    release, done = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"answer", more=False))
        await release.wait()
        done.set()

    async with exchange(app) as running:
        await running.response()
        assert await sent(running) == [b"answer"]
        assert not done.is_set()
        release.set()
        await running.settle()
        assert done.is_set()


async def test_a_failure_right_after_the_last_message_is_an_error_of_the_stream() -> None:
    """Starlette's BaseHTTPMiddleware completes a body whose generator has failed, and raises then."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"cut", more=False))
        await asyncio.sleep(0)
        raise ValueError("in the generator")

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(ValueError, match="in the generator"):
            await sent(running)


async def test_on_a_busy_machine_a_failure_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamify_server.asgi.exchange._MAY_FAIL_WITHIN", 0)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"cut", more=False))
        for _ in range(20):
            await asyncio.sleep(0)
        raise ValueError("in the generator")

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(ValueError, match="in the generator"):
            await sent(running)


async def test_an_error_that_the_response_itself_reports_is_logged_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Starlette answers an error with a 500, and raises it again for the server's log."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send({**START, "status": 500})
        await send(part(b"Internal Server Error", more=False))
        raise ValueError("as the response says")

    async with exchange(app) as running:
        await running.response()
        assert await sent(running) == [b"Internal Server Error"]
    assert "ValueError: as the response says" in caplog.text


async def test_a_failure_in_work_after_the_response_is_logged_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"answer", more=False))
        await ended.wait()
        raise ValueError("in a background task")

    async with exchange(app) as running:
        await running.response()
        assert await sent(running) == [b"answer"]
        ended.set()
        await running.settle()
    assert "ValueError: in a background task" in caplog.text


@pytest.mark.parametrize(
    "ending", [SystemExit(3), type("PanicException", (BaseException,), {})("at main.rs")]
)
async def test_what_is_no_exception_ends_the_response_and_not_the_process(
    ending: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    begun = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/late":
            await send(START)
            await send(part(b"begun"))
        begun.set()
        raise ending

    async with exchange(app, path="/") as running:
        assert (await running.response()).status == 500
    async with exchange(app, path="/late") as running:
        await running.response()
        with pytest.raises(RuntimeError, match=type(ending).__name__) as caught:
            await sent(running)
    assert caught.value.__cause__ is ending
    assert caplog.text.count("Traceback") == 2


@pytest.mark.parametrize("grouped", [False, True], ids=["alone", "in a group"])
async def test_a_lost_caller_is_no_error_in_the_log(grouped: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Starlette raises its own ClientDisconnect while it handles our OSError; anyio's task groups group."""

    class DisconnectError(Exception):
        pass

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            while True:
                await send(part(b"on and on"))
        except OSError as error:
            if grouped:
                raise BaseExceptionGroup("unhandled errors in a TaskGroup", [error]) from None
            raise DisconnectError  # noqa: B904

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(ConnectionResetError):
            await sent(running, Leaving())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_fails_beside_a_lost_caller_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            while True:
                await send(part(b"on and on"))
        except OSError as error:
            raise BaseExceptionGroup("unhandled errors", [error, ValueError("a bug")]) from None

    async with exchange(app) as running:
        await running.response()
        with pytest.raises(ConnectionResetError):
            await sent(running, Leaving())
    assert "ValueError: a bug" in caplog.text


async def test_a_head_request_gets_no_body() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"what GET would get", more=False))

    async with exchange(app, method="HEAD") as running:
        assert (await running.response()).status == 200
        assert await sent(running) == []


@pytest.mark.parametrize(
    "messages",
    [
        [part(b"before the start")],
        [START, START],
        [START, part(b"", more=False), part(b"after the end")],
        [{"type": "websocket.accept"}],
    ],
)
async def test_a_message_out_of_turn_is_refused(messages: list[dict[str, Any]]) -> None:
    refused: list[RuntimeError] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except RuntimeError as error:
            refused.append(error)

    async with exchange(app) as running:
        await running.response()
        if messages[1:]:
            await running.settle()
    assert messages[-1]["type"] in str(refused[0])


async def test_memoryviews_and_repeated_headers_travel() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        cookies = [
            (b"set-cookie", b"a=1"),
            (b"Set-Cookie", b"b=2; Path=/"),
            (b"x-latin", "é".encode("latin-1")),
        ]
        await send({**START, "headers": cookies})
        await send({"type": "http.response.body", "body": memoryview(b"view")})

    async with exchange(app) as running:
        response = await running.response()
        assert response.headers.get_all("set-cookie") == ["a=1", "b=2; Path=/"]
        assert response.headers["x-latin"] == "é"
        assert await sent(running) == [b"view"]
