"""What benchmarks/client.py compares: the ways of reading, the contestants, and the required ratios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bodies import Body
from turns import Cell, Claim

SHAPES: dict[Cell, Body] = {
    100: Body(100, 20_000),
    4096: Body(4096, 4_000),
    65536: Body(65536, 500),
    1 << 20: Body(1 << 20, 50),
    "live": Body(20, 2_000, live=250e-6),
    "one call": Body(20, 1),
}
STREAMS: tuple[Cell, ...] = (100, 4096, 65536, 1 << 20)
SYNC, ASYNC, VERIFIED = "StreamClient", "AsyncStreamClient", ", verified"
BY_NAME = ("boto3", SYNC, "aiobotocore", ASYNC)
FRAMED = ("boto3", SYNC, SYNC + VERIFIED, "aiobotocore", ASYNC, ASYNC + VERIFIED)
BY_URL = ("httpx2", SYNC, "aiohttp", ASYNC)
OTHERS = ("JavaScript SDK", "aws-sdk-lambda", "bare socket")


@dataclass(frozen=True, slots=True)
class Topic:
    """A way of reading, and its contestants.

    Attributes:
        view: How the stream is read: as "text", "bytes", "lines" or into a "file".
        names: The contestants.
        claims: The ratios to print.
        cells: The shapes of the stream, keys of `SHAPES`.
        by_url: Whether the function is called by its URL.
        tls: Whether TLS is used.
        times: How often a contestant reads the stream in one turn.
    """

    view: str
    names: Sequence[str]
    claims: Sequence[Claim]
    cells: Sequence[Cell] = STREAMS
    by_url: bool = False
    tls: bool = False
    times: int = 1


def bounds(*values: float) -> dict[Cell, float]:
    return dict(zip(SHAPES, values, strict=False))


def pair(
    label: str, names: Sequence[str], sync: Mapping[Cell, float], aio: Mapping[Cell, float]
) -> list[Claim]:
    """Return claims on how many times the CPU of our clients each other client uses."""
    other, ours, other_async, ours_async = names
    return [
        Claim(f"{label}: {other} / {ours}", other, ours, least=sync),
        Claim(f"{label}: {other_async} / {ours_async}", other_async, ours_async, least=aio),
    ]


def framing(label: str, most: Mapping[Cell, float]) -> list[Claim]:
    """Return claims on the cost of the verified framing."""
    return [
        Claim(f"{label}: {name}, verified / plain", name + VERIFIED, name, most=most)
        for name in (SYNC, ASYNC)
    ]


def calls(label: str, names: Sequence[str], most: Mapping[Cell, float]) -> list[Claim]:
    other, ours, other_async, ours_async = names
    return [
        Claim(f"{label}: {ours} / {other}", ours, other, most=most),
        Claim(f"{label}: {ours_async} / {other_async}", ours_async, other_async, most=most),
    ]


TOPICS = {
    "text": Topic(
        "text",
        FRAMED + OTHERS,
        [
            *pair("text", BY_NAME, bounds(6, 2.8, 1.4, 1.15, 1.4), bounds(4.5, 2.2, 1.2, 1.0, 1.3)),
            *framing("text", bounds(1.5, 1.3, 1.2)),
        ],
        cells=(*STREAMS, "live"),
    ),
    "bytes": Topic(
        "bytes",
        FRAMED + OTHERS,
        [
            *pair("bytes", BY_NAME, bounds(8, 4, 2.8, 2.5), bounds(5, 3, 2, 1.8)),
            *framing("bytes", bounds(1.7, 1.4, 1.4)),
        ],
    ),
    "lines": Topic("lines", BY_NAME, pair("lines", BY_NAME, {}, {})),
    "file": Topic("file", BY_NAME, pair("file", BY_NAME, {}, {})),
    "tls": Topic("text", BY_NAME, pair("text over TLS", BY_NAME, bounds(5, 2, 1.15, 1.1), {}), tls=True),
    "url-text": Topic(
        "text",
        (*BY_URL, "bare socket"),
        pair("URL text", BY_URL, bounds(6, 2, 1.3), bounds(0.8, 0.85, 0.85)),
        by_url=True,
    ),
    "url-bytes": Topic("bytes", (*BY_URL, "bare socket"), pair("URL bytes", BY_URL, {}, {}), by_url=True),
    "opening": Topic(
        "text",
        BY_NAME,
        calls("a small function", BY_NAME, {"one call": 1.15}),
        cells=("one call",),
        times=100,
    ),
    "url-opening": Topic(
        "text",
        BY_URL,
        calls("a small function by URL", BY_URL, {}),
        cells=("one call",),
        by_url=True,
        times=100,
    ),
}
