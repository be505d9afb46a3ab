"""When the bytes of a response left the function: bars on a time axis, however many chunks there were."""

from dataclasses import dataclass, field

_MAX_BARS = 1000


@dataclass(frozen=True, slots=True)
class Bar:
    """One chunk, or neighbours merged into one; times are seconds since the invocation started."""

    at: float
    until: float
    size: int
    chunks: int
    text: str = field(repr=False)

    def merged(self, following: "Bar") -> "Bar":
        return Bar(
            self.at,
            following.until,
            self.size + following.size,
            self.chunks + following.chunks,
            self.text + following.text,
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which nothing left the function, between two of its chunks."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start


class Timeline:
    """The chunks of one response.

    The number of bars is bounded: once there are too many, neighbours are merged, so that the picture stays
    whole and only its resolution is halved. Totals, first and last byte and the longest gap stay exact.
    """

    def __init__(self, max_bars: int = _MAX_BARS) -> None:
        self.bars: list[Bar] = []
        self.merges: int = 0
        self.bytes: int = 0
        self.chunks: int = 0
        self.first: float | None = None
        self.last: float | None = None
        self.longest_gap: Gap | None = None
        self._max_bars = max_bars

    def add(self, at: float, size: int, text: str = "") -> None:
        """Add a chunk that left the function."""
        if self.last is None:
            self.first = at
        elif self.longest_gap is None or at - self.last > self.longest_gap.duration:
            self.longest_gap = Gap(self.last, at)
        self.last = at
        self.bytes += size
        self.chunks += 1
        if len(self.bars) >= self._max_bars:
            self._halve()
        self.bars.append(Bar(at, at, size, 1, text))

    def add_text(self, text: str) -> None:
        """Add what the last chunk turns out to say, now that nothing follows it."""
        if text and self.bars:
            last = self.bars[-1]
            self.bars[-1] = Bar(last.at, last.until, last.size, last.chunks, last.text + text)
            self.merges += 1

    def _halve(self) -> None:
        pairs = [self.bars[index : index + 2] for index in range(0, len(self.bars), 2)]
        self.bars = [pair[0].merged(pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]
        self.merges += 1
