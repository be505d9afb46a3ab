"""What the times of a response say about it, in a sentence."""

from dataclasses import dataclass
from typing import Literal

from streamify_server.local.events import Mode, Status
from streamify_server.local.units import seconds_text

from .timeline import Timeline

Kind = Literal["one-piece", "burst", "buffered-caller", "gap", "empty"]

# A pause that a person notices, and that idle limits on the way (CloudFront's 30 s) are made of.
LONG_GAP = 1.0
# Before this, nobody waits for a first byte, and "all at once" says nothing.
_QUICK = 0.2
# A response whose chunks take less than this share of the wait for the first of them came in one burst.
_BURST = 0.1


@dataclass(frozen=True, slots=True)
class Hint:
    """Something to look at: its kind, and the sentence for a person."""

    kind: Kind
    text: str


def hint(timeline: Timeline, *, status: Status, mode: Mode) -> Hint | None:
    """The most telling thing about a response that has ended without an error, or has paused for long."""
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
