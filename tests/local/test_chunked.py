"""The chunked transfer coding, undone however its bytes are split."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local.http.chunked import ChunkedDecoder, ChunkedError

CHUNKS = st.lists(st.binary(min_size=1, max_size=300), max_size=8)
TRAILERS = {"lambda-runtime-function-error-type": "Function.Oops", "x": ""}


def encoded(chunks: list[bytes], trailers: dict[str, str]) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    fields = "".join(f"{name.title()}: {value} \r\n" for name, value in trailers.items())
    return body + b"0\r\n" + fields.encode() + b"\r\n"


@given(CHUNKS, st.sampled_from([{}, TRAILERS]), st.binary(max_size=20))
def test_chunks_that_come_together_keep_their_boundaries(
    chunks: list[bytes], trailers: dict[str, str], behind: bytes
) -> None:
    decoder = ChunkedDecoder()
    assert decoder.receive(encoded(chunks, trailers) + behind) == chunks
    assert (decoder.ended, decoder.trailers, decoder.rest) == (True, trailers, behind)


@given(CHUNKS, st.lists(st.integers(min_value=0, max_value=3000), max_size=12), st.binary(max_size=9))
def test_a_body_is_the_same_however_it_is_split(chunks: list[bytes], cuts: list[int], behind: bytes) -> None:
    wire = encoded(chunks, TRAILERS) + behind
    edges = sorted({0, len(wire), *(min(cut, len(wire)) for cut in cuts)})
    decoder = ChunkedDecoder()
    pieces = [piece for start, end in pairwise(edges) for piece in decoder.receive(wire[start:end])]
    assert b"".join(pieces) == b"".join(chunks)
    assert all(pieces)
    assert (decoder.ended, decoder.trailers, decoder.rest) == (True, TRAILERS, behind)


@given(CHUNKS, st.data())
def test_a_body_byte_by_byte_ends_exactly_at_its_end(chunks: list[bytes], data: st.DataObject) -> None:
    wire = encoded(chunks, TRAILERS)
    decoder = ChunkedDecoder()
    for number in range(len(wire)):
        assert not decoder.ended
        decoder.receive(wire[number : number + 1])
    assert decoder.ended


def test_sizes_may_have_capitals_extensions_and_leading_zeros() -> None:
    decoder = ChunkedDecoder()
    assert (
        decoder.receive(b"0A;name=value\r\n0123456789\r\n00a \r\n0123456789\r\n000\r\n\r\n")
        == [b"0123456789"] * 2
    )
    assert decoder.ended


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\na\r\n",
        b"0x1\r\na\r\n",
        b"1_0\r\n",
        b"1" * 17 + b"\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n\n",
        b"0\r\nno trailer\r\n\r\n",
        b"0\r\na b: c\r\n\r\n",
        b"1;" + b"x" * 10_000,
    ],
)
def test_what_is_no_chunked_body_is_an_error(wire: bytes) -> None:
    with pytest.raises(ChunkedError):
        ChunkedDecoder().receive(wire)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_body_or_an_error(wire: bytes) -> None:
    decoder = ChunkedDecoder()
    try:
        pieces = decoder.receive(wire)
    except ChunkedError:
        return
    assert sum(map(len, pieces)) <= len(wire)
