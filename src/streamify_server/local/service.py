"""The core of the emulator: functions and their workers, on one event loop, without the servers."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from .api_errors import ApiError, throttled
from .events import (
    ChunkProduced,
    Event,
    FaultInjected,
    History,
    InvocationEnded,
    InvocationStarted,
    LogWritten,
    Observer,
)
from .faults import Fault, FaultQueue
from .fronts.front import OpenFront
from .functions import Function
from .http.listener import Listener, out_of_descriptors
from .invocation import Call, Invocation
from .pacing import TokenBucket
from .sandbox.environment import process_environment
from .sandbox.extensions import external_extensions
from .sandbox.pool import Pool
from .sandbox.processes import Exit, Processes
from .sandbox.runtime_api import RuntimeApi
from .sandbox.worker import Worker
from .trace import new_request_id, trace_header

# How long to wait for what a process sent before it exited. In a response, that takes as long as the caller
# reads it.
_DRAIN_SECONDS = 1.0

_LOGGER = logging.getLogger("streamify_server.local")

StreamErrors = Literal["observed", "documented"]


class LambdaService:
    """All functions of one LocalLambda."""

    def __init__(
        self,
        *,
        region: str,
        account: str,
        stream_errors: StreamErrors,
        concurrency: int,
        denied: frozenset[str],
        pacing: bool = False,
        ca_bundle: str | None = None,
    ) -> None:
        self.endpoint_url: str = ""
        self.region = region
        self.account = account
        self.documented: bool = stream_errors == "documented"
        self.functions: dict[str, Function] = {}
        self.history: History = History()
        self.faults: FaultQueue = FaultQueue()
        self.fronts: list[OpenFront] = []
        self._ca_bundle = ca_bundle
        self._pacing = pacing
        self._concurrency = concurrency
        self.denied = denied
        self._active: dict[str, int] = {}
        self._queued: deque[Call] = deque()
        self._pools: dict[str, Pool] = {}
        self._observers: list[Observer] = []
        self._processes = Processes()
        self._listeners: dict[Worker, Listener] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def close(self) -> None:
        """Start nothing more and end every process."""
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._processes.end()
        await asyncio.gather(*(listener.close() for listener in self._listeners.values()))

    def add(self, function: Function) -> None:
        """Add or replace a function; workers with the old configuration end after their invocation."""
        self.functions[function.name] = function
        if function.name in self._pools:
            self._pools[function.name].retire(function)
        else:
            self._pools[function.name] = Pool(function, self._spawn)

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    @property
    def process_ids(self) -> list[int]:
        return self._processes.process_ids

    def submit(self, call: Call) -> Invocation:
        """Start an invocation.

        Raises:
            ApiError: The function, or the account, is at its concurrency limit.
        """
        if refusal := self._refusal(call.function):
            raise refusal
        return self._begin(call)

    def submit_event(self, call: Call) -> None:
        """Start an asynchronous invocation, as soon as the concurrency limits allow it."""
        if self._refusal(call.function):
            self._queued.append(call)
        else:
            self._begin(call).detach()

    def _refusal(self, function: Function) -> ApiError | None:
        reserved = function.concurrency
        if reserved is not None and self._active.get(function.name, 0) >= reserved:
            return throttled(reserved=True)
        if sum(self._active.values()) >= self._concurrency:
            return throttled(reserved=False)
        return None

    def _begin_queued(self) -> None:
        for _ in range(len(self._queued)):
            self.submit_event(self._queued.popleft())

    def _begin(self, call: Call) -> Invocation:
        paced = self._pacing and call.mode == "streaming"
        bucket = TokenBucket(time.monotonic()) if paced else None
        invocation = Invocation(
            call,
            self._notify,
            self._produced,
            bucket=bucket,
            recorded_first=call.tail or bool(self._observers),
        )
        self._pools[call.function.name].submit(invocation)
        return invocation

    def replay(self, request_id: str) -> str | None:
        """Invoke a function again with the payload of an earlier invocation; the response is discarded.

        The function is invoked directly, even if the earlier request came through a Function URL, whose event
        is an event like any other.

        Returns:
            None, or a sentence that says why it is not possible.
        """
        record = self.history.find(request_id)
        function = self.functions.get(record.function) if record else None
        if record is None or function is None:
            return "What this invocation was given is no longer kept."
        call = Call(
            function=function,
            request_id=new_request_id(),
            invoked_arn=function.arn,
            payload=record.payload,
            trace_id=trace_header(None),
            mode=record.mode,
            http=record.request,
            part=record.part if record.request else None,  # an HTTP event contains the token
        )
        try:
            self.submit(call).detach()
        except ApiError as error:
            return str(error)
        return None

    def end_idle(self) -> None:
        """End idle processes, to free their file descriptors when none are left."""
        for pool in self._pools.values():
            pool.end_idle()

    def explain(self, invocation: Invocation, line: str) -> None:
        """Write a line from LocalLambda into a function's log."""
        call = invocation.call
        self._notify(LogWritten(call.function.name, time.time(), line, call.request_id))

    def fault_for(self, function: Function, request_id: str) -> Fault | None:
        """Return the fault for an invocation that starts now, if any.

        Raises:
            ApiError: The fault is to reject the request.
        """
        fault = self.faults.take(function.name)
        if fault and fault.error:
            self.fault_teller(function, request_id)(fault, f"refused the request with {fault.error}")
            raise ApiError(fault.error, "As the fault plan says.", retry_after=fault.retry_after)
        return fault

    def fault_teller(self, function: Function, request_id: str) -> Callable[[Fault, str], None]:
        """Return a function that reports the effect of a fault to observers."""
        return lambda fault, effect: self._notify(
            FaultInjected(function.name, request_id, time.time(), fault, effect)
        )

    def fronts_of(self, function: Function) -> list[OpenFront]:
        """Return the Function URLs and REST APIs of a function."""
        return [each for each in self.fronts if each.front.function == function.name]

    def _produced(self, call: Call, batch: list[bytes]) -> None:
        """Record chunks of a response, and send an event for each if there are observers."""
        now, name = time.time(), call.function.name
        self.history.produced(name, call.request_id, now, batch)
        if self._observers:
            for piece in batch:
                self._tell(ChunkProduced(name, call.request_id, now, len(piece), piece))

    def _notify(self, event: Event) -> None:
        self.history.observe(event)
        self._count(event)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception:
                _LOGGER.exception("An observer of LocalLambda failed with an event %s", type(event).__name__)

    def _count(self, event: Event) -> None:
        if isinstance(event, InvocationStarted):
            self._active[event.function] = self._active.get(event.function, 0) + 1
        elif isinstance(event, InvocationEnded):
            self._active[event.function] -= 1
            if self._queued:
                asyncio.get_running_loop().call_soon(self._begin_queued)

    def _spawn(self, function: Function) -> Worker:
        worker = Worker(function, self._notify)
        if self._closing:  # start no process any more
            return worker
        task = asyncio.get_running_loop().create_task(self._start(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return worker

    async def _start(self, worker: Worker) -> None:
        # One port for each process: AWS_LAMBDA_RUNTIME_API is only a host and a port, so the port must tell
        # which process is calling.
        listener = Listener(RuntimeApi(worker), idle_seconds=None, on_full=self.end_idle)
        self._listeners[worker] = listener
        try:
            await listener.open()
            self._start_process(worker, listener)
        except OSError as error:
            shortage = out_of_descriptors(error)
            if shortage:
                self.end_idle()
            worker.start_failed(shortage or str(error))
        await worker.ended()
        # The exit can be noticed before the last bytes that the process sent: read these first.
        await listener.drain(None if worker.begun else _DRAIN_SECONDS)
        worker.bury()
        await listener.close()
        self._listeners.pop(worker, None)

    def _start_process(self, worker: Worker, listener: Listener) -> None:
        if worker.dead:
            return
        function = worker.function
        environment = process_environment(
            function,
            runtime_api=listener.address,
            region=self.region,
            log_stream=worker.log_stream,
            endpoint_url=self.endpoint_url,
            ca_bundle=self._ca_bundle,
        )
        if not self._processes.alive:
            self._processes.end()
            self._processes = Processes()
        extensions = external_extensions(function.opt)
        for extension in extensions:
            worker.extensions.expect(extension.name)
        process = self._processes.spawn(function.command, environment, str(function.code), worker.output)
        worker.attach(process)
        for extension in extensions:
            self._start_extension(worker, extension, environment)

    def _start_extension(self, worker: Worker, program: Path, environment: dict[str, str]) -> None:
        own = {name: value for name, value in environment.items() if name != "_HANDLER"}
        folder = str(worker.function.code)
        process = self._processes.spawn([str(program)], own, folder, worker.output, leads=False)

        def ended(how: Exit) -> None:
            if not worker.dead:
                worker.note(f"EXTENSION {program.name} ended: {how}")
            worker.extensions.settled(program.name)

        process.on_exit = ended
