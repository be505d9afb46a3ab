"""Lines, JSON, events and files of real responses: as they come, whole or an error, one after the other."""

import csv
import gc
import io
import json
import pickle
import sys
import threading
from typing import Any

import pytest

from streamify_client import (
    ConfigurationError,
    DecodeError,
    ResponseStream,
    ServerSentEvent,
    StreamClosedError,
    TruncatedStreamError,
)
from support.wire_server import Peer, WireServer, complete_frame, truncated, whole

from .conftest import MakeClient

VIEWS: dict[str, Any] = {
    "lines": lambda stream: stream.iter_lines(),
    "json": lambda stream: stream.iter_json(),
    "items": lambda stream: stream.iter_json_items("item"),
    "sse": lambda stream: stream.iter_sse(),
    "file": lambda stream: stream.as_file(),
    "full file": lambda stream: stream.as_file(full_reads=True),
}
BODIES: dict[str, tuple[bytes, list[Any]]] = {
    "lines": ("één\r\ntwee\u2028!\nthree".encode(), ["één", "twee\u2028!", "three"]),
    "json": (b'{"a": 1}\n\n[2]\n"\xc3\xa9"', [{"a": 1}, [2], "é"]),
    "items": (b'[1, {"a": 2.5}, "x"]', [1, {"a": 2.5}, "x"]),
    "sse": (
        b"data: 1\r\n\r\nevent: x\ndata: 2\n\n",
        [ServerSentEvent("message", "1"), ServerSentEvent("x", "2")],
    ),
    "file": (b"a\nb\r\nc", [b"a\n", b"b\r\n", b"c"]),
    "full file": (b"a\nb\r\nc", [b"a\n", b"b\r\n", b"c"]),
}


