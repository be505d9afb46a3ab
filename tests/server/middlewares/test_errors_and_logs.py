"""Errors answered and logged, events and bodies logged within bounds, and calls that keep warm."""

import json
import logging
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from streamify_server import HttpError, streaming_handler
from streamify_server.middlewares import (
    error_logger,
    http_content_encoding,
    http_error_handler,
    input_output_logger,
    warmup,
)
from support.answers import BODIES, TEXT, Answer, Reader, answer_of, answer_with, get, http, read_by


class TeapotError(Exception):
    status_code = 418
    expose = True


class UpstreamError(Exception):
    """What the client of another service raises: its status is not ours."""

    status_code = 401


def raising(error: BaseException) -> Callable[[], Any]:
    def respond() -> Any:
        raise error

    return respond


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (HttpError(404, "No such report"), 404, b"No such report"),
        (HttpError(404), 404, b"Not Found"),
        (HttpError(422, '{"field": "name"}'), 422, b'{"field": "name"}'),
        (HttpError(503, "Come back later", expose=True), 503, b"Come back later"),
        (HttpError(503, "the database is at 10.0.0.7"), 500, b"sorry"),
        (HttpError(404, "secret", expose=False), 500, b"sorry"),
        (TeapotError("short and stout"), 418, b"short and stout"),
        (UpstreamError("invalid key sk-123"), 500, b"sorry"),
        (RuntimeError("boom"), 500, b"sorry"),
    ],
)
def test_what_an_error_becomes(error: Exception, status: int, body: bytes) -> None:
    handler = http_error_handler(logger=False, fallback_message="sorry")
    answer = answer_with(handler, raising(error), get())
    assert (answer.status, answer.body, answer.error) == (status, body, None)
    kind = "application/json" if body.startswith(b"{") else "text/plain; charset=utf-8"
    assert answer.headers["content-type"] == kind


def test_an_answer_carries_the_headers_of_its_error() -> None:
    error = HttpError(429, headers={"Retry-After": "7"})
    answer = answer_with(http_error_handler(logger=False), raising(error), get())
    assert answer.headers["retry-after"] == "7"


def test_a_500_has_no_body_unless_one_is_given() -> None:
    handler = streaming_handler(middlewares=http_error_handler(logger=False), empty_body=b"")(
        lambda event, context: raising(RuntimeError("secret"))()
    )
    assert answer_of(handler, get()).body == b""


def test_an_sdk_caller_gets_the_error_itself() -> None:
    boom = RuntimeError("boom")
    assert answer_with(http_error_handler(logger=False), raising(boom), {"job": 1}).error is boom
    assert answer_with(http_error_handler(logger=False), raising(HttpError(409)), {"job": 1}).status == 409


def test_an_error_after_the_first_byte_ends_the_stream() -> None:
    def rows() -> Iterator[str]:
        yield "row"
        raise HttpError(404, "too late")

    answer = answer_with(http_error_handler(logger=False), lambda: http(rows()), get())
    assert (answer.status, answer.chunks, str(answer.error)) == (200, [b"row"], "too late")


async def failing_at_once() -> AsyncIterator[str]:
    for missing in ["report"]:
        if missing:
            raise HttpError(404, f"No such {missing}")
        yield missing


def test_an_error_before_the_first_chunk_of_a_bare_stream_is_answered() -> None:
    answer = answer_with(http_error_handler(logger=False), failing_at_once, get())
    assert (answer.status, answer.body) == (404, b"No such report")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_without_an_error_nothing_changes(body: Callable[[], Any]) -> None:
    answer = answer_with([http_error_handler(), error_logger()], body)
    assert (answer.bare, answer.body) == (True, TEXT.encode())


@pytest.mark.parametrize("make", [http_error_handler, error_logger])
def test_errors_go_to_the_log_by_default(make: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    answer_with(make(), raising(RuntimeError("boom")), get())
    [record] = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "streamify_server",
        logging.ERROR,
        "RuntimeError: boom",
    )
    assert record.exc_info is not None


