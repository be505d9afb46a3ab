"""Injected faults: what goes wrong with a response, and the logic that applies it, without I/O.

`Script` turns the body of a response into what is sent instead: pieces of it, stalls, a cut.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from .api_errors import STATUS
from .arguments import check_number, check_one_of, check_texts, check_whole
from .units import counted

Split = Literal["bytes", "random", "coalesced"]
CutKind = Literal["fin", "rst", "clean"]

_CUTS: dict[CutKind, str] = {
    "fin": "connection closed",
    "rst": "connection reset",
    "clean": "HTTP body ended in good order",
}
_COALESCED = 1024 * 1024
_RANDOM_MAX = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of one response; fields can be combined, and without any field there is no fault.

    Bytes and frames are counted in the body of the response as it is sent: event-stream bytes for
    InvokeWithResponseStream, plain body bytes for Invoke and Function URLs (where a frame is a piece of the
    body).

    Args:
        error: Refuse the request without running the function, with the name of a modelled error, such as
            "ServiceException" or "TooManyRequestsException", or a bare HTTP status of 400 to 599.
        retry_after: The seconds in the Retry-After header of `error`.
        delay_headers: Delay the head of the response by this many seconds.
        stall_after: After this many bytes, send nothing for `stall_seconds`.
        stall_seconds: None stalls until the caller disconnects.
        cut_after: Cut the connection after this many bytes: inside a frame unless that is a boundary.
        cut_after_frames: Cut the connection after this many frames.
        cut_after_chunks: Cut the connection after this many chunks of the handler, each of which arrives
            completely. In a verified stream these are its data frames, otherwise the pieces that the function
            sent. For streamed responses only.
        cut: "fin" closes the connection, "rst" resets it, "clean" ends the HTTP response as if it were
            complete.
        drop_end: Do not send the end event (InvokeComplete).
        flip_bit: Invert the bit with this number: bit `n % 8` of byte `n // 8`.
        exception: Send an exception frame with this type and message instead of the end event.
        error_frame: Send an error frame with this code and message instead of the end event.
        error_code: The ErrorCode of the end event.
        error_details: The ErrorDetails of the end event.
        reframe: Split the payload into other frames: "bytes" of one byte, "random" sizes, "coalesced" up to
            1 MiB.
        rechunk: Split the body into other HTTP chunks, sent one by one, in the same ways.
        seed: Makes "random" repeatable.

    Raises:
        ValueError: A field is invalid.
    """

    error: str | int | None = None
    retry_after: int | None = None
    delay_headers: float = 0.0
    stall_after: int | None = None
    stall_seconds: float | None = None
    cut_after: int | None = None
    cut_after_frames: int | None = None
    cut_after_chunks: int | None = None
    cut: CutKind = "fin"
    drop_end: bool = False
    flip_bit: int | None = None
    exception: tuple[str, str] | None = None
    error_frame: tuple[str, str] | None = None
    error_code: str | None = None
    error_details: str | None = None
    reframe: Split | None = None
    rechunk: Split | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "stall_after", "cut_after", "cut_after_frames", "cut_after_chunks", "flip_bit", "retry_after"
        ):  # fmt: skip
            check_whole(name, getattr(self, name))
        check_number("delay_headers", self.delay_headers, "seconds from 0 on", _is_time)
        if self.stall_seconds is not None:
            check_number("stall_seconds", self.stall_seconds, "seconds from 0 on", _is_time)
        for name in ("exception", "error_frame"):
            pair = getattr(self, name)
            if pair is not None and not (isinstance(pair, tuple) and len(pair) == 2):
                raise ValueError(f"{name} is a pair of texts, such as ('Kind', 'message'), not {pair!r}.")
            check_texts(f"What is in {name}", pair or ())
        if isinstance(self.error, int) and not 400 <= self.error <= 599:
            raise ValueError(f"error is a name, or a status of 400 to 599, not {self.error}.")
        if isinstance(self.error, str) and self.error not in STATUS:
            raise ValueError(f"{self.error} is not an error of the Lambda API.")
        check_one_of("cut", self.cut, "fin", "rst", "clean")
        for name in ("reframe", "rechunk"):
            if getattr(self, name) is not None:
                check_one_of(name, getattr(self, name), "bytes", "random", "coalesced")

    def __repr__(self) -> str:
        named = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return (
            f"Fault({', '.join(f'{name}={value!r}' for name, value, default in named if value != default)})"
        )


def _is_time(seconds: float) -> bool:
    return 0 <= seconds < float("inf")


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes now."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing for some seconds; None: until the caller disconnects."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Cut:
    """End the response here, as described for `Fault.cut`."""

    kind: CutKind


Action = Send | Stall | Cut