def single_bytes(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_gives_the_items_however_the_chunks_are_cut(view: str, make_own_client: MakeClient) -> None:
    body, items = BODIES[view]
    with WireServer(whole(body), whole(*single_bytes(body)), whole(b"", body[:4], b"", body[4:])) as server:
        client = make_own_client(server.url)
        for _ in range(3):
            assert list(VIEWS[view](client.stream("fn"))) == items
        assert server.connections == 1


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_truncated_response_raises_after_what_came(
    view: str, make_own_client: MakeClient
) -> None:
    body, items = BODIES[view]
    cut = body + (b"\n" if view == "lines" else b"")
    with WireServer(truncated(cut)) as server:
        stream = make_own_client(server.url).stream("fn")
        got = []
        with pytest.raises(TruncatedStreamError) as caught:  # noqa: PT012  (the items before the error count)
            for item in VIEWS[view](stream):
                got.append(item)  # noqa: PERF402
        assert items[: len(got)] == got
        assert len(got) >= len(items) - 1
        assert caught.value.bytes_received == len(cut)
        assert server.wait_closed()


@pytest.mark.parametrize("view", VIEWS)
def test_an_item_comes_before_the_next_is_sent(view: str, make_own_client: MakeClient) -> None:
    body, items = BODIES[view]
    first = {"items": b"[1,", "sse": b"data: 1\r\n\r\n"}.get(view) or body.split(b"\n")[0] + b"\n"
    got_first = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(first)
        assert got_first.wait(20)
        peer.payload(body[len(first) :])
        peer.chunk(complete_frame())
        peer.end()

    with WireServer(behave) as server, make_own_client(server.url).stream("fn") as stream:
        view_items = iter(VIEWS[view](stream))
        assert next(view_items) == items[0]
        got_first.set()
        assert list(view_items) == items[1:]


@pytest.mark.parametrize("view", VIEWS)
def test_break_frees_the_connection_at_once(view: str, make_own_client: MakeClient) -> None:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(BODIES[view][0] + b"\n")
        assert peer.wait_gone()

    gc.disable()
    try:
        with WireServer(behave) as server:
            for _ in VIEWS[view](make_own_client(server.url).stream("fn")):
                break
            assert server.wait_closed()
    finally:
        gc.enable()


def test_a_header_line_then_break_then_another_view_of_the_rest(make_own_client: MakeClient) -> None:
    body = "name;straße\nx;1\ny;2\n".encode()
    with WireServer(whole(body), whole(*single_bytes(body))) as server:
        client = make_own_client(server.url)
        for rest in ("text", "bytes"):
            with client.stream("fn") as stream:
                for line in stream.iter_lines():
                    assert line == "name;straße"
                    break
                if rest == "text":
                    assert list(csv.reader(stream.iter_text().__next__().splitlines())) == [["x;1"], ["y;2"]]
                else:
                    assert stream.read() == b"x;1\ny;2\n"


def test_views_hand_on_every_byte_to_one_another(make_own_client: MakeClient) -> None:
    body = b'line\n{"json": 1}\ndata: event\n\nfile\n[1, 2] and text'
    with WireServer(whole(body), whole(*single_bytes(body))) as server:
        client = make_own_client(server.url)
        for _ in range(2):
            with client.stream("fn") as stream:
                assert next(stream.iter_lines()) == "line"
                assert next(stream.iter_json()) == {"json": 1}
                assert next(stream.iter_sse()).data == "event"
                assert stream.as_file().readline() == b"file\n"
                assert stream.as_file(full_reads=True).read(3) == b"[1,"
                assert stream.text() == " 2] and text"
            assert stream.result.bytes_received == len(body)


@pytest.mark.parametrize("rest", [(b"\n", b"\nrest"), (b"\n\nrest",), (b"\nre", b"st"), (b"rest",)])
def test_a_line_end_that_two_chunks_share_stays_with_its_event(
    make_own_client: MakeClient, rest: tuple[bytes, ...]
) -> None:
    left = b"".join(rest).removeprefix(b"\n")
    with (
        WireServer(whole(b"data: a\r\n\r", *rest)) as server,
        make_own_client(server.url).stream("fn") as stream,
    ):
        assert next(stream.iter_sse()).data == "a"
        stream.iter_lines()  # takes nothing
        chunks = list(stream.iter_bytes())
        assert b"".join(chunks) == left
        assert all(chunks)
        assert stream.result.bytes_received == len(b"data: a\r\n\r" + b"".join(rest))


def test_an_event_whose_data_is_no_json_says_whose_it_is(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"data: {no\n\n")) as server:
        (event,) = make_own_client(server.url).stream("fn").iter_sse()
    assert pickle.loads(pickle.dumps(event)) == event == ServerSentEvent("message", "{no")
    with pytest.raises(DecodeError, match="function fn, request req-1") as caught:
        event.json()
    assert (caught.value.function, caught.value.request_id) == ("fn", "req-1")


def test_a_view_of_the_same_kind_goes_on_where_the_last_one_stopped(make_own_client: MakeClient) -> None:
    with WireServer(whole(b"[1, 2, 3]"), whole(b"id: 7\ndata: a\n\ndata: b\n\n")) as server:
        client = make_own_client(server.url)
        with client.stream("fn") as stream:
            assert [next(stream.iter_json_items()), next(stream.iter_json_items())] == [1, 2]
            with pytest.raises(StreamClosedError, match="another kind"):
                stream.iter_text()
            assert list(stream.iter_json_items()) == [3]
        with client.stream("fn") as stream:
            assert next(stream.iter_sse()).id == "7"
            assert next(stream.iter_sse()).id == "7"


@pytest.mark.parametrize(
    ("view", "body", "offset", "message"),
    [
        (VIEWS["lines"], b"good\nb\xffd\n", 6, "byte 6 is not utf-8"),
        (VIEWS["lines"], b"good\nbad\xe6", 8, "byte 8 is not utf-8"),
        (lambda stream: stream.iter_lines(max_size=4), b"good\nworse\n", 5, "line 2 is longer than 4 bytes"),
        (VIEWS["json"], b"1\n{nope}\n", 3, "line 2 is not JSON"),
        (VIEWS["json"], b'1\n"cut', 2, "line 2 is not JSON"),
        (lambda stream: stream.iter_json(max_size=4), b"1\n12345\n", 2, "line 2 is longer than 4 bytes"),
        (VIEWS["items"], b"[1, nope]", None, "is not JSON"),
        (VIEWS["items"], b"[1, 2", 5, "ended too early"),
        (lambda stream: stream.iter_json_items("item", max_size=8), b'[1, "123456789"]', 16, "larger than 8"),
        (lambda stream: stream.iter_sse(max_size=9), b"data: 1\n\ndata: 12345\n\n", 9, "longer than 9 bytes"),
    ],
)
def test_what_cannot_be_decoded_is_a_decode_error_with_its_place(
    view: Any, body: bytes, offset: int | None, message: str, make_own_client: MakeClient
) -> None:
    with WireServer(whole(body)) as server:
        client = make_own_client(server.url)
        items = view(client.stream("fn"))
        next(items)
        with pytest.raises(DecodeError, match=message) as caught:
            list(items)
        assert (caught.value.offset, caught.value.function) == (offset, "fn")
        assert client.stream("fn").read() == body