@pytest.mark.parametrize("make", [http_error_handler, error_logger])
def test_a_logger_may_be_a_logger(make: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    answer_with(make(logger=logging.getLogger("mine")), raising(RuntimeError("boom")), get())
    assert [record.name for record in caplog.records] == ["mine"]


@pytest.mark.parametrize("make", [http_error_handler, error_logger])
def test_a_logger_may_be_none_or_is_refused(
    make: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer_with(make(logger=False), raising(RuntimeError("boom")), get())
    assert caplog.records == []
    with pytest.raises(TypeError, match="logger takes a function"):
        make(logger="print")


def test_error_logger_hears_of_an_error_in_mid_stream_and_of_each_once() -> None:
    heard: list[Any] = []

    def rows() -> Iterator[str]:
        yield "row"
        raise RuntimeError("late")

    log = error_logger(logger=lambda request: heard.append(str(request.error)))
    answer_with(log, rows)
    answer_with(log, lambda: http(rows()))
    answer_with(log, raising(RuntimeError("early")))
    assert heard == ["late", "late", "early"]


def logged(response: Any, event: Any = None, **options: Any) -> tuple[Answer, list[dict[str, Any]]]:
    messages: list[dict[str, Any]] = []
    return answer_with(input_output_logger(logger=messages.append, **options), response, event), messages


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_event_and_response_are_logged_and_the_body_goes_out_unchanged(body: Callable[[], Any]) -> None:
    answer, messages = logged(body, {"a": 1})
    assert (answer.bare, answer.body) == (True, TEXT.encode())
    assert messages == [{"event": {"a": 1}}, {"response": TEXT, "bytes": len(TEXT)}]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_http_response_is_logged_with_its_head(body: Callable[[], Any]) -> None:
    answer, messages = logged(lambda: http(body(), 201, x_a="b"))
    assert answer.body == TEXT.encode()
    response = messages[-1]["response"]
    assert (response["statusCode"], response["headers"]["x-a"], response["body"]) == (201, "b", TEXT)


def test_two_loggers_log_each_for_itself() -> None:
    one: list[Any] = []
    other: list[Any] = []
    loggers = [input_output_logger(logger=one.append), input_output_logger(logger=other.append, max_bytes=3)]
    answer_with(loggers, lambda: iter(["some ", "rows"]))
    assert one[-1] == {"response": "some rows", "bytes": 9}
    assert other[-1] == {"response": "som", "bytes": 9, "truncated": True}


def test_no_more_of_a_body_is_kept_than_was_asked_for() -> None:
    def long() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 10_000

    messages: list[dict[str, Any]] = []
    log = input_output_logger(logger=messages.append, max_bytes=100)

    class Forgetful(Reader):
        def take(self, chunk: bytes) -> None:
            pass

    tracemalloc.start()
    read_by(Forgetful(), log, long)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert messages[-1] == {"response": "x" * 100, "bytes": 10_000_000, "truncated": True}
    assert peak < 1_000_000


def test_a_cut_never_breaks_a_character() -> None:
    assert logged("aü😀", max_bytes=5)[1][-1]["response"] == "aü"


def test_bytes_that_are_no_text_are_only_counted() -> None:
    assert logged(b"\xff\xfe\0")[1][-1] == {"response": "[3 bytes, not text]", "bytes": 3}


def test_a_long_event_is_cut() -> None:
    message = logged("x", {"rows": ["y" * 50] * 1000}, max_bytes=20)[1][0]
    assert message == {"event": '{"rows": ["yyyyyyyyy', "truncated": True}


def test_an_event_that_is_no_json_is_logged_all_the_same() -> None:
    event: dict[str, Any] = {}
    event["self"] = event
    assert "not JSON" in logged("x", event)[1][0]["event"]


def test_secrets_stay_out_of_the_log_and_in_the_event() -> None:
    event = {"headers": {"Authorization": "s3cret"}, "body": '{"password": "s3cret", "user": "ada"}'}
    paths = [
        "event.headers.authorization",
        "event.body.password",
        "response.body.token",
        "response.headers.set-cookie",
    ]
    response = http('{"token": "s3cret", "ok": true}', set_cookie="s3cret")
    answer, messages = logged(response, event, omit_paths=paths, mask="***")
    assert "s3cret" not in json.dumps(messages)
    assert messages[0]["event"]["body"] == '{"password": "***", "user": "ada"}'
    assert messages[1]["response"]["body"] == '{"token": "***", "ok": true}'
    assert b"s3cret" in answer.body


def test_a_body_that_is_cut_cannot_be_searched_for_secrets_so_it_is_withheld() -> None:
    answer, messages = logged('{"token": "s3cret"}' + " " * 50, omit_paths=["response.token"], max_bytes=15)
    assert messages[-1]["response"] == "[withheld]"
    assert b"s3cret" in answer.body


def test_an_error_in_mid_stream_is_logged_with_what_had_gone_out() -> None:
    def rows() -> Iterator[str]:
        yield "row"
        raise RuntimeError("late")

    assert logged(rows)[1][-1] == {"response": "row", "bytes": 3, "error": "RuntimeError('late')"}


def test_the_answer_to_an_error_is_logged() -> None:
    messages: list[dict[str, Any]] = []
    middlewares = [input_output_logger(logger=messages.append), http_error_handler(logger=False)]
    answer_with(middlewares, raising(HttpError(404)), get())
    assert messages[-1]["response"]["statusCode"] == 404


def test_an_error_that_nobody_answers_leaves_only_the_event() -> None:
    assert [[*message] for message in logged(raising(RuntimeError()))[1]] == [["event"]]


def test_context_is_added_on_request() -> None:
    _, messages = logged("x", execution_context=True, lambda_context=True)
    assert messages[0]["context"].items() >= {"tenant_id": "t-1", "aws_request_id": "r-1"}.items()
    assert "identity" not in messages[0]["context"]  # it is None
    assert logged("x", execution_context=True)[1][0]["context"] == {"tenant_id": "t-1"}


def test_the_log_shows_what_was_there_before_it_was_compressed() -> None:
    messages: list[dict[str, Any]] = []
    middlewares = [http_content_encoding(), input_output_logger(logger=messages.append)]
    answer_with(middlewares, lambda: http(iter([TEXT])), get(accept_encoding="gzip"))
    assert messages[-1]["response"]["body"] == TEXT


def test_messages_are_lines_of_json_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    answer_with(input_output_logger(), "x", {"when": object})
    event, response = map(json.loads, capsys.readouterr().out.splitlines())
    assert (event["event"]["when"], response) == ("<class 'object'>", {"response": "x", "bytes": 1})


def test_logging_can_be_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer_with(input_output_logger(logger=False), "x").body == b"x"
    assert capsys.readouterr().out == ""


def test_a_call_that_keeps_warm_never_reaches_the_handler() -> None:
    answer = answer_with(
        warmup(), lambda: pytest.fail("the handler ran"), {"source": "serverless-plugin-warmup"}
    )
    assert (answer.bare, answer.body) == (True, b"warmup")
    assert answer_with(warmup(), "work", {"source": "aws.events"}).body == b"work"
    assert answer_with(warmup(), "work", ["no", "dict"]).body == b"work"


def test_what_keeps_warm_can_be_told() -> None:
    ping = warmup(is_warming_up=lambda event: event == "ping")
    assert answer_with(ping, "work", "ping").body == b"warmup"


@pytest.mark.parametrize("make", [http_error_handler, error_logger, input_output_logger, warmup])
def test_an_unknown_option_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        make(loger=False)


def test_paths_to_omit_are_a_list() -> None:
    with pytest.raises(TypeError, match="omit_paths is a list"):
        input_output_logger(omit_paths="event.token")


@pytest.mark.parametrize("status", [200, 399, 600, True, "404"])
def test_an_http_error_has_an_error_status(status: Any) -> None:
    with pytest.raises(ValueError, match="between 400 and 599"):
        HttpError(status)


def test_a_status_without_a_name_is_its_number() -> None:
    assert str(HttpError(499)) == "HTTP 499"
