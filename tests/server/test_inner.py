"""Streaming handlers inside streaming handlers: one object to return, to iterate over and to await."""

import asyncio
import functools
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

import pytest

from streamify_server import HttpResponse, csv_rows, streaming_handler
from streamify_server.asgi import streaming_asgi
from streamify_server.middlewares import http_router
from streamify_server.posting import posting_through
from support.answers import get, outcome
from support.http_events import function_url
from support.posters import Leaving, Poster

ended: list[Any] = []


def note_end(request: Any) -> None:
    ended.append(request.stream_end)


@pytest.fixture(autouse=True)
def no_ends() -> None:
    ended.clear()


def sync_body() -> Iterator[str]:
    yield "one"
    yield "two"


async def async_body() -> AsyncIterator[str]:
    for chunk in sync_body():
        await asyncio.sleep(0)
        yield chunk


@streaming_handler
def generator(event: Any, context: Any) -> Iterator[str]:
    yield from sync_body()


@streaming_handler
async def async_generator(event: Any, context: Any) -> AsyncIterator[str]:
    async for chunk in async_body():
        yield chunk


@streaming_handler
async def coroutine(event: Any, context: Any) -> Any:
    return sync_body()


@streaming_handler
def http(event: Any, context: Any) -> Any:
    return HttpResponse(201, {"x-a": "b", "content-type": "text/x"}, sync_body(), cookies=["c=1"])


@streaming_handler
async def async_http(event: Any, context: Any) -> Any:
    return HttpResponse(201, {"x-a": "b", "content-type": "text/x"}, async_body(), cookies=["c=1"])


@streaming_handler
def writer(event: Any, context: Any, stream: Any) -> None:
    for chunk in sync_body():
        stream.write(chunk)


@streaming_handler
async def async_writer(event: Any, context: Any, stream: Any) -> None:
    for chunk in sync_body():
        await stream.write(chunk)


