"""Server-sent events, JSON Lines and CSV, from sync and async iterables."""

import asyncio
import csv
import dataclasses
import datetime
import io
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.sse import SseDecoder
from streamify_server import csv_rows, ndjson, sse, streaming_handler
from streamify_server.posting import posting_through
from streamify_server.testing import Result
from support.answers import outcome
from support.posters import Leaving, Poster


def sent(body: Any) -> Result:
    return outcome(streaming_handler(lambda event, context: body))


async def later(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item


@pytest.mark.parametrize("keepalive", [None, 15.0])
def test_events_from_sync_and_async_iterables_are_the_same(keepalive: float | None) -> None:
    events = ["plain", {"event": "e", "id": 7, "retry": 1000, "data": {"ä": 1}}, {"comment": "c"}]
    expected = [b"data: plain\n\n", 'event: e\nid: 7\nretry: 1000\ndata: {"ä": 1}\n\n'.encode(), b": c\n\n"]
    for body in (sse(events, keepalive=keepalive), sse(later(events), keepalive=keepalive)):
        result = sent(body)
        assert result.content_type == "text/event-stream"
        assert sorted(result.chunks[1].splitlines()) == sorted(expected[1].splitlines())
        assert [result.chunks[0], result.chunks[2]] == [expected[0], expected[2]]


@settings(max_examples=50)
@given(st.lists(st.text(), min_size=1))
def test_data_survives_whatever_it_is(texts: list[str]) -> None:
    """But for line ends, which the format knows one kind of (WHATWG HTML, 9.2.6)."""
    decoder = SseDecoder()
    body = sent(sse(texts, keepalive=None)).body
    events = [event.data for event in [*decoder.receive(body), *decoder.finish()]]
    normal = [text.replace("\r\n", "\n").replace("\r", "\n") for text in texts]
    assert events == normal


@pytest.mark.parametrize(
    "event",
    [
        {"event": "a\nb"},
        {"id": "a\r"},
        {"id": "\0"},
        {"name": "x"},
        {},
        float("nan"),
        {"data": [float("inf")]},
    ],
)
def test_an_event_that_cannot_be_said_is_an_error(event: Any) -> None:
    assert isinstance(sent(sse([event])).error, ValueError)


@pytest.mark.parametrize("keepalive", [0, -1])
def test_a_keepalive_must_be_positive(keepalive: float) -> None:
    with pytest.raises(ValueError, match="keepalive"):
        sse([], keepalive=keepalive)


@pytest.mark.parametrize("is_async", [False, True])
def test_silence_is_filled_with_comments_and_no_event_is_lost(is_async: bool) -> None:
    """The next event comes once two comments have been sent: no clock decides."""
    released = threading.Event()

    def slow() -> Iterator[str]:
        yield "first"
        released.wait()
        yield "second"

    async def async_slow() -> AsyncIterator[str]:
        yield "first"
        await asyncio.to_thread(released.wait)
        yield "second"

    def take(chunk: bytes) -> None:
        if poster.chunks.count(b": keepalive\n\n") == 2:
            released.set()

    poster = Poster(take)
    events = sse(async_slow() if is_async else slow(), keepalive=0.02)
    with posting_through(poster):
        streaming_handler(lambda event, context: events)({}, None)
    events_sent = [chunk for chunk in poster.chunks if chunk != b": keepalive\n\n"]
    assert events_sent == [b"data: first\n\n", b"data: second\n\n"]
    assert poster.chunks.count(b": keepalive\n\n") >= 2


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("keepalive", [None, 15.0])
def test_events_are_closed_when_the_stream_ends_early(is_async: bool, keepalive: float | None) -> None:
    closed: list[bool] = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.append(True)

    async def async_endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    events = sse(async_endless() if is_async else endless(), keepalive=keepalive)
    with posting_through(Leaving()), pytest.raises(ConnectionResetError):
        streaming_handler(lambda event, context: events)({}, None)
    assert closed == [True]
    assert not [thread for thread in threading.enumerate() if thread.name == "streamify-keepalive"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_among_events_is_an_error_of_the_stream(is_async: bool) -> None:
    def failing() -> Iterator[str]:
        yield "x"
        raise ValueError("no more")

    async def async_failing() -> AsyncIterator[str]:
        yield "x"
        raise ValueError("no more")

    result = sent(sse(async_failing() if is_async else failing()))
    assert result.chunks == [b"data: x\n\n"]
    assert str(result.error) == "no more"


def test_json_lines_are_one_value_each() -> None:
    rows = [{"a": 1}, [1, "ä\n"], None, 1.5]
    for body in (ndjson(rows), ndjson(later(rows))):
        result = sent(body)
        assert result.content_type == "application/x-ndjson"
        assert [json.loads(line) for line in result.text.splitlines()] == rows


def test_json_lines_take_a_default_and_refuse_nan() -> None:
    day = datetime.date(2026, 11, 23)
    assert sent(ndjson([day], default=str)).text == '"2026-11-23"\n'
    assert isinstance(sent(ndjson([day])).error, TypeError)
    assert isinstance(sent(ndjson([float("nan")])).error, ValueError)


@settings(max_examples=30)
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=2, max_size=3)
    )
)
def test_csv_rows_are_read_back_by_csv(rows: list[list[str]]) -> None:
    text = sent(csv_rows(rows)).text
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows


