"""The runtime process against a recording Runtime API: what it says on the wire, and what it survives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.runtime_api import Runtime, RuntimeApi, Script, running

APP = """
import os, sys
from streamify_server import HttpResponse, streaming_handler


class Odd\u0301Error(Exception):
    pass


class Plain(Exception):
    def __init__(self):
        super().__init__("line one\\nline two \u2603" + "x" * 100_000)


@streaming_handler
def handler(event, context):
    return globals()[event["do"]](event)


def whole_or_streamed(event, context):
    return "whole" if event["do"] == "whole" else handler(event, context)


def bare(event):
    yield "Grüße, "
    yield ""
    yield None
    yield b"world"
    yield memoryview(b"!")


def early(event):
    raise ValueError("before the first byte")
    yield ""


def late(event):
    yield "first"
    raise ValueError("after the first byte")


def odd(event):
    yield "first"
    raise Odd\u0301Error("odd")


def bulky(event):
    yield "first"
    raise Plain


def http(event):
    return HttpResponse(201, {"x-a": "b"}, body=bare(event), cookies=["a=1"])


def empty(event):
    return None


def empty_http(event):
    return {"statusCode": 301, "headers": {"location": "/"}}


def a_dict(event):
    return {"a": 1}


def endless(event):
    try:
        while True:
            yield b"x" * 65536
    finally:
        print("closed the producer", flush=True)


def pid(event):
    yield str(os.getpid())


def leaves(event):
    yield "first"
    sys.exit(3)
