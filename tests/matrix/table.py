"""The fault matrix as a table: what every cell gives its caller, stated apart from the code that is tested.

A group is what happens and where; the views and the two kinds of client are its cells, which must agree.
"""

from dataclasses import dataclass
from itertools import product

CUTS = ("cut_fin", "cut_rst", "cut_clean")
WIRE = (*CUTS, "flip", "stall")
HANDLER = ("raise", "exit", "kill", "timeout")
AT_THE_END = ("exception_frame", "error_frame", "error_code", "drop_end")
AT_THE_BEGINNING = ("delay", "throttle", "server_error")
HARMLESS = ("nothing", "rechunk")

POSITIONS = ("before", "prelude", "middle", "character", "last")
KINDS = {
    "iterate": "text",
    "lines": "text",
    "json": "jsonl",
    "file": "text",
    "pandas": "text",
    "arrow": "arrow",
}
VIEWS = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class Group:
    """What goes wrong, where, on which channel, between whom."""

    fault: str
    position: str
    channel: str  # "sdk" or "url"
    verified: bool
    mode: str  # "observed" or "documented"

    def __str__(self) -> str:
        promise = "verified" if self.verified else "plain"
        return f"{self.fault}-{self.position}-{self.channel}-{promise}-{self.mode}"


# What a caller gets. An error's name; "whole"; or why nobody can know: the cells that physics denies.
WHOLE = "whole"
UNKNOWABLE = {
    "observed": "Lambda reports no failure of a function in a stream, so a plain stream seems to end well",
    "clean": "a plain Function URL response has no end event: a clean HTTP end is an end",
    "unchecked": "a plain Function URL response has no checksums",
    "unmarked": "a plain Function URL response cannot say that the function failed after its status was sent",
}


def groups() -> list[Group]:
    """Every group, none left out silently: `impossible` says which combinations cannot exist, and why."""
    made = []
    for channel, verified, mode in product(("sdk", "url"), (True, False), ("observed", "documented")):
        for faults, positions in (
            (WIRE + HANDLER, POSITIONS),
            (AT_THE_END, ("last",)),
            (AT_THE_BEGINNING, ("before",)),
            (HARMLESS, ("middle",)),
        ):
            made += [
                Group(fault, position, channel, verified, mode)
                for fault, position in product(faults, positions)
            ]
    return [group for group in made if impossible(group) is None]


def impossible(group: Group) -> str | None:
    """Why a combination cannot exist; None: it can."""
    if group.channel == "url" and group.fault in AT_THE_END:
        return "a Function URL's response has no event-stream frames and no end event"
    if group.channel == "url" and group.position == "prelude" and group.fault in WIRE:
        return "the service strips the prelude: on the wire of a Function URL there is none"
    return None


def expected(group: Group) -> str:
    """What each view of the group raises, WHOLE, or a key of UNKNOWABLE."""
    if group.fault in HARMLESS:
        return WHOLE
    if group.fault in HANDLER:
        return _handler(group)
    return {
        "stall": "StreamTimeoutError",
        "delay": "StreamTimeoutError",
        "throttle": "ThrottledError",
        "server_error": "InvocationError",
        "exception_frame": "FunctionError",
        "error_frame": "FunctionError",
        "error_code": "FunctionError",
    }.get(group.fault) or _wire(group)


def _wire(group: Group) -> str:
    plain_url = group.channel == "url" and not group.verified
    if group.fault == "drop_end":
        return WHOLE if group.verified else "TruncatedStreamError"
    if group.fault == "flip":
        return "unchecked" if plain_url else "CorruptStreamError"
    if group.fault == "cut_clean" and plain_url:
        return "clean"
    return "TruncatedStreamError"


def _handler(group: Group) -> str:
    told = group.fault in ("raise", "timeout")  # the runtime lives, and can say so
    if group.channel == "url":
        if group.position == "before" and not (told and group.verified):
            return "HttpStatusError"  # 502: nothing had been answered yet
        if not group.verified:
            return "unmarked"
        return "FunctionError" if told else "TruncatedStreamError"
    reported = group.mode == "documented" or group.position == "before"
    if group.verified:
        return "FunctionError" if told or reported else "TruncatedStreamError"
    return "FunctionError" if group.mode == "documented" else "observed"