def test_csv_takes_dicts_headers_and_dialects() -> None:
    rows = [{"b": 2, "a": 1}, {"a": 3}]
    for body in (
        csv_rows(rows, header="ab", delimiter=";"),
        csv_rows(later(rows), header="ab", delimiter=";"),
    ):
        result = sent(body)
        assert result.content_type == "text/csv; charset=utf-8"
        assert result.body == b"a;b\r\n1;2\r\n3;\r\n"


def test_a_helper_keeps_its_type_under_http_and_may_be_overruled() -> None:
    from streamify_server import HttpResponse

    plain = outcome(streaming_handler(lambda event, context: HttpResponse(200, body=ndjson([1]))))
    assert plain.headers["content-type"] == "application/x-ndjson"
    own = HttpResponse(200, {"content-type": "application/jsonl"}, body=ndjson([1]))
    assert (
        outcome(streaming_handler(lambda event, context: own)).headers["content-type"] == "application/jsonl"
    )
    named = streaming_handler(content_type="application/jsonl")(lambda event, context: ndjson([1]))
    assert outcome(named).content_type == "application/jsonl"


def test_data_that_is_none_is_null_and_other_fields_that_are_none_are_absent() -> None:
    assert sent(sse([None, {"data": None, "id": None}, {"comment": None, "data": "x"}])).text == (
        "data: null\n\ndata: null\n\ndata: x\n\n"
    )


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date | None = None


class Model(pydantic.BaseModel):
    x: int
    day: datetime.date


def test_dataclasses_and_models_are_encoded() -> None:
    day = datetime.date(2026, 11, 23)
    model = Model(x=2, day=day)
    assert sent(ndjson([Point(1), model, {"in": [model]}])).text.splitlines() == [
        '{"x": 1, "when": null}',
        '{"x": 2, "day": "2026-11-23"}',
        '{"in": [{"x": 2, "day": "2026-11-23"}]}',
    ]
    assert sent(sse([Point(1), {"event": "e", "data": model}])).text == (
        'data: {"x": 1, "when": null}\n\nevent: e\ndata: {"x": 2, "day": "2026-11-23"}\n\n'
    )
    assert sent(sse([Point(1, day)], default=str)).text == 'data: {"x": 1, "when": "2026-11-23"}\n\n'
    assert "default=" in str(sent(sse([Point(1, day)])).error)


@pytest.mark.parametrize("keepalive", [None, 15.0])
def test_events_are_made_on_the_calling_thread(keepalive: float | None) -> None:
    """Where database cursors and tracers expect to be used."""
    threads: list[Any] = []

    def events() -> Iterator[str]:
        threads.append(threading.current_thread())
        yield "x"
        threads.append(threading.current_thread())

    with closing(sqlite3.connect(":memory:")) as database:
        cursor = database.execute("select 'from a cursor'")
        assert sent(sse(text for (text,) in cursor)).text == "data: from a cursor\n\n"
    sent(sse(events(), keepalive=keepalive))
    assert set(threads) == {threading.current_thread()}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_bare_response_begins_with_a_comment_if_its_first_event_takes_long(is_async: bool) -> None:
    released = threading.Event()

    def slow() -> Iterator[str]:
        released.wait()
        yield "late"

    async def slow_async() -> AsyncIterator[str]:
        await asyncio.to_thread(released.wait)
        yield "late"

    poster = Poster(lambda chunk: released.set())
    events = sse(slow_async() if is_async else slow(), keepalive=0.02)
    with posting_through(poster):
        streaming_handler(lambda event, context: events)({}, None)
    assert poster.chunks[0] == b": keepalive\n\n"
    assert poster.chunks[-1] == b"data: late\n\n"
    assert poster.content_type == "text/event-stream"