def test_an_offset_counts_from_the_bodys_beginning_in_a_second_view(make_own_client: MakeClient) -> None:
    with (
        WireServer(whole(b"head\n1\n{nope}\n")) as server,
        make_own_client(server.url).stream("fn") as stream,
    ):
        next(stream.iter_lines())
        with pytest.raises(DecodeError) as caught:
            list(stream.iter_json())
        assert caught.value.offset == 8


def test_lines_in_another_encoding(make_own_client: MakeClient) -> None:
    with WireServer(whole("één\ntwee\n".encode("utf-16"))) as server:
        client = make_own_client(server.url)
        assert list(client.stream("fn", encoding="utf-16").iter_lines()) == ["één", "twee"]
        assert list(client.stream("fn").iter_lines("utf-16", "replace")) == ["één", "twee"]


def test_the_data_of_an_event_as_json() -> None:
    assert ServerSentEvent("message", '{"a": [1]}').json() == {"a": [1]}
    for data in ("{", "", "[" * 100_000):
        with pytest.raises(DecodeError, match="data of the event 'x' is not JSON"):
            ServerSentEvent("x", data).json()


@pytest.mark.parametrize("max_size", [0, -1, True, 1.5, "8"])
def test_a_limit_that_is_no_size_is_refused_at_once(max_size: Any, make_own_client: MakeClient) -> None:
    with WireServer(whole(b"1\n")) as server, make_own_client(server.url).stream("fn") as stream:
        for view in (stream.iter_lines, stream.iter_json, stream.iter_json_items, stream.iter_sse):
            with pytest.raises(ConfigurationError, match="max_size"):
                view(max_size=max_size)


def test_without_ijson_one_sentence_names_the_extra(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ijson", None)
    with WireServer(whole(b"[]")) as server, make_own_client(server.url).stream("fn") as stream:
        with pytest.raises(ConfigurationError, match=r"needs ijson: pip install 'streamify\[json\]'\."):
            stream.iter_json_items()
        assert stream.read() == b"[]"


def test_closing_the_file_closes_the_stream(make_own_client: MakeClient) -> None:
    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(b"some")
        assert peer.wait_gone()

    with WireServer(behave) as server:
        stream: ResponseStream = make_own_client(server.url).stream("fn").open()
        with stream.as_file() as file:
            assert file.read(4) == b"some"
        assert server.wait_closed()
        with pytest.raises(StreamClosedError):
            stream.read()


def test_the_standard_library_reads_the_file(make_own_client: MakeClient) -> None:
    body = "name,straße\nx,1\n".encode()
    with WireServer(whole(*single_bytes(body)), whole(*single_bytes(b'{"a": 1}'))) as server:
        client = make_own_client(server.url)
        text = io.TextIOWrapper(client.stream("fn").as_file(), encoding="utf-8", newline="")
        assert list(csv.DictReader(text)) == [{"name": "x", "straße": "1"}]
        assert json.load(client.stream("fn").as_file()) == {"a": 1}


def test_a_truncated_body_is_no_end_of_file_to_the_standard_library(make_own_client: MakeClient) -> None:
    with WireServer(truncated(b"a,b\n1,2\n")) as server:
        text = io.TextIOWrapper(
            make_own_client(server.url).stream("fn").as_file(), encoding="utf-8", newline=""
        )
        with pytest.raises(TruncatedStreamError):
            list(csv.reader(text))