async def app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"x-a", b"b"), (b"content-type", b"text/x"), (b"set-cookie", b"c=1")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    for chunk in sync_body():
        await send({"type": "http.response.body", "body": chunk.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


asgi = streaming_asgi(app, lifespan="off")


@streaming_handler
def rows(event: Any, context: Any) -> Any:
    return csv_rows([["one"], ["two"]], lineterminator="")


INNER: dict[str, Any] = {
    "generator": generator,
    "async generator": async_generator,
    "coroutine": coroutine,
    "http": http,
    "async http": async_http,
    "writer": writer,
    "async writer": async_writer,
    "asgi": asgi,
    "rows": rows,
}
HTTP = ("http", "async http", "asgi")
for one in INNER.values():
    one.on_stream_end(note_end)


def returned(inner: Any) -> Callable[..., Any]:
    return lambda event, context: inner(event, context)


def returned_async(inner: Any) -> Callable[..., Any]:
    async def outer(event: Any, context: Any) -> Any:
        return inner(event, context)

    return outer


def awaited(inner: Any) -> Callable[..., Any]:
    async def outer(event: Any, context: Any) -> Any:
        return await inner(event, context)

    return outer


def decorated(inner: Any) -> Callable[..., Any]:
    @functools.wraps(inner)
    def traced(event: Any, context: Any) -> Any:
        return inner(event, context)

    return returned(traced)


def routed(inner: Any) -> Callable[..., Any]:
    return http_router([("GET", "/", inner)])


def routed_async(inner: Any) -> Callable[..., Any]:
    router = http_router([("GET", "/", inner)])

    async def outer(event: Any, context: Any) -> Any:
        return router(event, context)

    return outer


def iterated(inner: Any) -> Callable[..., Any]:
    def outer(event: Any, context: Any) -> Iterator[bytes]:
        yield from inner(event, context)

    return outer


def iterated_async(inner: Any) -> Callable[..., Any]:
    async def outer(event: Any, context: Any) -> AsyncIterator[bytes]:
        async for chunk in inner(event, context):
            yield chunk

    return outer


def iterated_in_async(inner: Any) -> Callable[..., Any]:
    async def outer(event: Any, context: Any) -> Any:
        return iterated(inner)(event, context)

    return outer


def nested(inner: Any) -> Callable[..., Any]:
    return returned_async(streaming_handler(returned(streaming_handler(returned_async(inner)))))


def written(inner: Any) -> Callable[..., Any]:
    def outer(event: Any, context: Any, stream: Any) -> None:
        for chunk in inner(event, context):
            stream.write(chunk)

    return outer


RETURNED = [returned, returned_async, awaited, decorated, routed, routed_async, nested]
READ = [iterated, iterated_async, iterated_in_async, written]


@pytest.mark.parametrize("outer", [*RETURNED, *READ])
@pytest.mark.parametrize("name", INNER)
def test_a_handler_inside_a_handler_streams(name: str, outer: Callable[[Any], Any]) -> None:
    result = outcome(streaming_handler(outer(INNER[name])), function_url("/"))
    assert result.error is None
    assert b"".join(result.chunks) == b"onetwo"
    if name != "rows":
        assert result.chunks == [b"one", b"two"]
    assert [(end.error, end.bytes_sent) for end in ended] == [(None, 6)]


@pytest.mark.parametrize("outer", RETURNED)
@pytest.mark.parametrize("name", HTTP)
def test_its_status_headers_and_cookies_come_through(name: str, outer: Callable[[Any], Any]) -> None:
    result = outcome(streaming_handler(outer(INNER[name])), function_url("/"))
    assert (result.status_code, result.headers["x-a"], result.cookies) == (201, "b", ["c=1"])
    assert result.content_type == "text/x"


@pytest.mark.parametrize("outer", RETURNED)
@pytest.mark.parametrize("name", [name for name in INNER if name not in (*HTTP, "rows")])
def test_the_content_type_of_a_bare_stream_comes_through(name: str, outer: Callable[[Any], Any]) -> None:
    result = outcome(streaming_handler(outer(INNER[name])), get())
    assert result.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize("outer", [*RETURNED, *READ])
@pytest.mark.parametrize("name", ["generator", "async generator", "asgi", "writer"])
def test_each_chunk_is_out_before_the_next_is_made(name: str, outer: Callable[[Any], Any]) -> None:
    made: list[int] = []
    seen: list[int] = []

    def numbers() -> Iterator[str]:
        for number in range(3):
            made.append(number)
            yield str(number)

    async def async_numbers() -> AsyncIterator[str]:
        for number in numbers():
            yield number

    async def numbers_app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in numbers():
            await send({"type": "http.response.body", "body": number.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def write(event: Any, context: Any, stream: Any) -> None:
        for number in numbers():
            stream.write(number)

    inner: Any = {
        "generator": streaming_handler(lambda event, context: numbers()),
        "async generator": streaming_handler(lambda event, context: async_numbers()),
        "asgi": streaming_asgi(numbers_app, lifespan="off"),
        "writer": streaming_handler(write),
    }[name]
    with posting_through(Poster(lambda chunk: seen.append(len(made)))):
        streaming_handler(outer(inner))(function_url("/"), None)
    if outer in READ and name in ("asgi", "writer"):
        assert len(seen) == 3  # read one by one, they may be ahead of their reader
    else:
        assert seen == [1, 2, 3]


@pytest.mark.parametrize("outer", [*RETURNED, *READ])
@pytest.mark.parametrize("name", ["generator", "async generator"])
def test_a_reader_who_leaves_closes_the_inner_producer(name: str, outer: Callable[[Any], Any]) -> None:
    closed: list[str] = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.append("producer")

    async def endless_async() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            await asyncio.sleep(0)
            closed.append("producer")

    make = endless if name == "generator" else endless_async
    inner: Any = streaming_handler(lambda event, context: make())
    inner.on_stream_end(note_end)
    with posting_through(Leaving()), pytest.raises(ConnectionResetError):
        streaming_handler(outer(inner))(function_url("/"), None)
    assert closed == ["producer"]
    assert [end.error is not None for end in ended] == [True]


@pytest.mark.parametrize("outer", RETURNED)
def test_on_error_of_either_handler_may_answer(outer: Callable[[Any], Any]) -> None:
    @streaming_handler
    def failing(event: Any, context: Any) -> Iterator[str]:
        yield from ()
        raise ValueError("inner")

    around: Any = streaming_handler(outer(failing)).on_error(lambda request: f"outer: {request.error}")
    assert outcome(around, get()).text == "outer: inner"
    failing.on_error(lambda request: f"inner: {request.error}")
    assert outcome(around, get()).text == "inner: inner"


@pytest.mark.parametrize("outer", [*RETURNED, *READ])
def test_an_error_in_mid_stream_comes_out(outer: Callable[[Any], Any]) -> None:
    @streaming_handler
    def failing(event: Any, context: Any) -> Iterator[str]:
        yield "one"
        raise ValueError("late")

    poster = Poster()
    with posting_through(poster), pytest.raises(ValueError, match="late"):
        streaming_handler(outer(failing))(get(), None)
    assert poster.chunks == [b"one"]


def test_an_awaited_response_can_be_changed() -> None:
    async def outer(event: Any, context: Any) -> Any:
        response = await async_http(event, context)
        response.status = 202
        response.headers["x-b"] = "c"
        return response

    result = outcome(streaming_handler(outer), get())
    assert (result.status_code, result.headers["x-b"], result.chunks) == (202, "c", [b"one", b"two"])


def test_several_run_side_by_side() -> None:
    async def outer(event: Any, context: Any) -> Any:
        async def read(inner: Any) -> bytes:
            return b"".join([chunk async for chunk in inner(event, context)])

        return b"+".join(await asyncio.gather(*map(read, [generator, async_generator, coroutine, writer])))

    assert outcome(streaming_handler(outer), get()).body == b"onetwo+onetwo+onetwo+onetwo"


def test_a_timeout_of_the_handler_around_is_its_own() -> None:
    @streaming_handler
    async def slow(event: Any, context: Any) -> AsyncIterator[str]:
        yield "one"
        await asyncio.Event().wait()

    slow.on_stream_end(note_end)

    async def outer(event: Any, context: Any) -> AsyncIterator[bytes | str]:
        try:
            async with asyncio.timeout(0.01):
                async for chunk in slow(event, context):
                    yield chunk
        except TimeoutError:
            yield "timed out"

    assert outcome(streaming_handler(outer), get()).text == "onetimed out"
    assert len(ended) == 1


@pytest.mark.parametrize("left_early", [False, True])
@pytest.mark.parametrize("name", INNER)
def test_in_a_loop_of_its_own_making_it_works_too(name: str, left_early: bool) -> None:
    def outer(event: Any, context: Any) -> bytes:
        async def read() -> bytes:
            body = b""
            async for chunk in INNER[name](event, context):
                body += chunk
                if left_early:
                    break
            return body

        return asyncio.run(read())

    result = outcome(streaming_handler(outer), function_url("/"))
    assert result.error is None
    assert result.text in ("one", "onetwo") if left_early else result.text == "onetwo"


def test_it_can_be_read_whole_as_if_it_were_called_alone() -> None:
    seen: list[Any] = []

    @streaming_handler
    def outer(event: Any, context: Any) -> Any:
        seen.append(http(event, context).read())
        seen.append(http(event, context)["statusCode"])
        seen.append(bytes(generator(event, context)))
        return b"<" + generator(event, context) + b">"

    assert outcome(outer, {}).body == b"<onetwo>"
    assert seen[0]["body"] == "onetwo"
    assert seen[1:] == [201, b"onetwo"]


def kept_tracebacks() -> int:
    """How many tracebacks are alive, but for those that threads of a pool keep while they wait."""
    ended.clear()
    gc.collect()
    tracebacks = [kept for kept in gc.get_objects() if type(kept) is TracebackType]
    return sum("concurrent" not in kept.tb_frame.f_code.co_filename for kept in tracebacks)


@pytest.mark.parametrize("outer", [returned, returned_async, iterated_async])
@pytest.mark.parametrize("name", INNER)
def test_a_request_that_breaks_off_leaves_no_frames_behind(name: str, outer: Callable[[Any], Any]) -> None:
    handler: Any = streaming_handler(outer(INNER[name]))

    def break_off(times: int) -> None:
        for _ in range(times):
            with posting_through(Leaving()), suppress(ConnectionResetError):
                handler(function_url("/"), None)
            with posting_through(Poster()):
                handler(function_url("/", method="HEAD"), None)

    break_off(3)
    before = kept_tracebacks()
    break_off(5)
    # More than once: the thread that sends rows in time lets go of them with its next tick.
    assert any(kept_tracebacks() <= before for _ in range(100))


def test_a_response_that_is_not_used_is_never_begun() -> None:
    ran: list[str] = []
    inner: Any = streaming_handler(lambda event, context: ran.append("inner"))
    assert (
        outcome(streaming_handler(lambda event, context: str(bool(inner(event, context)))), {}).text == "True"
    )
    assert ran == []
