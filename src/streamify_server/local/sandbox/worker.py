"""One execution environment: a function's process, the state of its runtime, its log."""

import asyncio
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamify_server.local.events import Event, LogWritten
from streamify_server.local.functions import Function
from streamify_server.local.invocation import Call, Invocation, Outcome, failure

from .extensions import Extensions
from .logs import Tail, end_line, report_line, start_line
from .processes import Exit, Process
from .states import InvalidTransitionError, RuntimeCall, State, transition

# Lambda's limit for the init phase.
_INIT_SECONDS = 10.0

_MEMORY_SECONDS = 0.05

# A longer line is split: a function may print without ever ending the line.
_LINE_BYTES = 256 * 1024


class Worker:
    """Serves one invocation at a time; it is warm from the second on."""

    def __init__(self, function: Function, notify: Callable[[Event], None]) -> None:
        self.function = function
        self.log_stream: str = f"{time.strftime('%Y/%m/%d')}/[{function.version}]{uuid.uuid4().hex}"
        self.state: State = State.STARTED
        self.current: Invocation | None = None
        self.served: int = 0
        self.dead: bool = False
        self.invocation_id: str = ""
        self.finished_id: str = ""
        self.begun: bool = False
        self.not_taken: Callable[[], bool] = lambda: False
        self._exit = asyncio.Event()
        self._how = Exit(0)
        self.on_idle: Callable[[Worker], None] = lambda _: None
        self.on_death: Callable[[Worker], None] = lambda _: None
        self._notify = notify
        self.extensions: Extensions = Extensions()
        self._process: Process | None = None
        self._assigned: asyncio.Future[None] | None = None
        self._hung_up: Callable[[], bool] = lambda: False
        self._init_error: Outcome | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._spawned = time.monotonic()
        self._invoked = self._spawned
        self._init_duration: float | None = None
        self._init_cut = False
        self._out_of_memory = False
        self._tail = Tail()
        self._partial_line = b""
        self._request_id: str | None = None

    # The process.

    def attach(self, process: Process) -> None:
        self._process = process
        process.on_exit = self._exited
        # An init phase that exceeds ten seconds starts again within the invocation.
        again = self.current is not None and self.current.init_again
        seconds = self.function.timeout if again else _INIT_SECONDS
        expired = self._timed_out if again else self._init_expired
        self._timer = asyncio.get_running_loop().call_later(seconds, expired)
        if self.function.memory_limited:
            self._watch_memory()

    def _watch_memory(self) -> None:
        """Kill the process when it exceeds the function's memory size; checked several times a second."""
        if self.dead or self._process is None:
            return
        used = self._process.memory if self.current else None
        if used is not None and used > self.function.memory_size << 20:
            self._out_of_memory = True
            self.kill()
        else:
            asyncio.get_running_loop().call_later(_MEMORY_SECONDS, self._watch_memory)

    def kill(self) -> None:
        """Kill the process group; the worker takes no further invocation."""
        self.dead = True
        if self._process:
            self._process.kill()
        else:
            self._exit.set()

    async def ended(self) -> None:
        """Wait until the process has exited."""
        await self._exit.wait()

    def start_failed(self, why: str) -> None:
        """Record that the process could not be started."""
        self._exited(Exit(127, why))

    def _exited(self, how: Exit) -> None:
        self.dead = True
        self._how = how
        if self._assigned:
            self._assigned.cancel()
        self._exit.set()

    def bury(self) -> None:
        """Finish up after the process has exited and everything it sent has been read."""
        self._flush_line()
        # Only if the process has served before: one that never takes an invocation would be replaced forever.
        if self.served and self.state is State.RUNNING and self.not_taken():
            self.begun = False
        if self.current and (self.begun or self._init_duration is None) and not self._init_cut:
            self._finish(self._init_error or self._exit_failure(self._how, self.current))
        self._stop_timer()
        self.on_death(self)

    def _exit_failure(self, how: Exit, invocation: Invocation) -> Outcome:
        request_id = invocation.call.request_id
        if how.error:
            return failure("Runtime.InvalidEntrypoint", how.error, request_id=request_id)
        if self._out_of_memory:
            message = f"Runtime exited with error: {Exit(-signal.SIGKILL)}"
            return failure("Runtime.OutOfMemory", message, request_id=request_id)
        clean = how.status == 0
        message = (
            "Runtime exited without providing a reason" if clean else f"Runtime exited with error: {how}"
        )
        return failure("Runtime.ExitError", message, request_id=request_id)

    def _init_expired(self) -> None:
        duration = (time.monotonic() - self._spawned) * 1000
        self._flush_line()
        self._write_line(f"INIT_REPORT Init Duration: {duration:.2f} ms\tPhase: init\tStatus: timeout")
        if self.current:
            self.current.init_again = True
        self._init_cut = True
        self.kill()

    def _timed_out(self) -> None:
        if self.current and (self.begun or self._init_duration is None):
            message = f"Task timed out after {self.function.timeout:.2f} seconds"
            request_id = self.current.call.request_id
            self._finish(failure("Sandbox.Timedout", message, status="timeout", request_id=request_id))
        self.kill()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    # Invocations.

    def assign(self, invocation: Invocation) -> None:
        """Assign the next invocation: delivered now if the runtime waits in /next, else when it calls it."""
        self.current = invocation
        if self._init_duration is None:
            self._request_id = invocation.call.request_id
        if self.dead:
            self.on_death(self)
        elif self._assigned and not self._assigned.done():
            self._assigned.set_result(None)

    def withdraw(self) -> Invocation | None:
        """Take back an invocation that the runtime has not fetched."""
        invocation, self.current = self.current, None
        return invocation

    @property
    def waits(self) -> bool:
        """Whether the runtime waits in /next and is still connected."""
        return not self.dead and self.state is State.READY and not self._hung_up()

    @property
    def returns(self) -> bool:
        """Whether the runtime has responded and should soon call /next."""
        return not self.dead and self.state is State.RESPONSE_SENT and self.current is None

    async def next(self, hung_up: Callable[[], bool]) -> Invocation:
        """Handle a call of /next: wait for the next invocation and return it.

        Raises:
            InvalidTransitionError: The call is not allowed now.
        """
        self.state = transition(self.state, RuntimeCall.NEXT)
        if self._init_duration is None:
            await self.extensions.ready()
        self._stop_timer()
        if self._init_duration is None:
            self._init_duration = time.monotonic() - self._spawned
        self._hung_up = hung_up
        if self.state is State.READY:
            await self._assignment()
            self.state = transition(self.state, RuntimeCall.INVOKE)
            self._start()
        if self.current is None:
            raise InvalidTransitionError("The invocation is over.")
        return self.current

    async def _assignment(self) -> None:
        if self.current is None:
            self._assigned = asyncio.get_running_loop().create_future()
            self.on_idle(self)
            await self._assigned
            if self.dead:
                raise asyncio.CancelledError

    def _start(self) -> None:
        assert self.current is not None
        self.begun = True
        self._request_id = self.current.call.request_id
        self.invocation_id = str(uuid.uuid4())
        # An init phase that was started again counts as part of the invocation.
        self._invoked = self._spawned if self.current.init_again and not self.served else time.monotonic()
        self._tail = Tail()
        left = self._invoked + self.function.timeout - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(left, self._timed_out)
        self._write_line(start_line(self.current.call.request_id, self.function.version))
        if self.extensions.registered:
            self.extensions.tell(self._invoke_event(self.current.call))

    def _invoke_event(self, call: Call) -> dict[str, Any]:
        return {
            "eventType": "INVOKE",
            "deadlineMs": self.deadline_ms,
            "requestId": call.request_id,
            "invokedFunctionArn": call.invoked_arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": call.trace_id},
        }

    @property
    def deadline_ms(self) -> int:
        """The current invocation's deadline, in milliseconds since the epoch."""
        left = self._invoked + self.function.timeout - time.monotonic()
        return int((time.time() + left) * 1000)

    def called(self, call: RuntimeCall) -> None:
        """Record that the runtime called the Runtime API.

        Raises:
            InvalidTransitionError: The call is not allowed now.
        """
        self.state = transition(self.state, call)

    def init_failed(self, outcome: Outcome) -> None:
        """Record an init error that the runtime reports; the waiting invocation fails with it."""
        self._init_error = outcome

    def respond(self, outcome: Outcome) -> None:
        """End the invocation, after its response or error has arrived, whole or cut off."""
        self.called(RuntimeCall.RESPONSE_SENT)
        invocation = self.current
        if invocation is None or invocation.recorded_first or outcome.status != "success":
            self._finish(outcome)
        else:  # in this turn of the loop the caller gets its answer first, and the log its report then
            self._over(invocation)
            invocation.release(outcome)
            asyncio.get_running_loop().call_soon(self._record, invocation, outcome)

    def reject(self, outcome: Outcome) -> None:
        """End the invocation because the runtime violated the protocol; it gets no other."""
        self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        invocation = self.current
        if invocation is None:
            return
        self._over(invocation)
        if invocation.responding and outcome.status != "success":
            outcome = replace(outcome, in_response=True)
        self._record(invocation, outcome)

    def _over(self, invocation: Invocation) -> None:
        self.current = None
        self.begun = False
        self.served += 1
        self.finished_id = invocation.call.request_id

    def _record(self, invocation: Invocation, outcome: Outcome) -> None:
        self._write_report(invocation, outcome)
        self._request_id = None
        invocation.end(outcome, bytes(self._tail))

    # The log.

    def output(self, data: bytes) -> None:
        """Take output of the process."""
        self._tail.add(data)
        *lines, self._partial_line = (self._partial_line + data).split(b"\n")
        if len(self._partial_line) >= _LINE_BYTES:
            lines, self._partial_line = [*lines, self._partial_line], b""
        for line in lines:
            self._log_record(line)

    def _write_report(self, invocation: Invocation, outcome: Outcome) -> None:
        if self._process:
            self._process.drain()
        self._flush_line()
        if outcome.log_line:
            self._write_line(outcome.log_line)
        request_id = invocation.call.request_id
        self._write_line(end_line(request_id))
        self._write_line(
            report_line(
                request_id,
                duration=time.monotonic() - self._invoked,
                memory_size=self.function.memory_size,
                memory_used=self._process.peak_memory if self._process else None,
                init_duration=self._init_duration if self.served == 1 and not invocation.init_again else None,
                status=outcome.status,
                error_type=outcome.error_type,
            )
        )

    def note(self, line: str) -> None:
        """Write a line from LocalLambda into the log."""
        self._write_line(line)

    def _write_line(self, line: str) -> None:
        self._tail.add(line.encode() + b"\n")
        self._log(line)

    def _flush_line(self) -> None:
        if self._partial_line:
            line, self._partial_line = self._partial_line, b""
            self._log_record(line)

    def _log_record(self, record: bytes) -> None:
        # awslambdaric writes carriage returns between the lines of a traceback.
        for line in record.decode("utf-8", "replace").rstrip("\r").split("\r"):
            self._log(line)

    def _log(self, line: str) -> None:
        self._notify(LogWritten(self.function.name, time.time(), line, self._request_id))
