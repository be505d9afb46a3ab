"""http_content_encoding: compressed, and still a stream."""

import builtins
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from streamify_server import HttpResponse, streaming_handler
from streamify_server.middlewares import (
    http_content_encoding,
    http_content_negotiation,
    http_error_handler,
    input_output_logger,
)
from support.answers import BODIES, TEXT, Answer, Reader, answer_with, generated, get, http, read_by
from support.decoders import DECODERS


def decoded(answer: Answer) -> bytes:
    coding = answer.headers.get("content-encoding")
    return DECODERS[coding]()(answer.body) if coding else answer.body


@pytest.mark.parametrize("coding", DECODERS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_of_any_kind_in_any_coding(coding: str, body: Callable[[], Any]) -> None:
    answer = answer_with(http_content_encoding(), lambda: http(body()), get(accept_encoding=coding))
    assert answer.error is None
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == (coding, "Accept-Encoding")
    assert decoded(answer) == TEXT.encode()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bare_body_stays_bare_and_as_it_is(body: Callable[[], Any]) -> None:
    answer = answer_with(http_content_encoding(), body, get(accept_encoding="gzip"))
    assert (answer.bare, answer.body) == (True, TEXT.encode())


def events(readable: list[bytes], reader: Reader) -> Iterator[str]:
    """Server-sent events; each notes what the reader can read of those before it."""
    decode = DECODERS[reader.headers["Content-Encoding"]]()
    seen = 0
    for number in range(3):
        yield f"data: {number}\n\n"
        readable.append(decode(b"".join(reader.chunks[seen:])))
        seen = len(reader.chunks)


async def events_async(readable: list[bytes], reader: Reader) -> AsyncIterator[str]:
    for event in events(readable, reader):
        yield event


@pytest.mark.parametrize("coding", DECODERS)
@pytest.mark.parametrize("produce", [events, events_async])
def test_an_event_can_be_read_before_the_next_is_produced(coding: str, produce: Callable[..., Any]) -> None:
    readable: list[bytes] = []
    reader = Reader()

    def response() -> HttpResponse:
        return http(produce(readable, reader), content_type="text/event-stream")

    read_by(reader, http_content_encoding(), response, get(accept_encoding=coding))
    assert readable == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


@pytest.mark.parametrize(
    ("response", "event"),
    [
        (lambda: http(TEXT, 204), get(accept_encoding="gzip")),
        (lambda: http(TEXT, 206), get(accept_encoding="gzip")),
        (lambda: http(TEXT, 304), get(accept_encoding="gzip")),
        (lambda: http(None), get(accept_encoding="gzip")),
        (lambda: http(TEXT, content_encoding="br"), get(accept_encoding="gzip")),
        (lambda: http(TEXT, cache_control="public, no-transform"), get(accept_encoding="gzip")),
        (lambda: http(TEXT, content_type="image/png"), get(accept_encoding="gzip")),
        (lambda: http(generated(b"x"), content_type="application/zip"), get(accept_encoding="gzip")),
        (lambda: http(TEXT), get(accept_encoding="gzip", cache_control="no-transform")),
        (lambda: http(TEXT), {**get(accept_encoding="gzip"), "httpMethod": "HEAD", "requestContext": {}}),
        (lambda: http(TEXT), get()),
        (lambda: http(TEXT), get(accept_encoding="identity")),
        (lambda: http(TEXT), get(accept_encoding="gzip;q=0")),
        (lambda: http(TEXT), get(accept_encoding="identity, gzip;q=0.5")),
        (lambda: http("tiny"), get(accept_encoding="gzip")),
    ],
)
def test_what_is_left_alone(response: Callable[[], HttpResponse], event: Any) -> None:
    untouched = answer_with([], response, event)
    answer = answer_with(http_content_encoding(), response, event)
    assert answer.body == untouched.body
    assert answer.headers.get("content-encoding") == untouched.headers.get("content-encoding")


@pytest.mark.parametrize(
    ("options", "accepted", "coding"),
    [
        ({}, "gzip, deflate, br, zstd", "gzip"),
        ({}, "br;q=0.9, gzip;q=0.5", "br"),
        ({}, "*", "zstd"),
        ({"override_preferred_encoding": ["br", "gzip"]}, "gzip, deflate, br, zstd", "br"),
        ({"override_preferred_encoding": ["br", "gzip"]}, "gzip;q=0.1, deflate", "gzip"),
        ({"override_preferred_encoding": ["br"]}, "br;q=0, gzip", "gzip"),
        ({"gzip": False}, "gzip, br", "br"),
        ({"gzip": False, "br": False, "zstd": False, "deflate": False}, "gzip, br", None),
        ({"gzip": {"level": 1}}, "gzip", "gzip"),
        ({}, "compress", None),
    ],
)
def test_which_coding_is_chosen(options: dict[str, Any], accepted: str, coding: str | None) -> None:
    event = get(accept_encoding=accepted)
    answer = answer_with(http_content_encoding(**options), lambda: http(generated(TEXT)), event)
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"  # a cache has to know that others get other bytes
    assert decoded(answer) == TEXT.encode()


def test_the_choice_of_http_content_negotiation_counts() -> None:
    negotiation = http_content_negotiation(available_encodings=["br", "identity"])
    answer = answer_with(
        [http_content_encoding(), negotiation], lambda: http(TEXT), get(accept_encoding="gzip, br;q=0.5")
    )
    assert answer.headers["content-encoding"] == "br"


def test_headers_that_no_longer_hold_are_changed() -> None:
    response = http(generated(TEXT), content_length="240", etag='"abc"', vary="Origin")
    answer = answer_with(http_content_encoding(), response, get(accept_encoding="gzip"))
    assert "content-length" not in answer.headers
    assert (answer.headers["etag"], answer.headers["vary"]) == ('W/"abc"', "Origin, Accept-Encoding")


@pytest.mark.parametrize("body", ["generator", "async generator"])
def test_an_error_in_mid_stream_comes_out_and_the_producer_is_closed(body: str) -> None:
    closed = []

    def rows() -> Iterator[str]:
        try:
            yield "first"
            raise RuntimeError("the database went away")
        finally:
            closed.append(True)

    async def rows_async() -> AsyncIterator[str]:
        for row in rows():
            yield row

    produce: Callable[[], Any] = rows if body == "generator" else rows_async
    answer = answer_with(http_content_encoding(), lambda: http(produce()), get(accept_encoding="gzip"))
    assert (str(answer.error), closed) == ("the database went away", [True])
    reader = zlib.decompressobj(31)
    assert (reader.decompress(answer.body), reader.eof) == (b"first", False)  # cut, and seen to be cut


def test_a_caller_who_goes_away_closes_the_producer() -> None:
    closed = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "row"
        finally:
            closed.append(True)

    class Leaving(Reader):
        def take(self, chunk: bytes) -> None:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        read_by(Leaving(), http_content_encoding(), lambda: http(endless()), get(accept_encoding="gzip"))
    assert closed == [True]


def test_an_answer_to_an_error_is_compressed_too() -> None:
    def failing() -> HttpResponse:
        raise RuntimeError

    middlewares = [http_content_encoding(), http_error_handler(logger=False, fallback_message="sorry " * 50)]
    answer = answer_with(middlewares, failing, get(accept_encoding="gzip"))
    assert (answer.status, gzip.decompress(answer.body)) == (500, b"sorry " * 50)


def test_what_others_do_to_the_chunks_comes_first() -> None:
    messages: list[dict[str, Any]] = []
    middlewares = [
        http_content_encoding(),
        input_output_logger(logger=messages.append),
    ]
    answer = answer_with(middlewares, lambda: http(TEXT), get(accept_encoding="gzip"))
    assert gzip.decompress(answer.body) == TEXT.encode()
    assert messages[-1]["response"]["body"] == TEXT


def test_a_buffered_answer_is_base64_of_the_compressed_body() -> None:
    import base64

    handler = streaming_handler(middlewares=http_content_encoding())(lambda event, context: http(TEXT))
    answer = handler(get(accept_encoding="gzip"), None)
    assert answer["isBase64Encoded"] is True
    assert gzip.decompress(base64.b64decode(answer["body"])) == TEXT.encode()


@pytest.fixture
def no_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """brotli and zstandard are not installed."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in ("brotli", "zstandard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.usefixtures("no_codecs")
def test_a_coding_that_is_not_installed_is_not_offered() -> None:
    answer = answer_with(http_content_encoding(), lambda: http(TEXT), get(accept_encoding="br, zstd, gzip"))
    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.usefixtures("no_codecs")
@pytest.mark.parametrize(
    "options", [{"br": True}, {"zstd": {"level": 3}}, {"override_preferred_encoding": ["br", "gzip"]}]
)
def test_a_coding_that_was_asked_for_names_its_extra(options: dict[str, Any]) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'streamify\[compress\]'"):
        http_content_encoding(**options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"brotli": True}, TypeError),
        ({"br": {"level": 1}}, TypeError),
        ({"gzip": {"level": 99}}, ValueError),
        ({"override_preferred_encoding": ["lzma"]}, ValueError),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        http_content_encoding(**options)
