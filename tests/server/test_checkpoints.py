"""Handlers that say where they stand: what is sent of it, when, and what ends a part."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from streamify_client.wire.eventstream import FrameDecoder
from streamify_server import (
    HttpResponse,
    StreamHandedOver,
    checkpoint,
    csv_rows,
    last_checkpoint,
    sse,
    streaming_handler,
)
from streamify_server.middlewares import http_content_encoding
from streamify_server.posting import posting_through
from streamify_server.testing import Context, invoke
from streamify_server.wire.token import peek
from support.http_events import function_url

Frames = list[tuple[str, Any]]


class Recorder:
    """A poster and a sink that keeps what is written."""

    full = False

    def __init__(self) -> None:
        self.data = b""
        self.error: BaseException | None = None

    def open(self, content_type: str, prelude: bytes) -> "Recorder":
        return self

    def write(self, data: bytes) -> None:
        self.data += data

    async def drained(self) -> None: ...

    def end(self) -> None: ...

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        self.data += last
        self.error = error

    @property
    def frames(self) -> Frames:
        found: Frames = []
        for frames in FrameDecoder().receive(self.data):
            kind = str(frames.headers[":event-type"])
            for payload in frames.payloads:
                found.append((kind, payload if kind in ("data", "keepalive") else json.loads(payload)))
        return found

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.frames]


def offering(token: str | None = None, timeout: float = 60.0, **more: Any) -> Context:
    custom = {"streamify": "verified/1, continue/1"}
    if token is not None:
        custom["streamify-state"] = token
    context = Context(timeout=timeout, **more)
    context.client_context = SimpleNamespace(custom=custom, env=None, client=None)
    return context


def run(handler: Any, context: Any = None, event: Any = None) -> Recorder:
    """Call a handler for a caller who can read streams that go on."""
    recorder = Recorder()
    with posting_through(recorder):
        try:
            handler({} if event is None else event, context or offering())
        except Exception as error:
            recorder.error = error
    return recorder


def tokens(recorder: Recorder) -> list[str]:
    return [content["token"] for kind, content in recorder.frames if kind == "checkpoint"]


@streaming_handler
def two(event: Any, context: Any) -> Iterator[Any]:
    for number in range(last_checkpoint(context) or 0, 2):
        yield f"{number}\n"
        yield checkpoint(number + 1)


def test_a_checkpoint_stands_behind_what_came_before_it() -> None:
    frames = run(two).frames
    assert [kind for kind, _ in frames] == ["head", "data", "checkpoint", "data", "end"]
    assert frames[2][1]["bytes"] == 2
    assert frames[-1][1] == {"bytes": 4, "chunks": 2}


def test_who_asked_for_nothing_gets_the_plain_body() -> None:
    recorder = Recorder()
    with posting_through(recorder):
        two({}, Context())
    assert recorder.data == b"0\n1\n"
    assert two({}, None) == b"0\n1\n"


def test_an_older_client_gets_a_verified_stream_without_checkpoints() -> None:
    context = offering()
    context.client_context.custom["streamify"] = "verified/1"
    assert run(two, context).kinds == ["head", "data", "data", "end"]


def test_a_part_goes_on_where_its_token_says() -> None:
    (token,) = tokens(run(two))
    recorder = run(two, offering(token))
    assert recorder.kinds == ["head", "data", "checkpoint", "end"]
    assert dict(recorder.frames)["data"] == b"1\n"
    assert dict(recorder.frames)["checkpoint"]["bytes"] == 4
    assert len(dict(recorder.frames)["head"]["state"]) == 64


def test_token_and_offer_are_hidden_from_the_handler() -> None:
    seen = []

    @streaming_handler
    def handler(event: Any, context: Any) -> Iterator[Any]:
        seen.append((event, context.client_context, last_checkpoint(context)))
        yield "x"
        yield checkpoint([1])

    (token,) = tokens(run(handler))
    run(handler, offering(token))
    run(
        handler, Context(), function_url(headers={"streamify-accept": "verified/1", "Streamify-State": token})
    )
    assert [(context, state) for _, context, state in seen[:2]] == [(None, None), (None, [1])]
    assert not {name.lower() for name in seen[2][0]["headers"]} & {"streamify-accept", "streamify-state"}


def export(kind: str, count: int = 3) -> Any:
    """A handler of each style: numbers, a checkpoint behind each."""

    def numbers(context: Any) -> Iterator[Any]:
        for number in range(last_checkpoint(context) or 0, count):
            yield f"{number}\n"
            yield checkpoint(number + 1)

    async def numbers_async(context: Any) -> AsyncIterator[Any]:
        for item in numbers(context):
            yield item

    def written(event: Any, context: Any, stream: Any) -> None:
        for item in numbers(context):
            stream.write(item) if isinstance(item, str) else stream.checkpoint(json.loads(item.state))

    async def written_async(event: Any, context: Any, stream: Any) -> None:
        for item in numbers(context):
            await (stream.write(item) if isinstance(item, str) else stream.checkpoint(json.loads(item.state)))

    inner = streaming_handler(lambda event, context: numbers(context))
    styles: dict[str, Callable[..., Any]] = {
        "generator": lambda event, context: numbers(context),
        "async generator": lambda event, context: numbers_async(context),
        "iterable": lambda event, context: list(numbers(context)),
        "http": lambda event, context: HttpResponse(200, {}, numbers(context)),
        "http async": lambda event, context: HttpResponse(200, {}, numbers_async(context)),
        "writer": written,
        "async writer": written_async,
        "nested": lambda event, context: inner(event, context),
        "rows": lambda event, context: csv_rows(
            [item] if type(item) is str else item for item in numbers(context)
        ),
        "sse": lambda event, context: sse(
            item.strip() if type(item) is str else item for item in numbers(context)
        ),
    }
    return styles[kind]


STYLES = [
    "generator",
    "async generator",
    "iterable",
    "http",
    "http async",
    "writer",
    "async writer",
    "nested",
    "rows",
    "sse",
]


@pytest.mark.parametrize("kind", STYLES)
def test_every_style_hands_over_when_its_time_is_short(kind: str) -> None:
    handler = streaming_handler(hand_over_margin=30.0)(export(kind))
    recorder, token = run(handler, offering(timeout=20)), None
    bodies = []
    for _ in range(3):
        frames = recorder.frames
        assert recorder.kinds == ["head", "data", "checkpoint", "end"], recorder.error
        assert frames[-1][1]["continues"] is True
        bodies.append(frames[1][1])
        token = frames[2][1]["token"]
        recorder = run(handler, offering(token, timeout=20))
    assert recorder.kinds == ["head", "end"]
    assert len(set(bodies)) == 3


@pytest.mark.parametrize("kind", STYLES)
def test_every_style_tells_where_it_stands(kind: str) -> None:
    assert run(streaming_handler(export(kind))).kinds.count("checkpoint") >= 1


def test_the_producer_is_closed_before_the_part_ends() -> None:
    order: list[str] = []

    class Noting(Recorder):
        def end(self) -> None:
            order.append("end")

    @streaming_handler(hand_over_margin=30.0)
    def handler(event: Any, context: Any) -> Iterator[Any]:
        try:
            yield "x"
            yield checkpoint(1)
            order.append("never")
        finally:
            order.append("closed")

    with posting_through(Noting()):
        handler({}, offering(timeout=20))
    assert order == ["closed", "end"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_producer_that_fails_when_it_is_closed_is_the_parts_error(asynchronous: bool) -> None:
    def sync(event: Any, context: Any) -> Iterator[Any]:
        try:
            yield "x"
            yield checkpoint(1)
        finally:
            raise OSError("the cursor cannot be closed")

    async def not_sync(event: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield "x"
            yield checkpoint(1)
        finally:
            await asyncio.sleep(0)
            raise OSError("the cursor cannot be closed")

    handler: Any = streaming_handler(hand_over_margin=30.0)(not_sync if asynchronous else sync)
    recorder = run(handler, offering(timeout=20))
    assert recorder.kinds == ["head", "data", "error"]
    assert isinstance(recorder.error, OSError)


def test_a_writer_leaves_by_an_exception_that_except_exception_does_not_catch() -> None:
    left = []

    @streaming_handler(hand_over_margin=30.0)
    def handler(event: Any, context: Any, stream: Any) -> None:
        stream.write("x")
        try:
            stream.checkpoint(1)
        except Exception:
            left.append("caught")
        except StreamHandedOver:
            left.append("handed over")
            raise

    assert run(handler, offering(timeout=20)).kinds == ["head", "data", "checkpoint", "end"]
    assert left == ["handed over"]


def test_a_part_hands_over_only_behind_new_bytes() -> None:
    @streaming_handler(hand_over_margin=30.0)
    def handler(event: Any, context: Any) -> Iterator[Any]:
        yield "x"
        yield checkpoint(1)

    (token,) = tokens(run(handler, offering(timeout=20)))

    @streaming_handler(hand_over_margin=30.0)
    def later(event: Any, context: Any) -> HttpResponse:
        last_checkpoint(context)
        return HttpResponse(200, {}, iter([checkpoint(1), checkpoint(1)]))

    assert run(later, offering(token, timeout=20)).kinds[-1] == "end"
    assert "continues" not in run(later, offering(token, timeout=20)).frames[-1][1]


def test_a_part_hands_over_near_the_size_that_a_response_may_have() -> None:
    @streaming_handler
    def handler(event: Any, context: Any) -> Iterator[Any]:
        for number in range(last_checkpoint(context) or 0, 100):
            yield b"x" * 1000
            yield checkpoint(number + 1)

    with (
        mock.patch("streamify_server.wire.verified.RESPONSE_LIMIT", 50_000),
        mock.patch("streamify_server.wire.verified.SIZE_MARGIN", 5_000),
    ):
        recorder = run(handler)
    assert recorder.frames[-1][1]["continues"] is True
    assert 43_000 < recorder.frames[-1][1]["bytes"] < 46_000
    assert len(recorder.data) < 50_000


def test_a_handler_that_ignores_its_token_fails_before_its_body() -> None:
    @streaming_handler
    def forgetful(event: Any, context: Any) -> Iterator[Any]:
        yield "x"
        yield checkpoint(1)

    (token,) = tokens(run(forgetful))
    recorder = run(forgetful, offering(token))
    assert recorder.kinds == ["head", "error"]
    assert "did not call last_checkpoint(context)" in dict(recorder.frames)["error"]["errorMessage"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda token: token[:-3] + "AAA", "damaged"),
        (lambda token: "nonsense", "malformed"),
    ],
)
def test_a_token_that_is_refused_is_the_parts_error(change: Callable[[str], str], said: str) -> None:
    (token,) = tokens(run(two))
    recorder = run(two, offering(change(token)))
    assert recorder.kinds == ["head", "error"]
    head, error = recorder.frames[0][1], recorder.frames[1][1]
    assert (error["errorType"], said in error["errorMessage"]) == ("TokenError", True)
    assert head["state"]


def test_a_token_is_of_one_payload_and_one_function() -> None:
    (token,) = tokens(run(two, event={"a": 1}))
    assert run(two, offering(token), {"a": 1}).kinds[-1] == "end"
    assert run(two, offering(token), {"a": 2}).kinds == ["head", "error"]
    other = offering(token, invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:other")
    assert run(two, other, {"a": 1}).kinds == ["head", "error"]


def test_a_token_of_a_url_is_of_one_request() -> None:
    accept = {"streamify-accept": "verified/1, continue/1"}

    def event(path: str = "/a", token: str | None = None) -> dict[str, Any]:
        state = {} if token is None else {"streamify-state": token}
        return function_url(path, query="x=1", headers={**accept, **state})

    (token,) = tokens(run(two, Context(), event()))
    assert run(two, Context(), event(token=token)).kinds[-1] == "end"
    assert run(two, Context(), event("/b", token)).kinds == ["head", "error"]


def test_tokens_are_signed_where_there_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    (unsigned,) = tokens(run(two))
    monkeypatch.setenv("STREAMIFY_STATE_KEY", "new, old")
    (signed,) = tokens(run(two))
    assert run(two, offering(unsigned)).kinds == ["head", "error"]
    assert run(two, offering(signed)).kinds[-1] == "end"
    monkeypatch.setenv("STREAMIFY_STATE_KEY", "newest, new")
    assert run(two, offering(signed)).kinds[-1] == "end"


@pytest.mark.parametrize("state", [object(), {1, 2}, b"x"])
def test_a_state_that_is_not_json_is_refused(state: Any) -> None:
    with pytest.raises(TypeError, match="must be a JSON value"):
        checkpoint(state)


@pytest.mark.parametrize("state", ["x" * 1023, float("nan")])
def test_a_state_that_is_too_large_or_no_number_is_refused(state: Any) -> None:
    with pytest.raises(ValueError, match=r"1024|JSON"):
        checkpoint(state)


def test_a_state_is_taken_when_it_is_said() -> None:
    state = [1]
    at = checkpoint(state)
    state.append(2)
    assert at.state == "[1]"


def test_frequent_checkpoints_are_not_all_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamify_server.engine.checkpointing.EVERY", 1000.0)

    @streaming_handler
    def handler(event: Any, context: Any) -> Iterator[Any]:
        for number in range(1000):
            yield b"x" * 5000
            yield checkpoint(number)

    positions = [content["bytes"] for kind, content in run(handler).frames if kind == "checkpoint"]
    assert 4 <= len(positions) <= 20
    assert all(after - before >= 1024 * 1024 for before, after in pairwise(positions[:5]))


def test_a_checkpoint_that_waits_is_sent_when_nothing_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamify_server.engine.checkpointing.EVERY", 0.05)
    recorder = Recorder()

    @streaming_handler
    def handler(event: Any, context: Any) -> Iterator[Any]:
        yield "a"
        yield checkpoint(1)
        yield "b"
        yield checkpoint(2)
        while recorder.kinds.count("checkpoint") < 2:
            yield ""
        yield "c"

    with posting_through(recorder):
        handler({}, offering())
    assert recorder.kinds == ["head", "data", "checkpoint", "data", "checkpoint", "data", "end"]


def test_keepalives_are_no_part_of_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()

    @streaming_handler
    def handler(event: Any, context: Any) -> Any:
        def events() -> Iterator[Any]:
            yield "a"
            while "keepalive" not in recorder.kinds:
                pass
            yield "b"

        return sse(events(), keepalive=0.02)

    with posting_through(recorder):
        handler({}, offering())
    body = b"".join(content for kind, content in recorder.frames if kind == "data")
    assert body == b"data: a\n\ndata: b\n\n"
    assert recorder.frames[-1][1] == {"bytes": len(body), "chunks": 2}


def test_a_compressed_body_can_be_read_up_to_its_checkpoint() -> None:
    import zlib

    @streaming_handler(middlewares=[http_content_encoding()])
    def handler(event: Any, context: Any) -> HttpResponse:
        def body() -> Iterator[Any]:
            yield "one "
            yield checkpoint(1)
            yield "two"

        return HttpResponse(200, {"content-type": "text/plain"}, body())

    event = function_url(headers={"accept-encoding": "gzip", "streamify-accept": "verified/1, continue/1"})
    frames = run(handler, Context(), event).frames
    at = [kind for kind, _ in frames].index("checkpoint")
    before = b"".join(content for kind, content in frames[:at] if kind == "data")
    assert zlib.decompressobj(31).decompress(before) == b"one "
    assert frames[at][1]["bytes"] == len(before)


class Upper:
    """A transform that cannot take part."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk.upper()

    def finish(self) -> bytes:
        return b""


