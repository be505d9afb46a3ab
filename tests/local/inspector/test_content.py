import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local.inspector.content import Content, Failure, Head, failure, shown
from streamify_server.response import PRELUDE_CONTENT_TYPE
from streamify_server.wire.frames import encode_frame
from streamify_server.wire.verified import CONTENT_TYPE as VERIFIED

PRELUDE = json.dumps({"statusCode": 201, "headers": {"Content-Type": "text/css"}}).encode() + bytes(8)


def read(
    content_type: str, data: bytes, cuts: list[int] | None = None, max_text: int = 10_000
) -> tuple[str, Content]:
    content = Content(content_type, max_text)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts or []), len(data)]
    text = "".join(content.feed(data[start:end]) for start, end in pairwise(edges))
    return text + content.finish(), content


def verified(*events: tuple[str, bytes]) -> bytes:
    return b"".join(encode_frame([(":event-type", kind)], payload) for kind, payload in events)


def test_a_character_belongs_to_the_chunk_that_completes_it() -> None:
    content = Content("text/plain", 100)
    raw = "né".encode()
    assert [content.feed(raw[:2]), content.feed(raw[2:])] == ["n", "é"]


def test_bytes_that_are_not_utf_8_are_shown_as_escapes() -> None:
    assert read("text/plain", b"a\xffb\xc3")[0] == "a\\xffb\\xc3"


def test_control_characters_are_shown_as_pictures() -> None:
    assert read("text/plain", b"a\x00\x1b[31m\r\n\tb\x7f")[0] == "a␀␛[31m␍\n\tb␡"


def test_text_is_kept_up_to_a_bound() -> None:
    text, content = read("text/plain", b"abcdef", [3, 4], max_text=4)
    assert (text, content.truncated) == ("abcd", True)


def test_text_that_fits_exactly_is_not_truncated() -> None:
    text, content = read("text/plain", b"abcd", [2], max_text=4)
    assert (text, content.truncated) == ("abcd", False)


def test_what_turns_or_hides_text_is_shown_as_escapes() -> None:
    assert read("text/plain", "a\u202eb\u2066\u200bc\ufeff\x9bd\u2028".encode())[0] == (
        "a\\u202eb\\u2066\\u200bc\\ufeff\\x9bd\\u2028"
    )
    # Letters that join, and emoji made of several, stay what they are.
    assert read("text/plain", "می\u200cخواهم 👩\u200d👧".encode())[0] == "می\u200cخواهم 👩\u200d👧"


@pytest.mark.parametrize(
    ("chunks", "kinds"),
    [
        ([("head", b"{}")], ["head"]),
        ([("head", b"{}"), ("data", b"a"), ("end", b"{}")], ["head", "data", "end"]),
        ([("data", b"a"), ("error", b"{}")], ["data", "error"]),
        ([("data", b"a"), ("checkpoint", b"{}"), ("keepalive", b"")], ["data", "checkpoint", "keepalive"]),
        ([("end", b'{"continues": true}')], ["hand-over"]),
        ([("end", b'{"continues": 1}'), ("end", b"[]")], ["end", "end"]),
        ([("of tomorrow", b"")], ["data"]),
    ],
)
def test_a_chunk_of_a_verified_stream_is_of_the_kind_of_its_frame(
    chunks: list[tuple[str, bytes]], kinds: list[str]
) -> None:
    content = Content(VERIFIED, 100)
    seen = []
    for chunk in chunks:
        content.feed(verified(chunk))
        seen.append(content.kind)
    assert seen == kinds


def test_a_chunk_with_several_frames_is_of_the_most_telling_kind() -> None:
    content = Content(VERIFIED, 100)
    kinds = []
    for second in ("data", "error"):
        content.feed(verified(("head", b"{}"), (second, b"{}")))
        kinds.append(content.kind)
    assert kinds == ["data", "error"]


def test_a_prelude_is_a_head_and_what_follows_it_data() -> None:
    content = Content(PRELUDE_CONTENT_TYPE, 100)
    kinds = []
    for data in (PRELUDE[:20], PRELUDE[20:], b"body", PRELUDE + b"body"):
        content.feed(data)
        kinds.append(content.kind)
    assert kinds == ["head", "head", "data", "data"]


@given(st.lists(st.integers(0, 90)))
def test_the_prelude_is_no_text_wherever_it_is_cut(cuts: list[int]) -> None:
    text, content = read(PRELUDE_CONTENT_TYPE, PRELUDE + b"body{}", cuts)
    assert text == "body{}"
    assert content.head == Head(201, {"content-type": "text/css"})
    assert content.content_type == "text/css"


@given(st.lists(st.integers(0, 400)))
def test_verified_streams_are_shown_without_their_frames_wherever_they_are_cut(cuts: list[int]) -> None:
    head = json.dumps({"contentType": "text/markdown"}).encode()
    error = json.dumps({"errorType": "KeyError", "errorMessage": "'x'", "stackTrace": ["a\n"]}).encode()
    checkpoint = json.dumps({"token": "abc", "bytes": 5}).encode()
    frames = [("head", head), ("data", b"# hel"), ("checkpoint", checkpoint), ("data", "lo ☃".encode())]
    stream = verified(*frames, ("error", error))
    text, content = read(VERIFIED, stream, cuts)
    assert text == "# hello ☃"
    assert content.content_type == "text/markdown"
    assert content.failure == Failure("KeyError", "'x'", "a")


def test_a_verified_stream_may_follow_a_prelude() -> None:
    prelude = json.dumps({"statusCode": 200, "headers": {"content-type": VERIFIED}}).encode() + bytes(8)
    head = json.dumps({"contentType": "text/html"}).encode()
    text, content = read(
        PRELUDE_CONTENT_TYPE, prelude + verified(("head", head), ("data", b"<p>"), ("end", b"{}"))
    )
    assert (text, content.content_type, content.verified) == ("<p>", "text/html", True)


def test_a_prelude_that_never_ends_is_shown_as_it_came() -> None:
    assert read(PRELUDE_CONTENT_TYPE, b'{"statusCode"')[0] == '{"statusCode"'
    assert read(PRELUDE_CONTENT_TYPE, b"x" * 20_000, max_text=30_000)[0] == "x" * 20_000


@given(
    st.sampled_from([PRELUDE_CONTENT_TYPE, VERIFIED, "text/plain", ""]),
    st.binary(max_size=200),
    st.lists(st.integers(0, 200)),
)
def test_any_bytes_are_shown_the_same_wherever_they_are_cut(kind: str, data: bytes, cuts: list[int]) -> None:
    assert read(kind, data, cuts)[0] == read(kind, data)[0]


def test_payloads_are_shown_up_to_a_bound() -> None:
    assert shown(b"abc", 3) == ("abc", False)
    assert shown(b"abcd", 3) == ("abc", True)
    assert shown(b"\x00\xff", 10) == ("␀\\xff", False)


def test_errors_are_read_as_python_and_node_write_them_and_cut() -> None:
    python = b'{"errorType": "KeyError", "errorMessage": "gone", "stackTrace": ["a\\n", "b\\n"]}'
    node = b'{"errorType": "KeyError", "errorMessage": "gone", "trace": ["a", "b"]}'
    assert failure(python) == failure(node) == Failure("KeyError", "gone", "a\nb")
    assert failure(b"") is None
    assert failure(b'["errorType"]') is None
    long = failure(json.dumps({"errorMessage": "x" * 10_000, "stackTrace": ["y" * 10_000]}).encode())
    assert long
    assert (len(long.message), len(long.trace)) == (4096, 4096)
