"""An application starts once, before its first request, and what it prepared is in every request's state."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from streamify_server.asgi import LifespanError
from streamify_server.asgi.lifespan import Lifespan


class Application:
    """Speaks the lifespan protocol, and notes what it hears."""

    def __init__(self, answer: str = "lifespan.startup.complete") -> None:
        self.answer = answer
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        assert scope["type"] == "lifespan"
        self.heard.append((await receive())["type"])
        scope["state"]["pool"] = object()
        await send({"type": self.answer, "message": "the database is away"})
        self.heard.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(f"what is {scope['type']}?")


async def test_the_application_starts_once_however_many_requests_come() -> None:
    app = Application()
    lifespan = Lifespan(app, "auto")
    states = await asyncio.gather(*(lifespan.state() for _ in range(5)))
    assert app.heard == ["lifespan.startup"]
    assert len({id(state["pool"]) for state in states}) == 1


async def test_a_request_gets_a_copy_of_the_state() -> None:
    lifespan = Lifespan(Application(), "auto")
    (await lifespan.state())["pool"] = "mine"
    assert (await lifespan.state())["pool"] != "mine"


async def test_an_application_without_lifespan_serves_requests_all_the_same() -> None:
    assert await Lifespan(without_lifespan, "auto").state() == {}


async def test_a_lifespan_that_must_be_there_and_is_not_is_an_error() -> None:
    with pytest.raises(LifespanError, match=r"lifespan='on'.*what is lifespan") as caught:
        await Lifespan(without_lifespan, "on").state()
    assert isinstance(caught.value.__cause__, AssertionError)


async def test_switched_off_the_application_hears_of_no_lifespan() -> None:
    app = Application()
    assert await Lifespan(app, "off").state() == {}
    assert app.heard == []


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_a_failed_startup_fails_the_request_and_the_next_one_tries_again(mode: Any) -> None:
    app = Application("lifespan.startup.failed")
    lifespan = Lifespan(app, mode)
    with pytest.raises(LifespanError, match="did not start: the database is away"):
        await lifespan.state()
    app.answer = "lifespan.startup.complete"
    assert "pool" in await lifespan.state()


async def test_a_request_that_is_cancelled_does_not_cancel_the_startup() -> None:
    ready = asyncio.Event()
    begun = asyncio.Event()
    starts: list[int] = []

    async def app(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        starts.append(1)
        await receive()
        begun.set()
        await ready.wait()
        await send({"type": "lifespan.startup.complete"})
        await receive()

    lifespan = Lifespan(app, "auto")
    impatient = asyncio.create_task(lifespan.state())
    await begun.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    ready.set()
    await lifespan.state()
    assert starts == [1]


async def test_a_lifespan_that_breaks_after_startup_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    fail = asyncio.Event()

    async def app(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await fail.wait()
        raise ValueError("a watcher died")

    await Lifespan(app, "auto").state()
    fail.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    assert "ValueError: a watcher died" in caplog.text


SCRIPT = """
import asyncio, threading
from streamify_server.asgi.lifespan import Lifespan

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    print((await receive())["type"])
    await send({"type": "lifespan.shutdown.complete"})
    print("stopped")

loop = asyncio.new_event_loop()
lifespan = Lifespan(app, "auto")
"""
ON_A_THREAD = """
threading.Thread(target=loop.run_forever, daemon=True).start()
asyncio.run_coroutine_threadsafe(lifespan.state(), loop).result()
print("served")
"""
ON_DEMAND = """
loop.run_until_complete(lifespan.state())
print("served")
"""


@pytest.mark.parametrize("serve", [ON_A_THREAD, ON_DEMAND])
def test_the_application_stops_when_the_interpreter_does(serve: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT + serve], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["served", "lifespan.shutdown", "stopped"]


ENDLESS = """
import asyncio
from streamify_server.asgi.lifespan import Lifespan

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    while True:
        print((await receive())["type"])

loop = asyncio.new_event_loop()
loop.run_until_complete(Lifespan(app, "auto").state())
"""


def test_a_lifespan_that_goes_on_receiving_does_not_keep_the_interpreter_from_ending() -> None:
    command = [sys.executable, "-c", ENDLESS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["lifespan.shutdown"]


async def test_a_lifespan_that_exits_is_a_failed_startup() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise SystemExit(1)

    with pytest.raises(LifespanError, match="did not start"):
        await Lifespan(app, "on").state()
