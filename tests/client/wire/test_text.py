"""Text: whole characters at every split, and the place of a byte that is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.errors import UndecodableTextError
from streamify_client.wire.text import TextDecoder
from support.decoding import Outcome, decode, every_split, outcome, splits

SAMPLES = {
    "utf-8": "aé日🎉 \u2028",
    "utf-8-sig": "\ufeffaé日🎉",
    "utf-16": "aé日🎉",
    "utf-16-le": "aé日🎉",
    "utf-32-be": "aé日🎉",
    "latin-1": "aéÿ",
    "cp1252": "a€é",
    "shift_jis": "日本語ソ",
    "gb18030": "日本語🎉",
    "euc_kr": "한국어",
    "iso2022_jp": "日本語 abc",
    "utf-7": "aé日",
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_every_encoding_is_decoded_at_every_split(encoding: str) -> None:
    raw = SAMPLES[encoding].encode(encoding)
    for chunks in every_split(raw):
        items, error = decode(TextDecoder(encoding), chunks)
        assert error is None
        assert "".join(items) == raw.decode(encoding)
        assert "" not in items


def test_text_comes_as_soon_as_its_character_is_whole() -> None:
    decoder = TextDecoder()
    assert decoder.receive("aé".encode()[:2]) == ["a"]
    assert decoder.unread() == ["é".encode()[:1]]
    assert decoder.receive("é".encode()[1:]) == ["é"]
    assert decoder.unread() == [b""]


@pytest.mark.parametrize(
    ("raw", "good", "offset"),
    [
        (b"\xff", "", 0),
        (b"hello \xff world", "hello ", 6),
        ("日本".encode() + b"\x80", "日本", 6),
        (b"ab\xe6\x97x", "ab", 2),
        (b"ab\xed\xa0\x80", "ab", 2),
        (b"ab\xc0\x80", "ab", 2),
        (b"ab\xf0\x9f\x8e", "ab", 2),
        (b"ab\xe6", "ab", 2),
    ],
)
def test_a_byte_that_is_no_utf_8_is_named_after_all_text_before_it(
    raw: bytes, good: str, offset: int
) -> None:
    for chunks in every_split(raw):
        assert outcome(TextDecoder(), chunks, "".join) == (good, UndecodableTextError, offset)


def test_text_before_a_bad_byte_comes_before_the_error_does() -> None:
    decoder = TextDecoder()
    assert decoder.receive(b"hello \xff world") == ["hello "]
    with pytest.raises(UndecodableTextError, match="byte 6 is not utf-8"):
        decoder.receive(b"")


def test_an_error_stays() -> None:
    decoder = TextDecoder()
    with pytest.raises(UndecodableTextError):
        decoder.receive(b"\xff")
    with pytest.raises(UndecodableTextError):
        decoder.receive(b"good")
    with pytest.raises(UndecodableTextError):
        decoder.finish()


@pytest.mark.parametrize(
    ("encoding", "raw", "good", "offset"),
    [
        ("ascii", b"ab\x80c", "ab", 2),
        ("utf-16-le", "ab".encode("utf-16-le") + b"\x00\xdc", "ab", 4),
        ("utf-16", "ab".encode("utf-16")[:5], "a", 4),
        ("utf-16", b"a\0b\0", "", 0),
        ("utf-16", b"\0\0\0\0\0\xd8\0\0", "", 0),
        ("utf-8-sig", b"\xef\xbb\xbfab\xff", "ab", 5),
        ("shift_jis", "日".encode("shift_jis") + b"\xff", "日", 2),
        ("gb18030", "日".encode("gb18030") + b"\xff", "日", 2),
        ("euc_kr", "한".encode("euc_kr") + b"\xff", "한", 2),
        ("cp1252", b"ab\x81", "ab", 2),
    ],
)
def test_the_offset_is_right_in_other_encodings(encoding: str, raw: bytes, good: str, offset: int) -> None:
    for chunks in every_split(raw):
        assert outcome(TextDecoder(encoding), chunks, "".join) == (good, UndecodableTextError, offset), chunks


@pytest.mark.parametrize("errors", ["replace", "ignore", "surrogateescape", "backslashreplace"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "utf-16-le"])
def test_an_error_handler_decides_instead(encoding: str, errors: str) -> None:
    raw = b"ab\xff\xfe\xe6\x97"
    for chunks in every_split(raw):
        items, error = decode(TextDecoder(encoding, errors), chunks)
        if errors != "surrogateescape" or encoding != "utf-16-le":
            assert error is None
            assert "".join(items) == raw.decode(encoding, errors)


@pytest.mark.parametrize(
    ("encoding", "errors"), [("klingon", "strict"), ("base64", "strict"), ("utf-8", "hope")]
)
def test_an_unknown_encoding_or_handler_is_refused_at_once(encoding: str, errors: str) -> None:
    with pytest.raises(LookupError):
        TextDecoder(encoding, errors)


@given(st.binary(max_size=60) | st.text(max_size=20).map(str.encode), st.data())
@settings(max_examples=200)
def test_any_bytes_in_any_split_give_the_same_text_and_the_same_error(
    raw: bytes, data: st.DataObject
) -> None:
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030", "shift_jis", "ascii"]))
    split = outcome(TextDecoder(encoding), data.draw(splits(raw)), "".join)
    assert split == outcome(TextDecoder(encoding), [raw], "".join)


@given(st.binary(max_size=60) | st.text(max_size=20).map(str.encode))
@settings(max_examples=100)
def test_utf_8_is_what_python_says_it_is(raw: bytes) -> None:
    expected: Outcome
    try:
        expected = (raw.decode(), None, None)
    except UnicodeDecodeError as error:
        expected = (raw[: error.start].decode(), UndecodableTextError, error.start)
    assert outcome(TextDecoder(), [raw], "".join) == expected
