"""http_router: one function for many paths, whose handlers may be streaming handlers themselves."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from streamify_server import HttpError, HttpResponse, streaming_handler
from streamify_server.middlewares import (
    http_content_encoding,
    http_cors,
    http_error_handler,
    http_router,
    http_security_headers,
)
from streamify_server.testing import invoke
from support.answers import BODIES, TEXT, Answer, Reader, answer_of, get, http, read_by
from support.decoders import DECODERS


def routed(routes: Any, event: Any, middlewares: Any = (), **options: Any) -> Answer:
    return answer_of(streaming_handler(middlewares=middlewares)(http_router(routes, **options)), event)


def user(event: Any, context: Any) -> Iterator[str]:
    yield f"user {event['pathParameters']['id']}"


@pytest.mark.parametrize(
    "route", [("GET", "/users/{id}", user), {"method": "GET", "path": "/users/{id}", "handler": user}]
)
def test_a_request_reaches_the_handler_of_its_path(route: Any) -> None:
    assert routed([route], get("/users/7")).body == b"user 7"


def test_parameters_that_the_event_has_already_stay() -> None:
    event = {**get("/users/7"), "pathParameters": {"id": "seven", "stage": "dev"}}
    assert routed([("GET", "/users/{id}", user)], event).body == b"user seven"


@pytest.mark.parametrize(
    "event",
    [
        {"httpMethod": "GET", "path": "/users/7", "pathParameters": None},
        {"method": "GET", "raw_path": "/users/7?x=1", "headers": {}},
    ],
)
def test_every_format_of_event_is_routed(event: Any) -> None:
    assert routed([("GET", "/users/{id}", user)], event).body == b"user 7"


@pytest.mark.parametrize(
    ("event", "status", "allow"),
    [
        (get("/nothing"), 404, None),
        ({"httpMethod": "PUT", "path": "/users/7"}, 405, "GET"),
        ({"job": 1}, 400, None),
    ],
)
def test_where_there_is_no_route(event: Any, status: int, allow: str | None) -> None:
    answer = routed([("GET", "/users/{id}", user)], event, http_error_handler(logger=False))
    assert (answer.status, answer.headers.get("allow")) == (status, allow)


def test_a_response_of_ones_own_where_there_is_no_route() -> None:
    def lost(request: dict[str, str]) -> HttpResponse:
        return HttpResponse(404, body="{method} {path}".format(**request))

    for event in (get("/nothing"), {"httpMethod": "GET", "path": "/nothing"}):
        assert routed([("POST", "/nothing", user)], event, not_found_response=lost).body == b"GET /nothing"


BARE = {name: body for name, body in BODIES.items() if name != "list of chunks"}


@pytest.mark.parametrize("decorated", [False, True])
@pytest.mark.parametrize("body", BARE.values(), ids=BARE)
def test_a_body_of_any_kind_comes_through(decorated: bool, body: Callable[[], Any]) -> None:
    makes: list[Callable[[], Any]] = [body, lambda: http(body(), 201, x_a="b", content_type="a/b")]
    for make in makes:

        def handler(event: Any, context: Any, make: Callable[[], Any] = make) -> Any:
            return make()

        answer = routed([("GET", "/", streaming_handler(handler) if decorated else handler)], get())
        assert (answer.error, answer.body) == (None, TEXT.encode())
        assert answer.bare or (answer.status, answer.headers["x-a"]) == (201, "b")
        assert answer.bare or answer.headers["content-type"] == "a/b"


def test_the_middlewares_of_a_route_and_those_around_the_router_both_run() -> None:
    ended = []
    inner = streaming_handler(middlewares=http_cors(origin="*"))(lambda event, context: http(iter([TEXT])))
    inner.on_stream_end(lambda request: ended.append(request.stream_end))
    answer = routed(
        [("GET", "/", inner)], get(accept_encoding="gzip"), [http_content_encoding(), http_security_headers()]
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-frame-options"] == "DENY"
    assert DECODERS["gzip"]()(answer.body) == TEXT.encode()
    assert [end.bytes_sent for end in ended if end] == [len(TEXT)]


def test_the_cookies_and_content_type_of_a_route_come_through() -> None:
    bare = streaming_handler(content_type="text/csv")(lambda event, context: iter(["a,b\n"]))
    cookies = streaming_handler(lambda event, context: HttpResponse(200, body=iter("x"), cookies=["a=1"]))
    reader = Reader()
    read_by(reader, [], lambda: http_router([("GET", "/", bare)])(get(), None), get())
    assert (reader.content_type, reader.chunks) == ("text/csv", [b"a,b\n"])
    router = http_router([("GET", "/", cookies)])
    result = invoke(streaming_handler(lambda event, context: router(event, context)), get())
    assert (result.cookies, result.body) == (["a=1"], b"x")


def rows(sent: list[str]) -> Iterator[str]:
    for row in ("1", "2", "3"):
        sent.append(row)
        yield row


async def rows_async(sent: list[str]) -> AsyncIterator[str]:
    for row in rows(sent):
        yield row


@pytest.mark.parametrize("produce", [rows, rows_async])
def test_a_routed_stream_leaves_chunk_by_chunk(produce: Callable[..., Any]) -> None:
    sent: list[str] = []
    seen = []

    class Watching(Reader):
        def take(self, chunk: bytes) -> None:
            seen.append((chunk, len(sent)))

    router = http_router([("GET", "/", streaming_handler(lambda event, context: http(produce(sent))))])
    read_by(Watching(), [], lambda: router(get(), None), get())
    assert seen == [(b"1", 1), (b"2", 2), (b"3", 3)]


@pytest.mark.parametrize("produce", [rows, rows_async])
def test_a_reader_who_leaves_closes_the_routed_producer_and_ends_its_middlewares(
    produce: Callable[..., Any],
) -> None:
    closed: list[Any] = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "row"
        finally:
            closed.append("producer")

    async def endless_async() -> AsyncIterator[str]:
        try:
            while True:
                yield "row"
        finally:
            closed.append("producer")

    class Leaving(Reader):
        def take(self, chunk: bytes) -> None:
            raise ConnectionResetError

    made = endless if produce is rows else endless_async
    inner = streaming_handler(lambda event, context: http(made()))
    inner.on_stream_end(lambda request: closed.append(type(request.error)))
    router = http_router([("GET", "/", inner)])
    with pytest.raises(ConnectionResetError):
        read_by(Leaving(), [], lambda: router(get(), None), get())
    assert closed == ["producer", ConnectionResetError]


def test_an_error_of_a_route_is_answered_inside_or_outside() -> None:
    def failing(event: Any, context: Any) -> None:
        raise HttpError(409, "conflict")

    handles = http_error_handler(logger=False)
    inside = streaming_handler(middlewares=handles)(failing)
    assert routed([("GET", "/", inside)], get()).status == 409
    assert routed([("GET", "/", streaming_handler(failing))], get(), handles).status == 409


def test_an_error_in_mid_stream_comes_out() -> None:
    def failing(event: Any, context: Any) -> Iterator[str]:
        yield "row"
        raise RuntimeError("late")

    answer = routed([("GET", "/", streaming_handler(failing))], get())
    assert (answer.chunks, str(answer.error)) == ([b"row"], "late")


def test_a_decorator_around_a_routed_handler_is_not_skipped() -> None:
    import functools

    inner = streaming_handler(lambda event, context: "body")

    @functools.wraps(inner)
    def outer(event: Any, context: Any) -> Any:
        calls.append(event["pathParameters"])
        return inner(event, context)

    calls: list[Any] = []
    assert routed([("GET", "/{a}", outer)], {"httpMethod": "GET", "path": "/x"}).body == b"body"
    assert calls == [{"a": "x"}]


@pytest.mark.parametrize(
    "route",
    [
        ("GET", "/"),
        {"method": "GET", "path": "/"},
        {"method": "GET", "path": "/", "handler": print, "name": "x"},
        ("GET", "/", "app.handler"),
        "GET /",
    ],
)
def test_a_wrong_route_is_refused(route: Any) -> None:
    with pytest.raises(TypeError):
        http_router([route])