def test_a_transform_without_flush_turns_checkpoints_off_with_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamify_server.engine.checkpointing._warned", set())
    handler = streaming_handler(export("generator"))
    handler.before(lambda request: request.transform_body(Upper()))
    assert "checkpoint" not in run(handler).kinds
    assert "checkpoint" not in run(handler).kinds
    assert [record.message for record in caplog.records if "Upper" in record.message] == [caplog.messages[0]]


def test_end_hooks_run_for_each_part_and_see_which_it_is() -> None:
    seen: list[Any] = []
    handler = streaming_handler(hand_over_margin=30.0)(export("generator", 2))

    @handler.on_stream_end
    def ended(request: Any) -> None:
        seen.append((request.part, request.stream_end.continues))

    token = None
    for _ in range(3):
        found = tokens(run(handler, offering(token, timeout=20)))
        token = found[0] if found else None
    assert seen == [(1, True), (2, True), (3, False)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"hand_over_margin": "5"}, TypeError),
        ({"hand_over_margin": -1}, ValueError),
        ({"hand_over_margin": 0.3}, ValueError),
        ({"hand_over_margin": 2, "deadline_margin": 3}, ValueError),
    ],
)
def test_a_wrong_margin_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="hand_over_margin"):
        streaming_handler(**options)(lambda event, context: None)