"""


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        yield api


@pytest.fixture
def runtime(api: RuntimeApi, tmp_path: Path) -> Iterator[Runtime]:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    with running(api, tmp_path) as runtime:
        yield runtime


def test_a_generator_is_posted_chunk_by_chunk(api: RuntimeApi, runtime: Runtime) -> None:
    post = api.invoke({"do": "bare"}).result()
    assert post.path == "/2018-06-01/runtime/invocation/request-1/response"
    assert post.chunks == ["Grüße, ".encode(), b"world", b"!"]
    assert post.header("content-type") == "text/plain; charset=utf-8"
    assert post.header("lambda-runtime-function-response-mode") == "streaming"
    assert post.header("transfer-encoding") == "chunked"
    assert post.header("trailer") == (
        "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
    )
    assert post.complete
    assert not post.trailers
    assert post.eof_after, "the connection is closed after the response"


def test_whole_answers_share_a_connection_with_the_requests_for_events(
    api: RuntimeApi, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    with running(api, tmp_path, "app.whole_or_streamed"):
        for _ in range(3):
            assert api.invoke({"do": "whole"}).result().body == b'"whole"'
        assert api.connections == 1
        assert api.invoke({"do": "bare"}).result().complete
        assert api.connections == 2, "a streamed response has one of its own"
        assert api.invoke({"do": "whole"}).result().body == b'"whole"'
        assert api.connections == 2


def test_the_invocation_id_is_echoed_only_if_it_came(api: RuntimeApi, runtime: Runtime) -> None:
    with_id = api.invoke({"do": "bare"}, headers={"Lambda-Runtime-Invocation-Id": "inv-7"}).result()
    without = api.invoke({"do": "bare"}).result()
    assert with_id.header("lambda-runtime-invocation-id") == "inv-7"
    assert without.header("lambda-runtime-invocation-id") is None


def test_an_error_before_the_first_byte_is_a_plain_function_error(api: RuntimeApi, runtime: Runtime) -> None:
    post = api.invoke({"do": "early"}).result()
    assert post.path.endswith("/error")
    assert post.error["errorType"] == "ValueError"
    assert post.error["errorMessage"] == "before the first byte"


def test_an_error_after_the_first_byte_comes_in_trailers_and_the_process_lives(
    api: RuntimeApi, runtime: Runtime
) -> None:
    """MIDDY row 1: there the socket is destroyed and the process dies."""
    post = api.invoke({"do": "late"}).result()
    assert post.chunks == [b"first"]
    assert post.complete
    assert post.trailers["lambda-runtime-function-error-type"] == "Function.ValueError"
    assert post.error["errorMessage"] == "after the first byte"
    assert "app.py" in post.error["stackTrace"][-1]
    assert not any("streamify_server" in line for line in post.error["stackTrace"])
    assert api.invoke({"do": "bare"}).result().complete
    assert "[ERROR] ValueError: after the first byte" in runtime.log


def test_an_error_name_that_no_header_may_hold_is_unhandled_there_and_itself_in_the_body(
    api: RuntimeApi, runtime: Runtime
) -> None:
    post = api.invoke({"do": "odd"}).result()
    assert post.trailers["lambda-runtime-function-error-type"] == "Function.Unhandled"
    assert post.error["errorType"] == "Odd\u0301Error"


def test_a_huge_error_message_is_bounded(api: RuntimeApi, runtime: Runtime) -> None:
    post = api.invoke({"do": "bulky"}).result()
    assert post.error["errorMessage"].startswith("line one\nline two \u2603xxx")
    assert len(post.trailers["lambda-runtime-function-error-body"]) < 32 * 1024


def test_the_prelude_is_sent_by_itself_before_the_body(api: RuntimeApi, runtime: Runtime) -> None:
    post = api.invoke({"do": "http"}).result()
    assert post.header("content-type") == "application/vnd.awslambda.http-integration-response"
    assert post.prelude == {"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["a=1"]}
    assert post.chunks[0].endswith(b"}" + b"\0" * 8)
    assert post.http_body == "Grüße, world!".encode()


def test_an_empty_body_stays_empty_for_an_sdk_invoke(api: RuntimeApi, runtime: Runtime) -> None:
    post = api.invoke({"do": "empty"}).result()
    assert post.complete
    assert post.body == b""


def test_a_function_url_gets_a_line_feed_for_an_empty_body(api: RuntimeApi, runtime: Runtime) -> None:
    context = {"http": {"method": "GET"}, "domainName": "abc.lambda-url.us-east-1.on.aws"}
    post = api.invoke({"do": "empty_http", "requestContext": context}).result()
    assert post.prelude["statusCode"] == 301
    assert post.http_body == b"\n"


def test_a_dict_without_a_status_is_refused_before_a_byte_leaves(api: RuntimeApi, runtime: Runtime) -> None:
    post = api.invoke({"do": "a_dict"}).result()
    assert post.path.endswith("/error")
    assert post.error["errorType"] == "TypeError"
    assert "json.dumps" in post.error["errorMessage"]


@pytest.mark.parametrize("status", [413, 410, 403, 400])
def test_an_early_refusal_stops_the_producer_and_is_logged(
    api: RuntimeApi, runtime: Runtime, status: int
) -> None:
    """MIDDY row 9: there an early 413 hangs, because nobody reads while the producer writes."""
    script = Script(status=status, reject_after=1)
    api.invoke({"do": "endless"}, script=script).wait_for(b"x")
    following = api.invoke({"do": "bare"}).result()
    script.resume.set()
    assert following.complete
    assert "closed the producer" in runtime.log
    assert f"{status}" in runtime.log


def test_a_lost_connection_closes_the_producer_and_is_survived(api: RuntimeApi, runtime: Runtime) -> None:
    api.invoke({"do": "endless"}, script=Script(drop_after=1)).result()
    assert api.invoke({"do": "bare"}).result().complete
    assert "closed the producer" in runtime.log
    assert "could not be sent to its end" in runtime.log


def test_a_handler_that_leaves_the_process_truncates_its_response(api: RuntimeApi, runtime: Runtime) -> None:
    post = api.invoke({"do": "leaves"}).result()
    assert not post.complete
    assert runtime.process.wait(30) == 3


def test_an_error_is_logged_also_if_the_platform_does_not_take_it(api: RuntimeApi, runtime: Runtime) -> None:
    api.invoke({"do": "late"}, script=Script(drop_after=5)).result()
    assert api.invoke({"do": "bare"}).result().complete
    assert "[ERROR] ValueError: after the first byte" in runtime.log


def test_a_refusal_at_the_end_is_logged_and_survived(api: RuntimeApi, runtime: Runtime) -> None:
    api.invoke({"do": "bare"}, script=Script(status=413)).result()
    assert api.invoke({"do": "bare"}).result().complete
    assert "larger than Lambda takes (413)" in runtime.log


def test_a_runtime_api_that_gives_no_answer_is_survived(api: RuntimeApi, runtime: Runtime) -> None:
    api.invoke({"do": "bare"}, script=Script(answer=False)).result()
    assert api.invoke({"do": "bare"}).result().complete
    assert "closed the connection before it had answered" in runtime.log


@pytest.mark.parametrize("do", ["early", "late"])
def test_the_trace_of_an_error_shows_the_application(api: RuntimeApi, runtime: Runtime, do: str) -> None:
    trace = api.invoke({"do": do}).result().error["stackTrace"]
    assert f"in {do}\n" in trace[-1]
    assert len([line for line in trace if "streamify_server" in line]) <= 1
