"""The bandwidth of a streamed response."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local import LocalLambda
from streamify_server.local.pacing import BURST, PIECE, TokenBucket, pieces
from support.local import add_steps, body_of, boto3_client, steps, stream

# (now, bytes) and the seconds to wait, for a burst of 100 and 8 bytes a second in steps of half a second
TABLE: dict[str, list[tuple[float, int, Any]]] = {
    "the burst is free": [(0.0, 60, 0.0), (0.0, 40, 0.0)],
    "then the next refill is awaited": [(0.0, 100, 0.0), (0.0, 4, 0.5), (0.5, 4, 0.5)],
    "and as many as it takes": [(0.0, 100, 0.0), (0.0, 10, 1.5)],
    "refills come in steps": [(0.0, 100, 0.0), (0.4, 1, pytest.approx(0.1)), (0.5, 3, 0.0), (0.5, 1, 0.5)],
    "time fills up to the burst and no further": [(0.0, 100, 0.0), (1000.0, 100, 0.0), (1000.0, 1, 0.5)],
}


@pytest.mark.parametrize("takes", TABLE.values(), ids=TABLE.keys())
def test_bytes_wait_for_their_tokens(takes: list[tuple[float, int, Any]]) -> None:
    bucket = TokenBucket(0.0, burst=100, rate=8, interval=0.5)
    for now, count, wait in takes:
        assert bucket.take(count, now) == wait


@given(st.lists(st.integers(min_value=1, max_value=100), max_size=60))
def test_no_more_than_burst_and_rate_allow_goes_out(counts: list[int]) -> None:
    bucket, now, sent = TokenBucket(0.0, burst=100, rate=80, interval=0.5), 0.0, 0
    for count in counts:
        now += bucket.take(count, now)
        sent += count
        assert sent <= 100 + 80 * now + 1e-6


def test_data_is_paced_in_small_pieces() -> None:
    data = bytes(range(256)) * 300
    split = list(pieces(data))
    assert b"".join(split) == data
    assert max(map(len, split)) == PIECE


def test_a_paced_stream_is_whole() -> None:
    with LocalLambda(pacing=True) as aws:
        add_steps(aws)
        client = boto3_client(aws)
        size = BURST + 512 * 1024
        assert len(body_of(stream(client, payload=steps(["fill", size], ["end"])))) == size
        client.close()