def test_the_door_for_unit_tests_begins_at_a_checkpoint() -> None:
    assert invoke(two, {}).checkpoints == [1, 2]
    later = invoke(two, {}, checkpoint=1)
    assert (later.chunks, later.checkpoints) == ([b"1\n"], [2])
    assert last_checkpoint(None) is None


def test_a_token_is_readable_text() -> None:
    (token,) = tokens(run(two))
    assert len(token) < 200
    assert base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:1] == b"\x01"


def test_a_state_of_none_is_refused() -> None:
    """It is what a first part finds, so that the next part would begin again."""
    with pytest.raises(ValueError, match="None"):
        checkpoint(None)


def test_a_context_that_is_used_again_remembers_no_part() -> None:
    context = Context()
    assert invoke(two, {}, context, checkpoint=1).text == "1\n"
    assert invoke(two, {}, context).text == "0\n1\n"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_a_compressor_begins_with_is_not_new(coding: str) -> None:
    """Handing over behind it would bring its reader nothing."""

    @streaming_handler(middlewares=[http_content_encoding()], hand_over_margin=30.0)
    def handler(event: Any, context: Any) -> HttpResponse:
        def body(at: int) -> Iterator[Any]:
            for number in range(at, 3):
                yield checkpoint(number)
                yield f"{number}\n"

        return HttpResponse(200, {"content-type": "text/plain"}, body(last_checkpoint(context) or 0))

    accept = {"accept-encoding": coding, "streamify-accept": "verified/1, continue/1"}
    token: str | None = None
    parts: list[bool] = []
    while token or not parts:
        more: dict[str, str] = {} if token is None else {"streamify-state": token}
        recorder = run(handler, Context(timeout=20), function_url(headers={**accept, **more}))
        parts.append(recorder.frames[-1][1].get("continues", False))
        token = tokens(recorder)[-1] if parts[-1] else None
    assert parts == [True, True, False]


