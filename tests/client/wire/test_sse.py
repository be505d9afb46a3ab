"""Server-sent events by the rules of the HTML standard."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.errors import TooLargeError
from streamify_client.wire.sse import SseDecoder, SseFields
from support.decoding import decode, every_split, outcome, splits


def event(data: str, event: str = "message", id: str = "", retry: int | None = None) -> SseFields:
    return SseFields(event, data, id, retry)


TABLE = [
    ("nothing", "", []),
    ("one event", "data: hello\n\n", [event("hello")]),
    ("several lines of data", "data: a\ndata: b\ndata\n\n", [event("a\nb\n")]),
    ("the end without a blank line discards", "data: a\n\ndata: b\n", [event("a")]),
    ("the end inside a line discards", "data: a\n\ndata: b", [event("a")]),
    ("one space goes, a second stays", "data:  a\n\ndata:b\n\n", [event(" a"), event("b")]),
    ("a tab stays", "data:\ta\n\n", [event("\ta")]),
    ("empty data is data", "data\n\ndata:\n\ndata\ndata\n\n", [event(""), event(""), event("\n")]),
    ("no data, no event", "event: x\n\ndata: a\n\n", [event("a")]),
    ("the type is for one event", "event: x\ndata: 1\n\ndata: 2\n\n", [event("1", "x"), event("2")]),
    ("the last type counts", "event: x\nevent: y\ndata\n\n", [event("", "y")]),
    ("an empty type is message", "event: x\nevent\ndata\n\n", [event("")]),
    ("comments", ": hi\n:\ndata: a\n:data: b\n\n", [event("a")]),
    ("unknown fields", "datax: a\n data: b\nDATA: c\nfoo\ndata: d\n\n", [event("d")]),
    ("the id stays", "id: 7\ndata: a\n\ndata: b\n\n", [event("a", id="7"), event("b", id="7")]),
    ("an empty id resets", "id: 7\n\nid\ndata: a\n\n", [event("a")]),
    ("an id without data is remembered", "id: 7\n\ndata: a\n\n", [event("a", id="7")]),
    ("an id with NUL is ignored", "id: 7\nid: 8\0\ndata: a\n\n", [event("a", id="7")]),
    ("retry stays", "retry: 1500\n\ndata: a\n\n", [event("a", retry=1500)]),
    (
        "retry is digits only",
        "retry: 1\nretry: -2\nretry: 2.0\nretry: ٣\nretry\nretry: 3 \ndata\n\n",
        [event("", retry=1)],
    ),
    ("a byte order mark in front", "\ufeffdata: a\n\n", [event("a")]),
    ("only one, only in front", "\ufeff\ufeffdata: a\n\n\ufeffdata: b\n\ndata: c\n\n", [event("c")]),
    ("carriage returns", "data: a\rdata: b\r\rdata: c\r\r", [event("a\nb"), event("c")]),
    ("both", "data: a\r\ndata: b\r\n\r\n", [event("a\nb")]),
    ("mixed", "data: a\r\n\rdata: b\n\r\ndata: c\r\n\n", [event("a"), event("b"), event("c")]),
    ("other ends are content", "data: a\u2028b\x85c\x0bd\n\n", [event("a\u2028b\x85c\x0bd")]),
    ("text in many scripts", "event: ü\ndata: 日本🎉\n\n", [event("日本🎉", "ü")]),
    ("blank lines", "\n\n\r\r\n\ndata: a\n\n\n\n", [event("a")]),
    ("a colon in data", "data: a: b\n\n", [event("a: b")]),
    ("an empty field name", ":: a\ndata: b\n\n", [event("b")]),
]


@pytest.mark.parametrize(("raw", "events"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_rules_at_every_split(raw: str, events: list[SseFields]) -> None:
    for chunks in every_split(raw.encode()):
        assert outcome(SseDecoder(), chunks) == (events, None, None)


def test_bytes_that_are_no_utf_8_become_replacement_characters() -> None:
    for chunks in every_split(b"data: a\xffb\xe6\n\n"):
        assert decode(SseDecoder(), chunks) == ([event("a\ufffdb\ufffd")], None)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_comes_with_the_first_byte_that_ends_its_blank_line(end: bytes) -> None:
    decoder = SseDecoder()
    assert decoder.receive(b"data: a" + end) == []
    assert decoder.receive(end[:1]) == [event("a")]
    assert decoder.receive(end[1:] + b"data: b" + end * 2) == [event("b")]


def test_what_follows_the_events_taken_can_be_read_on() -> None:
    raw = b"data: a\r\n\r\n: hi\ndata: b\r\n\r\ndata: c\n\nrest"
    rests = [raw, raw[11:], raw[raw.index(b"data: c") :], b"rest"]
    for left, rest in enumerate(reversed(rests)):
        decoder = SseDecoder()
        assert decoder.receive(raw) == [event("a"), event("b"), event("c")]
        assert decoder.unread([event("")] * left) == [rest]
        assert not decoder.line_feed_due


def test_a_line_feed_that_may_still_come_belongs_to_the_event_handed_out() -> None:
    decoder = SseDecoder()
    assert decoder.receive(b"data: a\r\rdata: b\r\r") == [event("a"), event("b")]
    assert (decoder.unread([]), decoder.line_feed_due) == ([b""], True)
    assert (decoder.unread([event("b")]), decoder.line_feed_due) == ([b"data: b\r\r"], False)


@pytest.mark.parametrize(
    "raw", [b"data: 345\ndata: x\n\n", b"data: 34567890123456\n\n", b"event: 3456789012345\n"]
)
def test_an_event_has_a_limit(raw: bytes) -> None:
    for chunks in every_split(b"data: 0\n\n" + raw):
        items, error, _ = outcome(SseDecoder(max_size=15), chunks)
        assert items == [event("0")]
        assert error is TooLargeError


def test_the_limit_is_for_one_event_and_not_for_comments_between_them() -> None:
    raw = b": keepalive\n" * 10 + b"data: 123456789\n\n" * 3
    assert decode(SseDecoder(max_size=15), [raw]) == ([event("123456789")] * 3, None)


def reference(raw: bytes) -> list[SseFields]:
    """The standard's algorithm on a whole stream, written as plainly as its text is."""
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _unfinished = re.split(r"\r\n|\n|\r", text)
    events, data, kind, last_id, retry = [], "", "", "", None
    for line in lines:
        if line == "":
            if data:
                events.append(SseFields(kind or "message", data.removesuffix("\n"), last_id, retry))
            data, kind = "", ""
            continue
        if line[0] == ":":
            continue
        field, value = line, ""
        if ":" in line:
            field, value = line.split(":", 1)
            value = value[1:] if value[:1] == " " else value
        if field == "event":
            kind = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "retry" and re.fullmatch("[0-9]+", value):
            retry = int(value)
    return events


tokens = st.sampled_from(
    [
        b"data",
        b"event",
        b"id",
        b"retry",
        b":",
        b": ",
        b"\n",
        b"\r",
        b"\r\n",
        b"x",
        b"7",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b" ",
    ]
)


@given(st.lists(tokens, max_size=40).map(b"".join), st.data())
@settings(max_examples=400)
def test_any_bytes_in_any_split_are_read_as_the_standard_reads_them(raw: bytes, data: st.DataObject) -> None:
    assert decode(SseDecoder(), data.draw(splits(raw))) == (reference(raw), None)


@given(st.lists(tokens, max_size=40).map(b"".join), st.data())
@settings(max_examples=100)
def test_the_limit_does_not_depend_on_the_split(raw: bytes, data: st.DataObject) -> None:
    assert outcome(SseDecoder(max_size=12), data.draw(splits(raw))) == outcome(SseDecoder(max_size=12), [raw])
