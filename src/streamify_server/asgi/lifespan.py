"""The lifespan of an ASGI application: startup once per process, before the first request."""

from __future__ import annotations

import asyncio
import atexit
import logging
import weakref
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from streamify_server.errors import LifespanError

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[Any]]
Mode = Literal["auto", "on", "off"]

# Seconds for an application to stop at the end of the interpreter.
_STOP_WITHIN = 2.0

_log = logging.getLogger("streamify_server.asgi")


class Lifespan:
    """Starts an application before its first request, and stops it when the interpreter exits.

    Everything runs on the event loop of the requests. A process has one; tests may have several and start
    the application on each.
    """

    def __init__(self, app: App, mode: Mode) -> None:
        self._app = app
        self._mode = mode
        self._cycles: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Cycle] = (
            weakref.WeakKeyDictionary()
        )

    async def state(self) -> dict[str, Any]:
        """Return a copy, for one request, of the state that the application created on startup.

        Raises:
            LifespanError: The application reported that it could not start; the next request tries again.
        """
        if self._mode == "off":
            return {}
        loop = asyncio.get_running_loop()
        if loop not in self._cycles:
            cycle = _Cycle(self._app, required=self._mode == "on")
            self._cycles[loop] = cycle
            atexit.register(cycle.stop_at_exit)
        cycle = self._cycles[loop]
        try:
            # Shielded: the deadline of this request must not cancel the application's startup.
            await asyncio.shield(cycle.started)
        except LifespanError:
            if self._cycles.get(loop) is cycle:
                del self._cycles[loop]
                atexit.unregister(cycle.stop_at_exit)
            raise
        return dict(cycle.state)


class _Cycle:
    """One lifespan: a task that stays in the application from startup to shutdown."""

    def __init__(self, app: App, required: bool) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._required = required
        self._loop = asyncio.get_running_loop()
        self.started: asyncio.Future[None] = self._loop.create_future()
        self._stopping = asyncio.Event()
        self._told_to_start = False
        self._told_to_stop = False
        self._task = self._loop.create_task(self._run())

    def stop_at_exit(self) -> None:
        """Run the application's shutdown, if its loop can still run."""
        if self._loop.is_closed() or self._task.done():
            return
        if self._loop.is_running():  # on its own thread
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_STOP_WITHIN * 2)
        else:
            self._loop.run_until_complete(self._stop())

    async def _stop(self) -> None:
        self._stopping.set()
        await asyncio.wait([self._task], timeout=_STOP_WITHIN)
        if not self._task.done():
            _log.error("The ASGI application did not stop within %g s", _STOP_WITHIN)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_STOP_WITHIN)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            self._ended(None)
            raise
        except BaseException as error:  # includes sys.exit(), which would stop the event loop
            self._ended(error)
        else:
            self._ended(None)

    def _ended(self, error: BaseException | None) -> None:
        if self.started.done():
            if error is not None and not self.started.exception():
                _log.error("The ASGI application's lifespan failed after startup", exc_info=error)
        elif self._required:
            failure = LifespanError(f"The ASGI application did not start (lifespan='on'): {error!r}")
            failure.__cause__ = error
            self.started.set_exception(failure)
        else:
            _log.info("The ASGI application has no lifespan: %r", error)
            self.started.set_result(None)

    async def _receive(self) -> Message:
        if not self._told_to_start:
            self._told_to_start = True
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        if self._told_to_stop:
            await self._loop.create_future()  # there is nothing else to receive
        self._told_to_stop = True
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and not self.started.done():
            self.started.set_result(None)
        elif kind == "lifespan.startup.failed" and not self.started.done():
            reason = message.get("message") or "it gave no reason"
            self.started.set_exception(LifespanError(f"The ASGI application did not start: {reason}"))
        elif kind == "lifespan.shutdown.failed":
            _log.error("The ASGI application failed to shut down: %s", message.get("message"))
        elif kind != "lifespan.shutdown.complete":
            raise RuntimeError(f"The ASGI message {kind!r} does not belong here in a lifespan.")