def test_keepalives_of_a_handler_in_another_are_no_part_of_the_body() -> None:
    recorder = Recorder()

    @streaming_handler
    def inner(event: Any, context: Any) -> Any:
        def events() -> Iterator[Any]:
            yield "a"
            while "keepalive" not in recorder.kinds:
                pass
            yield "b"

        return sse(events(), keepalive=0.02)

    with posting_through(recorder):
        streaming_handler(lambda event, context: inner(event, context))({}, offering())
    assert b"".join(content for kind, content in recorder.frames if kind == "data") == (
        b"data: a\n\ndata: b\n\n"
    )


def test_a_transform_without_flush_in_a_handler_in_another_turns_checkpoints_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamify_server.engine.checkpointing._warned", set())
    inner = streaming_handler(export("generator"))
    inner.before(lambda request: request.transform_body(Upper()))
    outer = streaming_handler(lambda event, context: inner(event, context))
    assert "checkpoint" not in run(outer).kinds


def many_rows(count: int, asynchronous: bool) -> Any:
    def rows(event: Any, context: Any) -> Iterator[Any]:
        for number in range(last_checkpoint(context) or 0, count):
            yield [number]
            yield checkpoint(number + 1)

    async def rows_async(event: Any, context: Any) -> AsyncIterator[Any]:
        for item in rows(event, context):
            yield item

    made = rows_async if asynchronous else rows
    return streaming_handler(lambda event, context: csv_rows(made(event, context)))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("offer", [None, "verified/1", "verified/1, continue/1"])