def test_comments_go_through_the_transforms_of_the_body() -> None:
    released = threading.Event()

    def slow() -> Iterator[str]:
        yield "first"
        released.wait()
        yield "second"

    class Upper:
        def after(self, request: Any) -> None:
            request.transform_body(self)

        def feed(self, chunk: bytes) -> bytes:
            return chunk.upper()

        def finish(self) -> bytes:
            return b""

    def take(chunk: bytes) -> None:
        if b"KEEP" in chunk:
            released.set()

    poster = Poster(take)
    handler = streaming_handler(middlewares=[Upper()])(lambda event, context: sse(slow(), keepalive=0.02))
    with posting_through(poster):
        handler({}, None)
    assert b": KEEPALIVE\n\n" in poster.chunks


MANY = 50_000


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("make", "row"), [(csv_rows, ["ab", "c"]), (ndjson, {"a": "bc"})])
def test_rows_that_come_fast_leave_together(make: Any, row: Any, is_async: bool) -> None:
    rows = [row] * MANY
    result = sent(make(later(rows) if is_async else rows))
    assert result.body == sent(make([row])).body * MANY
    assert len(result.chunks) < MANY / 10
    assert max(map(len, result.chunks)) < 64 * 1024


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("make", "row"), [(csv_rows, ["x" * 20]), (ndjson, "x" * 20)])
def test_rows_before_a_pause_arrive_in_the_pause(make: Any, row: Any, is_async: bool) -> None:
    released = threading.Event()
    arrived = 0

    def take(chunk: bytes) -> None:
        nonlocal arrived
        arrived += chunk.count(b"x" * 20)
        if arrived == 1000:
            released.set()

    def rows() -> Iterator[Any]:
        for _ in range(1000):
            yield row
        released.wait()
        yield row

    async def async_rows() -> AsyncIterator[Any]:
        for one in rows():
            yield one

    with posting_through(Poster(take)):
        streaming_handler(lambda event, context: make(async_rows() if is_async else rows()))({}, None)
    assert arrived == 1001


@pytest.mark.parametrize("ticks", [True, False])
def test_large_rows_behind_small_ones_are_not_kept(ticks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not ticks:  # a busy machine: no small row has been written when the large ones begin
        monkeypatch.setattr("streamify_server.runtime.ticker.watch", lambda batch: None)
    made, arrived, kept = 0, 0, []

    def take(chunk: bytes) -> None:
        nonlocal arrived
        arrived += chunk.count(b"\r\n")

    def rows() -> Iterator[list[str]]:
        nonlocal made
        for size in [1] * 5000 + [200_000] * 60:
            kept.append(made - arrived)
            made += 1
            yield ["x" * size]

    with posting_through(Poster(take)):
        streaming_handler(lambda event, context: csv_rows(rows()))({}, None)
    assert arrived == made
    assert max(kept[5033:]) <= ticks  # one may be under way from the ticker's thread


@pytest.mark.parametrize("is_async", [False, True])
def test_rows_before_an_error_are_sent(is_async: bool) -> None:
    def rows() -> Iterator[Any]:
        for number in range(100):
            yield [number]
        raise ValueError("no more")

    async def async_rows() -> AsyncIterator[Any]:
        for row in rows():
            yield row

    result = sent(csv_rows(async_rows() if is_async else rows()))
    assert str(result.error) == "no more"
    assert result.text.splitlines() == [str(number) for number in range(100)]


@pytest.mark.parametrize("make", [csv_rows, ndjson])
def test_rows_are_closed_when_the_reader_leaves(make: Any) -> None:
    closed: list[bool] = []

    def rows() -> Iterator[Any]:
        try:
            while True:
                yield ["x"]
        finally:
            closed.append(True)

    with posting_through(Leaving()), pytest.raises(ConnectionResetError):
        streaming_handler(lambda event, context: make(rows()))({}, None)
    assert closed == [True]


def test_rows_can_be_read_one_by_one_by_whoever_gets_them() -> None:
    assert list(csv_rows([{"a": 1}], header=["a"])) == ["a\r\n1\r\n"]
    assert list(ndjson([1, 2])) == ["1\n", "2\n"]
