"""File objects over chunks, without a network: what is read when, and that an error is never an end."""

import csv
import gc
import io
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.files.stream_file import RestDecoder, StreamFile, TextReader


class Chunks:
    """Chunks, counted as they are taken; then an error if there is one."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.left = list(chunks)
        self.taken = 0
        self.error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self.left:
            if self.error:
                raise self.error
            raise StopIteration
        self.taken += 1
        return self.left.pop(0)

    def close(self) -> None:
        self.closed += 1

    def file(self, *, full_reads: bool = False) -> StreamFile:
        return StreamFile(self, RestDecoder(), self.close, full_reads=full_reads)


def test_a_short_read_returns_what_is_there_and_waits_for_nothing_else() -> None:
    chunks = Chunks(b"abc", b"", b"defg")
    file = chunks.file()
    assert (file.read(100), chunks.taken) == (b"abc", 1)
    assert (file.read(2), chunks.taken) == (b"de", 3)
    assert (file.read(100), file.tell()) == (b"fg", 7)
    assert [file.read(100), file.read(100), file.read1(), file.read()] == [b""] * 4


def test_a_full_read_returns_less_at_the_end_only() -> None:
    file = Chunks(b"abc", b"", b"defg").file(full_reads=True)
    assert [file.read(5), file.read(5), file.read(5)] == [b"abcde", b"fg", b""]


@pytest.mark.parametrize("full_reads", [False, True])
def test_reading_without_a_size_reads_to_the_end(full_reads: bool) -> None:
    file = Chunks(b"abc", b"defg").file(full_reads=full_reads)
    assert file.read(1) == b"a"
    assert file.read() == b"bcdefg"
    assert Chunks(b"abc", b"d").file().read(None) == b"abcd"


@pytest.mark.parametrize("full_reads", [False, True])
def test_an_error_comes_after_what_had_come_and_is_no_end(full_reads: bool) -> None:
    file = Chunks(b"abc", error=EOFError("cut")).file(full_reads=full_reads)
    assert file.read(3) == b"abc"
    for read in (file.read, file.read1, lambda: file.read(1), file.peek, lambda: file.readinto(bytearray(1))):
        with pytest.raises(EOFError, match="cut"):
            read()


def test_reading_into_buffers() -> None:
    file = Chunks(b"abc", b"def").file()
    buffer = bytearray(5)
    assert (file.readinto(buffer), bytes(buffer)) == (3, b"abc\0\0")
    assert (file.readinto1(memoryview(buffer)[:2]), bytes(buffer)) == (2, b"dec\0\0")
    full = Chunks(b"abc", b"def").file(full_reads=True)
    assert (full.readinto(buffer), bytes(buffer)) == (5, b"abcde")


def test_lines_of_a_binary_file() -> None:
    file = Chunks(b"a\nb", b"c\n\nd").file()
    assert list(file) == [b"a\n", b"bc\n", b"\n", b"d"]


def test_what_is_peeked_at_is_still_there() -> None:
    file = Chunks(b"abc").file()
    assert file.peek() == b"abc"
    assert file.read() == b"abc"
    assert file.peek() == b""


def test_closing_frees_the_stream_once_and_reading_on_is_an_error() -> None:
    chunks = Chunks(b"abc")
    with chunks.file() as file:
        assert (file.readable(), file.seekable(), file.writable()) == (True, False, False)
    file.close()
    assert (chunks.closed, file.closed) == (1, True)
    for size in (0, 1, -1):
        with pytest.raises(ValueError, match="closed file"):
            file.read(size)


def test_letting_go_of_the_file_lets_go_of_its_chunks_and_closes_nothing() -> None:
    chunks = Chunks(b"abc")
    gc.disable()
    try:
        file = chunks.file()
        file.read(1)
        held = len(gc.get_referrers(chunks))
        del file
        assert len(gc.get_referrers(chunks)) < held
        assert chunks.closed == 0
    finally:
        gc.enable()


def test_what_a_file_has_not_read_of_a_chunk_is_kept_for_others() -> None:
    held = RestDecoder()
    file = StreamFile(iter([b"abcdef"]), held, lambda: None)
    assert file.read(2) == b"ab"
    assert held.unread() == [b"cdef"]


def test_the_standard_text_layer_and_csv_read_it() -> None:
    file = Chunks("name,é\nx,".encode()[:-4], "é\nx,".encode()[-4:], b'"1\n2"\r\ny,3\n').file()
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    assert list(csv.reader(text)) == [["name", "é"], ["x", "1\n2"], ["y", "3"]]


@given(st.lists(st.binary(max_size=9), max_size=6), st.lists(st.integers(-1, 12), max_size=12), st.booleans())
@settings(max_examples=100)
def test_it_reads_as_a_plain_file_does_for_any_sizes(
    chunks: list[bytes], sizes: list[int], full: bool
) -> None:
    file, plain = Chunks(*chunks).file(full_reads=full), io.BytesIO(b"".join(chunks))
    for size in sizes:
        data = file.read(size)
        assert data == plain.read(size if full else len(data))
        assert (data != b"") or size == 0 or plain.read() == b""
    assert file.read() == plain.read()


def test_text_is_handed_out_as_it_comes() -> None:
    reader = TextReader(iter(["abc", "", "defg"]))
    assert [reader.read(100), reader.read(2), reader.read(100), reader.read(100)] == ["abc", "de", "fg", ""]
    assert TextReader(iter(["abc", "d"])).read() == "abcd"
    assert TextReader(iter([])).read() == ""


def test_lines_of_a_text_file_keep_their_ends() -> None:
    texts = ["a\r", "\nb\u2028", "c\rd\n", "\n", "e"]
    assert list(TextReader(iter(texts))) == ["a\r\n", "b\u2028c\rd\n", "\n", "e"]
    reader = TextReader(iter(texts))
    assert [reader.readline(1), reader.readline(0), reader.readline(), reader.read(1)] == [
        "a",
        "",
        "\r\n",
        "b",
    ]
