r"""Lines end at \n and \r\n only, come at once, and nothing of what follows them is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.errors import TooLargeError, UndecodableTextError
from streamify_client.wire.lines import LineDecoder
from support.decoding import decode, every_split, outcome, splits


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\nb", ["a", "b"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\n\nb\n", ["a", "", "b"]),
        ("a\rb\n", ["a\rb"]),
        ("a\r", ["a\r"]),
        ("\r", ["\r"]),
        ("a\r\r\n", ["a\r"]),
        ("a\n\r", ["a", "\r"]),
        ("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n", ["a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"]),
        ("é日🎉\n日", ["é日🎉", "日"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_only_a_line_feed_ends_a_line_at_every_split(raw: str, lines: list[str], encoding: str) -> None:
    for chunks in every_split(raw.encode(encoding)):
        assert outcome(LineDecoder(encoding), chunks) == (lines, None, None)


def test_a_line_comes_with_its_line_feed_and_waits_for_nothing_else() -> None:
    decoder = LineDecoder()
    assert decoder.receive(b"one") == []
    assert decoder.receive(b"\r") == []
    assert decoder.receive(b"\ntwo\nth") == ["one", "two"]
    assert decoder.finish() == ["th"]


@pytest.mark.parametrize(
    "encoding", ["utf-16-le", "utf-16-be", "utf-32", "utf-7", "cp500", "iso2022_jp", "utf-8-sig"]
)
def test_lines_of_any_encoding_are_told_apart(encoding: str) -> None:
    text = "one\r\ntwo\nlast"
    for chunks in every_split(text.encode(encoding)):
        assert decode(LineDecoder(encoding), chunks) == (["one", "two", "last"], None)


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "big5", "gbk", "euc_jp"])
def test_a_second_byte_is_never_taken_for_a_line_feed(encoding: str) -> None:
    text = "表\n十\r\n能"
    for chunks in every_split(text.encode(encoding)):
        assert decode(LineDecoder(encoding), chunks) == (["表", "十", "能"], None)


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_what_follows_the_lines_taken_can_be_read_on(taken: int) -> None:
    raw = "één\r\ntwee\ndrie\nrest\xff".encode("latin-1")
    for cut in range(len(raw)):
        decoder = LineDecoder("latin-1")
        got: list[str] = []
        rest, left = b"", [""][:0]
        for chunk in (raw[:cut], raw[cut:]):
            if len(got) == taken:
                rest += chunk
                continue
            lines = decoder.receive(chunk)
            wanted = lines[: taken - len(got)]
            left = lines[len(wanted) :]
            got += wanted
        assert got == ["één", "twee", "drie"][:taken]
        unread = decoder.unread(left)
        assert unread is not None
        assert b"".join(unread) + rest == raw.split(b"\n", taken)[-1]


def test_nothing_can_read_on_after_an_encoding_with_a_state() -> None:
    assert LineDecoder("utf-16").unread() is None


def test_good_lines_come_before_an_error_and_the_error_stays() -> None:
    for chunks in every_split(b"good\nb\xffd\nmore\n"):
        decoder = LineDecoder()
        lines, error = decode(decoder, chunks)
        assert lines == ["good"]
        assert isinstance(error, UndecodableTextError)
        assert error.offset == 6
        with pytest.raises(UndecodableTextError):
            decoder.finish()


def test_a_character_that_the_end_cut_off_is_an_error_with_its_offset() -> None:
    for encoding, offset in (("utf-8", 7), ("utf-16-le", 14)):
        raw = "one\ntwo日".encode(encoding)[:-1]
        for chunks in every_split(raw):
            assert outcome(LineDecoder(encoding), chunks) == (["one"], UndecodableTextError, offset)


def test_an_error_handler_decides_instead() -> None:
    assert decode(LineDecoder(errors="replace"), [b"a\xe6\nb\xff"]) == (["a\ufffd", "b\ufffd"], None)
    assert decode(LineDecoder("ascii", "ignore"), [b"a\xe6\nb\xff"]) == (["a", "b"], None)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_limit_counts_the_line_without_its_end_at_every_split(end: bytes) -> None:
    raw = b"ok\n12345" + end
    for chunks in every_split(raw):
        assert outcome(LineDecoder(max_size=5), chunks) == (["ok", "12345"], None, None)
        assert outcome(LineDecoder(max_size=4), chunks) == (["ok"], TooLargeError, 3)


def test_a_carriage_return_at_the_end_is_content_and_counts() -> None:
    for chunks in every_split(b"12345\r"):
        assert outcome(LineDecoder(max_size=5), chunks) == ([], TooLargeError, 0)
        assert outcome(LineDecoder(max_size=6), chunks) == (["12345\r"], None, None)


def test_an_endless_line_is_refused_as_soon_as_it_is_too_long() -> None:
    decoder = LineDecoder(max_size=1000)
    assert decoder.receive(b"x" * 1000) == []
    with pytest.raises(TooLargeError, match="line 1 is longer than 1000 bytes"):
        decoder.receive(b"x")


@given(st.lists(st.sampled_from(["a", "é", "\n", "\r", "\r\n", "\u2028", "日"])).map("".join), st.data())
@settings(max_examples=200)
def test_lines_are_the_text_cut_at_line_feeds_in_any_split(text: str, data: st.DataObject) -> None:
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16-le"]))
    *whole, last = text.split("\n")
    expected = [line.removesuffix("\r") for line in whole] + ([last] if last else [])
    assert decode(LineDecoder(encoding), data.draw(splits(text.encode(encoding)))) == (expected, None)


@given(st.binary(max_size=60), st.data())
@settings(max_examples=200)
def test_any_bytes_in_any_split_give_the_same_lines_or_errors_of_the_wire(
    raw: bytes, data: st.DataObject
) -> None:
    def decoder() -> LineDecoder:
        return LineDecoder(encoding, errors, max_size=20)

    encoding = data.draw(st.sampled_from(["utf-8", "latin-1", "utf-16-le", "gb18030"]))
    errors = data.draw(st.sampled_from(["strict", "replace"]))
    assert outcome(decoder(), data.draw(splits(raw))) == outcome(decoder(), [raw])