class FaultQueue:
    """The queued faults for the next invocations of each function."""

    def __init__(self) -> None:
        self._plans: dict[str, deque[tuple[Fault, int | None]]] = {}

    def add(self, function: str, fault: Fault, times: int | None) -> None:
        self._plans.setdefault(function, deque()).append((fault, times))

    def clear(self, function: str) -> None:
        self._plans.pop(function, None)

    def take(self, function: str) -> Fault | None:
        """Return the fault for an invocation that begins now."""
        plans = self._plans.get(function)
        if not plans:
            return None
        fault, times = plans[0]
        if times is not None:
            plans.popleft()
            if times > 1:
                plans.appendleft((fault, times - 1))
        return fault


class Splitter:
    """Splits a byte stream into pieces of other sizes."""

    def __init__(self, split: Split | None, seed: int) -> None:
        self._split = split
        self._random = random.Random(seed)
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._split == "coalesced":
            self._kept += data
            while len(self._kept) >= _COALESCED:
                yield self._kept[:_COALESCED]
                self._kept = self._kept[_COALESCED:]
            return
        while data:
            size = self._size(len(data))
            yield data[:size]
            data = data[size:]

    def flush(self) -> Iterator[bytes]:
        """Yield what is still buffered."""
        if self._kept:
            yield self._kept
        self._kept = b""

    def _size(self, rest: int) -> int:
        if self._split == "bytes":
            return 1
        return self._random.randint(1, _RANDOM_MAX) if self._split == "random" else rest


class Script:
    """Applies a fault to the body of one response, frame by frame."""

    def __init__(self, fault: Fault) -> None:
        self.happened: list[str] = []
        self._fault = fault
        self._splitter = Splitter(fault.rechunk, fault.seed)
        self._sent = 0
        self._frames = 0
        self._stalled = False
        self.over: bool = False

    def begin(self) -> Iterator[Action]:
        """Yield the actions between the head and the first frame."""
        yield from self._between()

    def feed(self, frame: bytes) -> Iterator[Action]:
        """Yield the actions that replace sending a frame; none after a cut."""
        frame = self._flipped(frame)
        while frame and not self.over:
            here = frame[: self._room()]
            self._sent += len(here)
            frame = frame[len(here) :]
            yield from map(Send, self._splitter.feed(here))
            self._frames += not frame
            yield from self._between()

    def finish(self) -> Iterator[Action]:
        """Yield the actions at the end of the response."""
        yield from map(Send, self._splitter.flush())

    @property
    def sent(self) -> str:
        """How much of the body was sent, as text."""
        return f"{counted(self._sent, 'byte')} in {counted(self._frames, 'frame')}"

    def effect(self, end_event: bool) -> str:
        """Describe what the fault did to the response, once it is over.

        Args:
            end_event: Whether the body got as far as its end event.
        """
        fault, did = self._fault, list(self.happened)
        if fault.delay_headers:
            did.insert(0, f"held the head back for {fault.delay_headers:g} s")
        if end_event and not self.over:
            did += _ending(fault)
        if fault.reframe and end_event:
            did.append(f"split the payload into other frames ({fault.reframe})")
        if fault.rechunk:
            did.append(f"split the body into other HTTP chunks ({fault.rechunk})")
        return ", ".join(did) or f"did nothing: the response ended after {self.sent}"

    def cut(self, where: str) -> Iterator[Action]:
        """Yield the actions that cut the response; `where` is for the description of the effect."""
        self.over = True
        yield from self.finish()
        self.happened.append(f"cut the response {where} ({_CUTS[self._fault.cut]})")
        yield Cut(self._fault.cut)

    def _between(self) -> Iterator[Action]:
        fault = self._fault
        if self._sent == fault.stall_after and not self._stalled:
            self._stalled = True
            yield from self.finish()
            seconds = fault.stall_seconds
            until = "until the caller hung up" if seconds is None else f"for {seconds:g} s"
            self.happened.append(f"stalled after {self.sent} {until}")
            yield Stall(fault.stall_seconds)
        if self._sent == fault.cut_after or self._frames == fault.cut_after_frames:
            yield from self.cut(f"after {self.sent}")

    def _room(self) -> int | None:
        """Return how many bytes may be sent before the next stall or cut; None for no limit."""
        marks = [mark for mark in (self._fault.stall_after, self._fault.cut_after) if mark is not None]
        ahead = [mark - self._sent for mark in marks if mark > self._sent]
        return min(ahead, default=None)

    def _flipped(self, frame: bytes) -> bytes:
        if self._fault.flip_bit is None:
            return frame
        index, bit = divmod(self._fault.flip_bit, 8)
        index -= self._sent
        if not 0 <= index < len(frame):
            return frame
        self.happened.append(f"flipped bit {self._fault.flip_bit}")
        flipped = bytearray(frame)
        flipped[index] ^= 1 << bit
        return bytes(flipped)


def _ending(fault: Fault) -> list[str]:
    """Describe what the fault did to the end event."""
    if fault.exception:
        return [f"sent an exception frame in place of the end event: {fault.exception[0]}"]
    if fault.error_frame:
        return [f"sent an error frame in place of the end event: {fault.error_frame[0]}"]
    if fault.drop_end:
        return ["sent no end event"]
    return [f"ended with ErrorCode {fault.error_code}"] if fault.error_code else []
