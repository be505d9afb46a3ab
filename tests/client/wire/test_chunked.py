"""HTTP's chunked coding: the data comes out as it went in, and nothing else passes for whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_client.wire.chunked import MAX_LINE, MAX_TRAILERS, ChunkedDecoder
from streamify_client.wire.errors import CorruptInputError, TooLargeError, TruncatedInputError, WireError
from support.decoding import every_split, splits

END = b"0\r\n\r\n"
BODY = b"5\r\nhello\r\n1;name=value\r\n \r\nA \t\r\n0123456789\r\n" + END


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def received(decoder: ChunkedDecoder, parts: list[bytes]) -> tuple[bytes, WireError | None]:
    """All data, and the error that ended it."""
    data = b""
    try:
        for part in parts:
            pieces = decoder.receive(part)
            assert all(pieces)
            data += b"".join(pieces)
        assert decoder.finish() == []
    except WireError as error:
        return data, error
    return data, None


def test_a_body_is_read_at_every_split() -> None:
    for parts in every_split(BODY):
        decoder = ChunkedDecoder()
        assert received(decoder, parts) == (b"hello 0123456789", None)
        assert decoder.complete
        assert decoder.over
        assert decoder.rest == b""


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.sampled_from([b"", b";a", b' ;b="c"']))),
    st.data(),
)
def test_chunks_come_out_as_they_went_in(chunks: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    body = b"".join(chunk(piece, extension) for piece, extension in chunks) + END
    assert ChunkedDecoder().receive(body) == [piece for piece, _ in chunks]
    whole = b"".join(piece for piece, _ in chunks)
    assert received(ChunkedDecoder(), data.draw(splits(body))) == (whole, None)


@given(st.binary(max_size=300), st.data())
def test_a_split_changes_nothing_about_bytes_that_are_no_chunks(body: bytes, data: st.DataObject) -> None:
    one, other = (received(ChunkedDecoder(), parts) for parts in ([body], data.draw(splits(body))))
    assert one[0] == other[0]
    assert type(one[1]) is type(other[1])


def test_large_pieces_are_views_where_they_may_be() -> None:
    small, large = b"x" * 100, bytes(range(256)) * 400
    body = chunk(small) + chunk(large) + chunk(small) + END
    assert all(isinstance(piece, bytes) for piece in ChunkedDecoder().receive(body))
    pieces = ChunkedDecoder(views=True).receive(body)
    assert pieces == [small, large, small]
    assert [type(piece) for piece in pieces] == [bytes, memoryview, bytes]
    for cut in (500, 50_000, len(body) - 3):
        decoder = ChunkedDecoder(views=True)
        assert received(decoder, [body[:cut], body[cut:]]) == (small + large + small, None)


def test_a_body_that_stops_anywhere_is_truncated() -> None:
    for cut in range(len(BODY)):
        decoder = ChunkedDecoder()
        assert isinstance(received(decoder, [BODY[:cut]])[1], TruncatedInputError)
        assert not decoder.complete


def test_trailers_are_skipped_and_what_follows_is_the_rest() -> None:
    body = chunk(b"x") + b"0\r\nx-checksum: 1\r\nother: 2\r\n\r\n"
    for parts in every_split(body + b"HTTP/1.1 200 OK\r\n"):
        decoder = ChunkedDecoder()
        assert received(decoder, parts) == (b"x", None)
        assert decoder.rest == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "line",
    [b"", b"x", b"-1", b"+1", b"0x1", b"1_0", b" 1", b"1 2", b";", b"\xb2", b"1\n", b"1" * 17, b"\xff\x00"],
)
def test_a_size_is_hexadecimal_and_nothing_else(line: bytes) -> None:
    assert isinstance(
        received(ChunkedDecoder(), [chunk(b"good") + line + b"\r\nx\r\n" + END])[1], CorruptInputError
    )


@pytest.mark.parametrize("ending", [b"xx", b"\n\n", b"\rx", b"x\r\n", b"\n"])
def test_a_chunk_longer_or_shorter_than_its_size_is_corrupt(ending: bytes) -> None:
    for parts in every_split(b"4\r\ngood" + ending + END):
        data, error = received(ChunkedDecoder(), parts)
        assert data == b"good"
        assert isinstance(error, CorruptInputError)


def test_good_data_comes_before_the_error_and_the_error_stays() -> None:
    decoder = ChunkedDecoder()
    assert decoder.receive(chunk(b"good") + b"worse\r\n" + b"zz\r\n") == [b"good"]
    assert decoder.over
    assert not decoder.complete
    for _ in range(2):
        with pytest.raises(CorruptInputError):
            decoder.receive(b"")
    with pytest.raises(CorruptInputError):
        decoder.finish()


@pytest.mark.parametrize("ending", [b"", b"\r\n"])
def test_endless_lines_are_refused(ending: bytes) -> None:
    for line in (b"1;" + b"x" * MAX_LINE, b"0\r\nname: " + b"x" * MAX_LINE):
        for parts in ([line + ending], [line[:2000], line[2000:4000], line[4000:] + ending]):
            assert isinstance(received(ChunkedDecoder(), parts)[1], TooLargeError)


def test_endless_trailers_are_refused() -> None:
    decoder = ChunkedDecoder()
    decoder.receive(b"0\r\n")
    line = b"name: value\r\n"
    for _ in range(MAX_TRAILERS // len(line)):
        decoder.receive(line)
    with pytest.raises(TooLargeError):
        decoder.receive(line)
