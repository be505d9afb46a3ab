"""The workers of one function: one for each concurrent invocation; warm workers are used first."""

import asyncio
from collections.abc import Callable

from streamify_server.local.functions import Function
from streamify_server.local.invocation import Invocation

from .worker import Worker

# How long an invocation waits for a worker that has responded but not yet called /next again.
_RETURN_SECONDS = 1.0


class Pool:
    """Assigns invocations to workers and replaces workers that died."""

    def __init__(self, function: Function, spawn: Callable[[Function], Worker]) -> None:
        self.function: Function = function
        self._spawn = spawn
        self._workers: list[Worker] = []
        self._retired: set[Worker] = set()

    @property
    def workers(self) -> list[Worker]:
        return list(self._workers)

    def submit(self, invocation: Invocation) -> None:
        """Assign an invocation to the most recently used idle worker, one about to be idle, or a new one."""
        for worker in reversed(self._workers):
            if worker.waits and worker.current is None:
                worker.assign(invocation)
                return
        for worker in reversed(self._workers):
            if worker.returns:
                worker.assign(invocation)
                asyncio.get_running_loop().call_later(_RETURN_SECONDS, self._reconsider, worker, invocation)
                return
        self._cold(invocation)

    def retire(self, function: Function) -> None:
        """Stop all workers, busy ones after their invocation; new workers use the new configuration.

        An invocation whose worker is still importing, and has not fetched it, moves to a new worker.
        """
        self.function = function
        retired, self._workers = self._workers, []
        for worker in retired:
            if worker.begun:
                self._retired.add(worker)
                continue
            waiting = worker.withdraw()
            worker.kill()
            if waiting:
                self._cold(waiting)

    def end_idle(self) -> None:
        """Stop the workers that are waiting for an invocation."""
        for worker in self.workers:
            if worker.waits and worker.current is None:
                self._workers.remove(worker)
                worker.kill()

    def _cold(self, invocation: Invocation) -> None:
        worker = self._spawn(self.function)
        worker.on_idle = self._idle
        worker.on_death = self._died
        self._workers.append(worker)
        worker.assign(invocation)

    def _reconsider(self, worker: Worker, invocation: Invocation) -> None:
        if worker.current is invocation and not worker.begun and not worker.dead:
            worker.withdraw()
            self._cold(invocation)

    def _idle(self, worker: Worker) -> None:
        if worker in self._retired:
            worker.kill()
        elif worker in self._workers:
            self._workers.remove(worker)
            self._workers.append(worker)

    def _died(self, worker: Worker) -> None:
        self._retired.discard(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        if invocation := worker.withdraw():
            self.submit(invocation)
