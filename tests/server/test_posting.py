"""The seam for transport: any poster can take the runtime's place; one handler uses it at a time."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from streamify_server import HttpResponse, streaming_handler
from streamify_server.posting import posting_through, seat
from streamify_server.testing import Context, invoke


class Native:
    """What AWS's own streaming for Python might look like: a stream object to write to."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    full = False

    def open(self, content_type: str, prelude: bytes) -> "Native":
        self.log.append(("begin", content_type))
        if prelude:
            self.log.append(("prelude", prelude))
        return self

    def write(self, data: bytes) -> None:
        self.log.append(data)

    async def drained(self) -> None:
        pass

    def end(self) -> None:
        self.log.append("end")

    def fail(self, error: BaseException, last: bytes = b"") -> None:
        self.log.append(("failed", str(error)))


@streaming_handler
def handler(event: Any, context: Any) -> Iterator[str]:
    yield "a"
    if event == "fails":
        raise ValueError("late")
    yield "b"


def test_another_poster_takes_the_response() -> None:
    native = Native()
    with posting_through(native):
        assert handler({}, None) is None
    assert native.log == [("begin", "text/plain; charset=utf-8"), b"a", b"b", "end"]


class OldPoster:
    """What posters were before there were sinks."""

    def post(self, content_type: str, prelude: bytes, body: Any) -> None: ...


def test_a_poster_without_open_is_refused_in_a_sentence() -> None:
    old: Any = OldPoster()
    with pytest.raises(
        TypeError, match=r"has open\(content_type, prelude\), which returns a Sink.*post\("
    ) as said:
        seat(old)
    assert "\n" not in str(said.value)


def test_a_poster_sees_the_error_of_a_stream_and_so_does_the_caller() -> None:
    native = Native()
    with posting_through(native), pytest.raises(ValueError, match="late"):
        handler("fails", None)
    assert native.log[-1] == ("failed", "late")


def test_a_poster_gets_the_prelude_by_itself() -> None:
    native = Native()
    with posting_through(native):
        streaming_handler(lambda event, context: HttpResponse(204))({}, None)
    assert native.log[1] == ("prelude", b'{"statusCode":204,"headers":{}}' + b"\0" * 8)


def test_a_poster_serves_one_response() -> None:
    native = Native()
    with posting_through(native):
        handler({}, None)
        assert handler({}, None) == b"ab"
    assert native.log.count("end") == 1


def test_a_poster_for_one_request_serves_no_other() -> None:
    native = Native()
    seat(native, "r-1")
    try:
        assert handler({}, SimpleNamespace(aws_request_id="r-2")) == b"ab"
        assert handler({}, None) == b"ab"
        assert handler({}, SimpleNamespace(aws_request_id="r-1")) is None
    finally:
        seat(None)


def test_the_chunk_is_with_the_poster_before_the_handler_makes_the_next() -> None:
    order: list[str] = []

    @streaming_handler
    def noting(event: Any, context: Any) -> Iterator[str]:
        for number in range(3):
            order.append(f"made {number}")
            yield str(number)

    class Noting(Native):
        def write(self, data: bytes) -> None:
            order.append(f"sent {data.decode()}")

    with posting_through(Noting()):
        noting({}, None)
    assert order == ["made 0", "sent 0", "made 1", "sent 1", "made 2", "sent 2"]


def test_invoke_shows_all_that_was_sent() -> None:
    response = HttpResponse(201, {"X-A": ["1", "2"]}, body=["{", "}"], cookies=["a=1"])
    result = invoke(streaming_handler(lambda event, context: response))
    assert result.status_code == 201
    assert result.headers["X-A"] == "1, 2"
    assert result.cookies == ["a=1"]
    assert result.chunks == [b"{", b"}"]
    assert (result.body, result.text, result.json()) == (b"{}", "{}", {})
    assert result.error is None


def test_invoke_reads_the_answers_of_rest_apis_alike() -> None:
    response = HttpResponse(201, {"X-A": ["1", "2"]}, body="x", cookies=["a=1"])
    event = {"httpMethod": "GET", "requestContext": {}}
    result = invoke(streaming_handler(lambda event, context: response), event)
    assert result.headers["X-A"] == "1, 2"
    assert result.cookies == ["a=1"]


def test_invoke_gives_a_context_with_a_running_clock() -> None:
    seen: list[Any] = []
    invoke(streaming_handler(lambda event, context: seen.append(context)))
    assert 0 < seen[0].get_remaining_time_in_millis() <= 60_000
    assert Context(timeout=0).get_remaining_time_in_millis() == 0
