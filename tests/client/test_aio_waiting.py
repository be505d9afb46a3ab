"""Alarms strike once, not too early, and moving one to a later time sets no timer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from streamify_client.transports.aio_waiting import Alarm, Interruptible


class Clock:
    """An event loop, as far as alarms know it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], object]) -> "Timer":
        self.timers.append(Timer(when, call))
        return self.timers[-1]

    def go_to(self, now: float) -> None:
        """Let the time come, and call what is due."""
        self.now = now
        for timer in self.timers:
            if timer.runs and timer.at <= now:
                timer.runs = False
                timer.call()

    @property
    def running(self) -> list[float]:
        return [timer.at for timer in self.timers if timer.runs]


class Timer:
    def __init__(self, at: float, call: Callable[[], object]) -> None:
        self.at, self.call, self.runs = at, call, True

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.runs = False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alarm(clock: Clock) -> Alarm:
    loop: Any = clock
    return Alarm(loop)


def test_an_alarm_that_is_moved_to_a_later_time_keeps_its_timer(clock: Clock, alarm: Alarm) -> None:
    struck: list[str] = []
    alarm.set(1, lambda: struck.append("first"))
    for _ in range(100):
        alarm.set(5, lambda: struck.append("second"))
    assert len(clock.timers) == 1
    clock.go_to(1)
    assert (struck, clock.running) == ([], [5])
    clock.go_to(5)
    assert (struck, clock.running) == (["second"], [])


def test_an_alarm_that_is_moved_to_an_earlier_time_strikes_then(clock: Clock, alarm: Alarm) -> None:
    struck: list[float] = []
    alarm.set(5, lambda: struck.append(clock.now))
    alarm.set(1, lambda: struck.append(clock.now))
    assert clock.running == [1]
    clock.go_to(1)
    clock.go_to(5)
    assert struck == [1]


def test_an_alarm_that_is_unset_calls_nothing_and_can_be_set_again(clock: Clock, alarm: Alarm) -> None:
    struck: list[float] = []
    alarm.set(1, lambda: struck.append(clock.now))
    alarm.unset()
    clock.go_to(1)
    assert (struck, clock.running) == ([], [])
    alarm.set(1, lambda: struck.append(clock.now))
    alarm.set(None, lambda: struck.append(clock.now))
    clock.go_to(2)
    alarm.set(1, lambda: struck.append(clock.now))
    clock.go_to(3)
    assert struck == [3]


def test_an_alarm_that_is_stopped_leaves_no_timer(clock: Clock, alarm: Alarm) -> None:
    alarm.set(1, lambda: pytest.fail("it was stopped"))
    alarm.stop()
    assert clock.running == []


async def test_an_interruption_ends_what_is_awaited_with_its_error() -> None:
    block = Interruptible()
    asyncio.get_running_loop().call_soon(block.interrupt, ValueError("enough"))
    with pytest.raises(ValueError, match="enough"), block:
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    block.interrupt(ValueError("too late"))
    await asyncio.sleep(0)


async def test_the_outer_of_two_interrupted_blocks_says_why() -> None:
    outer, inner = Interruptible(), Interruptible()
    loop = asyncio.get_running_loop()
    loop.call_soon(inner.interrupt, ValueError("inner"))
    loop.call_soon(outer.interrupt, KeyError("outer"))
    with pytest.raises(KeyError, match="outer"), outer, inner:
        await asyncio.Event().wait()