def test_rows_travel_together_though_a_checkpoint_is_behind_each(
    asynchronous: bool, nested: bool, offer: str | None
) -> None:
    handler = many_rows(20_000, asynchronous)
    context = offering()
    context.client_context.custom["streamify"] = offer or ""
    around = streaming_handler(lambda event, context: handler(event, context))
    recorder = run(around if nested else handler, context)
    if offer is None:
        body = recorder.data
    else:
        chunks = [content for kind, content in recorder.frames if kind == "data"]
        body = b"".join(chunks)
        assert len(chunks) < 200
    assert body == b"".join(b"%d\r\n" % number for number in range(20_000))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_checkpoint_between_rows_stands_where_it_was_reached(asynchronous: bool) -> None:
    recorder = run(many_rows(20_000, asynchronous))
    body = b"".join(content for kind, content in recorder.frames if kind == "data")
    for token in tokens(recorder):
        found = peek(token)
        assert body[: found.position].count(b"\n") == json.loads(found.state)
        assert body[: found.position].endswith(b"\n")


def test_a_checkpoint_behind_rows_that_wait_is_sent_when_nothing_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamify_server.engine.checkpointing.EVERY", 0.05)
    recorder = Recorder()

    def rows() -> Iterator[Any]:
        for number in range(2000):
            yield [number]
            yield checkpoint(number + 1)
        while peek(tokens(recorder)[-1]).state != "2000":
            pass
        yield ["last"]

    with posting_through(recorder):
        streaming_handler(lambda event, context: csv_rows(rows()))({}, offering())
    assert recorder.kinds[-3:] == ["checkpoint", "data", "end"]


