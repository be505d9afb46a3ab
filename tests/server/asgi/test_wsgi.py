"""WSGI applications as streaming handlers: what PEP 3333 says, and what its own validator checks."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock
from wsgiref.validate import validator

import pytest

from streamify_server.asgi import streaming_wsgi
from streamify_server.testing import invoke
from support.answers import outcome
from support.http_events import function_url

Environ = dict[str, Any]
Start = Callable[..., Any]


def test_each_chunk_of_the_iterable_is_a_chunk_of_the_response() -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("201 Created", [("content-type", "text/csv"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
        yield b"a\n"
        yield b""
        yield b"b\n"

    answer = invoke(streaming_wsgi(app), function_url())
    assert list(answer.chunks) == [b"a\n", b"b\n"]
    assert answer.status_code == 201
    assert answer.content_type == "text/csv"


def test_the_request_is_in_the_environ() -> None:
    seen: Environ = {}

    def app(environ: Environ, start: Start) -> list[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read())
        start("200 OK", [])
        return [b"ok"]

    event = function_url(method="POST", path="/a%2Fb", query="x=1&x=2", body="größe")
    invoke(streaming_wsgi(app), event)
    assert (seen["REQUEST_METHOD"], seen["PATH_INFO"], seen["QUERY_STRING"]) == ("POST", "/a/b", "x=1&x=2")
    assert seen["body"] == "größe".encode()
    assert seen["CONTENT_LENGTH"] == "7"
    assert seen["REQUEST_URI"] == "/a%2Fb"
    assert seen["aws.event"]["rawPath"] == "/a%2Fb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_standard_librarys_validator_finds_nothing() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"one", b"two"]

    checked: Any = validator(app)
    assert b"".join(invoke(streaming_wsgi(checked), function_url()).chunks) == b"onetwo"


def test_what_is_written_before_the_iterable_comes_first() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        write = start("200 OK", [])
        write(b"written ")
        return [b"returned"]

    assert b"".join(invoke(streaming_wsgi(app), function_url()).chunks) == b"written returned"


def failure(app: Any) -> BaseException | None:
    """What an application's response ends with."""
    try:
        return outcome(streaming_wsgi(app), function_url()).error
    except Exception as error:
        return error


class Closing:
    """An iterable that tells when it is closed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("chunks", [[], [b"a", b"b"]])
def test_the_iterable_is_closed_once(chunks: list[bytes]) -> None:
    body = Closing(chunks)

    def app(environ: Environ, start: Start) -> Closing:
        start("200 OK", [])
        return body

    invoke(streaming_wsgi(app), function_url())
    assert body.closed == 1


def test_the_iterable_is_closed_when_it_fails() -> None:
    def failing() -> Iterator[bytes]:
        yield b"begun"
        raise ZeroDivisionError("in the middle")

    body = Closing(failing())

    def app(environ: Environ, start: Start) -> Closing:
        start("200 OK", [])
        return body

    assert isinstance(failure(app), ZeroDivisionError)
    assert body.closed == 1


def test_an_error_replaces_a_head_that_was_not_sent() -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])
        try:
            raise KeyError("lost")
        except KeyError:
            start("500 Oops", [("content-type", "text/plain")], sys.exc_info())
        return [b"sorry"]

    assert invoke(streaming_wsgi(app), function_url()).status_code == 500


@pytest.mark.parametrize(
    ("starts", "said"), [(0, "before it called start_response"), (2, "called start_response twice")]
)
def test_a_head_must_be_said_once(starts: int, said: str) -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        for _ in range(starts):
            start("200 OK", [])
        return [b"body"]

    assert said in str(failure(app))


def test_what_is_not_callable_is_refused() -> None:
    not_an_app: Any = "app"
    with pytest.raises(TypeError, match="takes a WSGI application"):
        streaming_wsgi(not_an_app)


def test_a_missing_package_is_one_sentence() -> None:
    with (
        mock.patch.dict(sys.modules, {"a2wsgi": None, "a2wsgi.wsgi": None}),
        pytest.raises(ModuleNotFoundError, match=r"pip install 'streamify\[wsgi\]'"),
    ):
        streaming_wsgi(lambda environ, start: [])
