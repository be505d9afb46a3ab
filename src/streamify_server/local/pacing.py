"""Bandwidth limits for streamed responses: a burst at full speed, then a steady rate.

Lambda streams the first 6 MB at full speed and the rest at 2 MB/s
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html). The bucket and
its refill are those of Lambda's own server (https://github.com/aws/aws-lambda-runtime-interface-emulator).
"""

from collections.abc import Iterator

BURST = 6 * 1024 * 1024
RATE = 2 * 1024 * 1024
INTERVAL = 0.125
PIECE = 32 * 1024


class TokenBucket:
    """A token bucket with one token for each byte; it starts full and is refilled in every interval."""

    def __init__(self, now: float, burst: int = BURST, rate: int = RATE, interval: float = INTERVAL) -> None:
        self._burst = burst
        self._refill = int(rate * interval)
        self._interval = interval
        self._tokens = burst
        self._filled = now

    def take(self, count: int, now: float) -> float:
        """Take tokens for `count` bytes; return how many seconds to wait before sending them."""
        due = int((now - self._filled) / self._interval)
        self._filled += due * self._interval
        self._tokens = min(self._burst, self._tokens + due * self._refill) - count
        if self._tokens >= 0:
            return 0.0
        refills = -(self._tokens // self._refill)
        return max(0.0, self._filled + refills * self._interval - now)


def pieces(data: bytes) -> Iterator[bytes]:
    """Split data into the pieces that are paced one by one."""
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