@pytest.mark.parametrize("kind", ["generator", "writer", "async writer", "nested", "rows", "http", "sse"])
def test_a_checkpoint_in_front_of_the_first_byte_is_told(kind: str) -> None:
    """The whole stream can then be resumed."""

    def body(context: Any) -> Iterator[Any]:
        start = last_checkpoint(context)
        if start is None:
            yield checkpoint(0)
        yield "0"
        yield checkpoint(1)

    def written(event: Any, context: Any, stream: Any) -> None:
        for item in body(context):
            stream.write(item) if isinstance(item, str) else stream.checkpoint(json.loads(item.state))

    async def written_async(event: Any, context: Any, stream: Any) -> None:
        for item in body(context):
            await (stream.write(item) if isinstance(item, str) else stream.checkpoint(json.loads(item.state)))

    inner = streaming_handler(lambda event, context: body(context))
    styles: dict[str, Callable[..., Any]] = {
        "generator": lambda event, context: body(context),
        "writer": written,
        "async writer": written_async,
        "nested": lambda event, context: inner(event, context),
        "rows": lambda event, context: csv_rows(
            [item] if isinstance(item, str) else item for item in body(context)
        ),
        "http": lambda event, context: HttpResponse(200, {}, body(context)),
        "sse": lambda event, context: sse(body(context)),
    }
    recorder = run(streaming_handler(styles[kind]))
    assert recorder.kinds[:3] == ["head", "checkpoint", "data"]
    assert recorder.frames[1][1]["bytes"] == 0
    token = tokens(recorder)[0]
    assert run(streaming_handler(styles[kind]), offering(token)).kinds[-1] == "end"


def test_only_the_last_of_several_in_front_of_the_first_byte_is_told() -> None:
    @streaming_handler
    def handler(event: Any, context: Any) -> Iterator[Any]:
        last_checkpoint(context)
        yield checkpoint(1)
        yield checkpoint(2)
        yield "x"

    recorder = run(handler)
    assert recorder.kinds == ["head", "checkpoint", "data", "end"]
    assert peek(tokens(recorder)[0]).state == "2"
