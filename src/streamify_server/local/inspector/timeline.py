"""When the bytes of a response left the function, and a hint on what is unusual about that."""

from dataclasses import dataclass, field, replace
from typing import Literal

from streamify_server.local.events import Mode, Status
from streamify_server.local.units import seconds_text

# What a chunk contains: bytes of the body, or a part of the prelude or of the verified stream around it.
Kind = Literal["data", "head", "checkpoint", "keepalive", "end", "hand-over", "error"]
_TELLING: tuple[Kind, ...] = ("error", "hand-over", "data", "end", "checkpoint", "head", "keepalive")

_MAX_BARS = 1000


@dataclass(frozen=True, slots=True)
class Bar:
    """One chunk, or several adjacent ones merged; times are seconds since the invocation started."""

    at: float
    until: float
    size: int
    chunks: int
    text: str = field(repr=False)
    kind: Kind = "data"

    def merged(self, following: "Bar") -> "Bar":
        return Bar(
            self.at,
            following.until,
            self.size + following.size,
            self.chunks + following.chunks,
            self.text + following.text,
            most_telling(self.kind, following.kind),
        )


def most_telling(*kinds: Kind) -> Kind:
    """Return the most important kind, to show for merged chunks."""
    return min(kinds, key=_TELLING.index)


@dataclass(frozen=True, slots=True)
class Gap:
    """The time between two chunks, in which nothing left the function."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start


class Timeline:
    """The chunks of one response.

    The number of bars is limited: once there are too many, adjacent bars are merged, and later bars hold as
    many chunks, so that only the resolution is halved. Totals, first and last byte and the longest gap stay
    exact.
    """

    def __init__(self, max_bars: int = _MAX_BARS) -> None:
        self.bars: list[Bar] = []
        self.chunks_per_bar: int = 1
        self.bytes: int = 0
        self.chunks: int = 0
        self.first: float | None = None
        self.last: float | None = None
        self.longest_gap: Gap | None = None
        self._max_bars = max_bars

    def add(self, at: float, size: int, text: str = "", kind: Kind = "data") -> None:
        """Add a chunk that left the function."""
        if self.last is None:
            self.first = at
        elif self.longest_gap is None or at - self.last > self.longest_gap.duration:
            self.longest_gap = Gap(self.last, at)
        self.last = at
        self.bytes += size
        self.chunks += 1
        bar = Bar(at, at, size, 1, text, kind)
        if self.bars and self.bars[-1].chunks < self.chunks_per_bar:
            self.bars[-1] = self.bars[-1].merged(bar)
        else:
            self.bars.append(bar)
            if len(self.bars) > self._max_bars:
                self._halve()

    def add_text(self, text: str) -> None:
        """Add the remaining text to the last chunk, at the end of the response."""
        if text and self.bars:
            self.bars[-1] = replace(self.bars[-1], text=self.bars[-1].text + text)

    def _halve(self) -> None:
        pairs = [self.bars[index : index + 2] for index in range(0, len(self.bars), 2)]
        self.bars = [pair[0].merged(pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]
        self.chunks_per_bar *= 2


HintKind = Literal["one-piece", "burst", "buffered-caller", "gap", "empty"]

# A pause that people notice; longer ones can exceed idle timeouts on the way (CloudFront's 30 s).
LONG_GAP = 1.0
# If the first byte comes earlier, nobody waits for it, and "all at once" is no problem.
_QUICK = 0.2
# If the chunks take less than this share of the time to the first byte, they came in one burst.
_BURST = 0.1


@dataclass(frozen=True, slots=True)
class Hint:
    """A possible problem: its kind, and a sentence that describes it."""

    kind: HintKind
    text: str


def hint(timeline: Timeline, *, status: Status, mode: Mode) -> Hint | None:
    """Return the most important hint on a response that ended without an error or paused for long."""
    ended = status == "success"
    if timeline.first is None or timeline.last is None:
        return Hint("empty", "The response has no body.") if ended else None
    spread = timeline.last - timeline.first
    if ended and timeline.chunks == 1:
        return _one_piece(timeline.first)
    if ended and timeline.first >= _QUICK and spread < _BURST * timeline.first:
        left = f"All {timeline.chunks} chunks left within {seconds_text(spread)}, after"
        return Hint(
            "burst",
            f"{left} {seconds_text(timeline.first)} of silence: buffered?"
            " Something collects the response before it is streamed.",
        )
    if mode == "buffered" and timeline.chunks > 1:
        return Hint(
            "buffered-caller",
            "The function streams, but this caller invoked it buffered: it gets everything at the end.",
        )
    gap = timeline.longest_gap
    if gap and gap.duration >= LONG_GAP:
        return Hint(
            "gap",
            f"Nothing left the function for {seconds_text(gap.duration)},"
            f" from {seconds_text(gap.start)} to {seconds_text(gap.end)}.",
        )
    return None


def _one_piece(first: float) -> Hint:
    after = f", after {seconds_text(first)} of silence" if first >= _QUICK else ""
    return Hint(
        "one-piece",
        f"The whole response left the function in one piece{after}: buffered?"
        " To stream, yield its parts as they are made.",
    )
