"""Where a fault that counts chunks cuts a response."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local.chunks import ChunkGate
from streamify_server.response import PRELUDE_CONTENT_TYPE
from streamify_server.wire.frames import encode_frame
from streamify_server.wire.verified import CONTENT_TYPE as VERIFIED


def frame(kind: str, payload: bytes = b"{}") -> bytes:
    return encode_frame([(":event-type", kind)], payload)


def prelude(content_type: str) -> bytes:
    return json.dumps({"statusCode": 200, "headers": {"content-type": content_type}}).encode() + bytes(8)


def passed(limit: int, content_type: str, pieces: list[bytes]) -> tuple[bytes, bool]:
    gate = ChunkGate(limit, content_type)
    return b"".join(gate.take(piece) for piece in pieces), gate.over


CHUNKS = [b"one ", b"two ", b"three"]
FRAMES = [frame("head"), *(frame("data", chunk) for chunk in CHUNKS), frame("end")]


@pytest.mark.parametrize("limit", range(5))
def test_plain_pieces_are_chunks(limit: int) -> None:
    assert passed(limit, "text/plain", CHUNKS) == (b"".join(CHUNKS[:limit]), limit <= 3)


@given(limit=st.integers(0, 4), cuts=st.lists(st.integers(0, 300), max_size=10))
def test_data_frames_of_a_verified_stream_are_chunks_however_they_are_split(
    limit: int, cuts: list[int]
) -> None:
    stream = b"".join(FRAMES)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges) if start < end]
    found, over = passed(limit, VERIFIED, pieces)
    if limit > 3:
        assert (found, over) == (stream, False)
    elif limit == 0:
        assert (found, over) == (b"", True)
    else:
        whole = b"".join(FRAMES[: limit + 1])
        assert over
        # A frame that was complete with its last byte in a later piece may have passed in part before.
        assert found == whole


@given(limit=st.integers(1, 3), cuts=st.lists(st.integers(0, 120), max_size=5))
def test_a_prelude_is_not_a_chunk_wherever_it_is_split(limit: int, cuts: list[int]) -> None:
    head = prelude("text/plain")
    edges = [0, *sorted(min(cut, len(head)) for cut in cuts), len(head)]
    pieces = [head[start:end] for start, end in pairwise(edges) if start < end]
    found, _ = passed(limit, PRELUDE_CONTENT_TYPE, [*pieces, *CHUNKS])
    assert found == head + b"".join(CHUNKS[:limit])


def test_a_verified_stream_may_follow_a_prelude() -> None:
    head = prelude(VERIFIED)
    assert passed(1, PRELUDE_CONTENT_TYPE, [head + FRAMES[0], *FRAMES[1:]]) == (
        head + b"".join(FRAMES[:2]),
        True,
    )


@given(
    content_type=st.sampled_from(["text/plain", VERIFIED, PRELUDE_CONTENT_TYPE]),
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    limit=st.integers(0, 3),
)
def test_any_bytes_pass_in_order_up_to_the_cut(content_type: str, pieces: list[bytes], limit: int) -> None:
    found, over = passed(limit, content_type, pieces)
    whole = b"".join(pieces)
    assert whole.startswith(found)
    assert over or found == whole
