"""OpenTelemetry: one SERVER span for each call, which covers the body and has the caller's as its parent."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from streamify_server import HttpError, HttpResponse, sse, streaming_handler
from streamify_server.middlewares import http_error_handler
from streamify_server.posting import posting_through
from streamify_server.testing import Context, invoke
from support.http_events import function_url, rest_api
from support.posters import Poster
from support.telemetry import Telemetry, telemetry

TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
TRACEPARENT = f"00-{TRACE:032x}-{SPAN:016x}-01"


@pytest.fixture
def told() -> Iterator[Telemetry]:
    with telemetry() as told:
        yield told


def attributes(told: Telemetry) -> dict[str, Any]:
    return dict(told.span.attributes or {})


def words(event: Any, context: Any) -> Iterator[str]:
    yield "one"
    yield "two"


def test_a_call_is_one_span_with_the_names_of_the_conventions(told: Telemetry) -> None:
    context = Context(
        invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:test:live", function_version="7"
    )
    invoke(streaming_handler(words), {}, context)
    span, said = told.span, attributes(told)
    assert (span.name, span.kind, span.parent) == ("test", SpanKind.SERVER, None)
    assert span.status.status_code is StatusCode.UNSET
    assert isinstance(said.pop("faas.coldstart"), bool)
    first_byte = said.pop("streamify.time_to_first_byte")
    assert said == {
        "faas.trigger": "other",
        "faas.invocation_id": context.aws_request_id,
        "faas.name": "test",
        "faas.version": "7",
        "cloud.provider": "aws",
        "cloud.account.id": "123456789012",
        "cloud.region": "eu-west-1",
        "cloud.resource_id": "arn:aws:lambda:eu-west-1:123456789012:function:test:7",
        "aws.lambda.invoked_arn": context.invoked_function_arn,
        "streamify.outcome": "whole",
        "streamify.bytes_sent": 6,
        "streamify.part": 1,
    }
    (event,) = span.events
    assert event.name == "streamify.first_byte"
    assert event.timestamp == pytest.approx(span.start_time + first_byte * 1e9, abs=1000)


def test_an_http_event_says_what_the_conventions_for_http_ask(told: Telemetry) -> None:
    handler = streaming_handler(lambda event, context: HttpResponse(201, body="x"))
    event = function_url("/a%2Fb", method="POST", query="key=secret", headers={"user-agent": "me"})
    invoke(handler, event)
    said = attributes(told)
    assert told.span.name == "test"
    assert {
        name: value
        for name, value in said.items()
        if not name.startswith(("faas", "cloud", "streamify", "aws"))
    } == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "url.path": "/a%2Fb",
        "url.scheme": "https",
        "server.address": "abc.lambda-url.us-east-1.on.aws",
        "client.address": "203.0.113.7",
        "user_agent.original": "me",
    }
    assert said["faas.trigger"] == "http"


def test_a_route_of_a_gateway_names_the_span(told: Telemetry) -> None:
    invoke(streaming_handler(words), rest_api("/pets/7"))
    assert (told.span.name, attributes(told)["http.route"]) == ("/{proxy+}", "/{proxy+}")


@pytest.mark.parametrize(
    ("event", "trigger"),
    [
        ({"Records": [{"eventSource": "aws:sqs"}]}, "pubsub"),
        ({"Records": [{"EventSource": "aws:sns"}]}, "pubsub"),
        ({"eventSource": "aws:kafka", "records": {}}, "pubsub"),
        ({"Records": [{"eventSource": "aws:s3"}]}, "datasource"),
        ({"source": "aws.events", "detail-type": "Scheduled Event"}, "timer"),
        ({"Records": "x"}, "other"),
        ({"Records": [1]}, "other"),
        ([1], "other"),
        (None, "other"),
    ],
)
def test_the_trigger_is_one_of_the_conventions(told: Telemetry, event: Any, trigger: str) -> None:
    invoke(streaming_handler(words), event)
    assert attributes(told)["faas.trigger"] == trigger


def in_a_minute() -> int:
    return int((time.time() + 60) * 1000)


def of_w3c() -> tuple[Any, Any]:
    return {}, LambdaContext(
        "id", {"w3c": {"traceparent": TRACEPARENT, "tracestate": "a=b"}}, None, in_a_minute()
    )


def of_custom() -> tuple[Any, Any]:
    return {}, LambdaContext("id", {"custom": {"traceparent": TRACEPARENT}}, None, in_a_minute())


def of_an_older_runtime() -> tuple[Any, Any]:
    return {}, Context(
        client_context=SimpleNamespace(custom={"traceparent": TRACEPARENT}, env=None, client=None)
    )


def of_a_url() -> tuple[Any, Any]:
    return function_url(headers={"Traceparent": TRACEPARENT}), Context()


def of_a_payload_that_was_an_event_itself() -> tuple[Any, Any]:
    stranger = "00-11111111111111111111111111111111-2222222222222222-01"
    return {"headers": {"traceparent": stranger}}, of_w3c()[1]


@pytest.mark.parametrize(
    "call", [of_w3c, of_custom, of_an_older_runtime, of_a_url, of_a_payload_that_was_an_event_itself]
)
def test_the_parent_is_the_callers_span(told: Telemetry, call: Callable[[], tuple[Any, Any]]) -> None:
    event, context = call()
    with posting_through(Poster()):
        streaming_handler(words)(event, context)
    span = told.span
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "traceparent", ["", "x", "00-0-0-00", TRACEPARENT + "\0", "ff" + TRACEPARENT[2:], "é" * 9000]
)
def test_a_malformed_trace_context_has_no_effect(told: Telemetry, traceparent: str) -> None:
    event = function_url(headers={"traceparent": traceparent})
    assert invoke(streaming_handler(words), event).text == "onetwo"
    assert told.span.parent is None


async def asynchronous(event: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    note()
    yield "x"
    await asyncio.sleep(0)
    note()


def sync(event: Any, context: Any) -> Any:
    note()
    yield "x"
    note()


def written(event: Any, context: Any, stream: Any) -> None:
    note()
    stream.write("x")
    note()


async def written_async(event: Any, context: Any, stream: Any) -> None:
    note()
    await stream.write("x")
    note()


def events(event: Any, context: Any) -> Any:
    return sse(sync(event, context))


def http(event: Any, context: Any) -> Any:
    return HttpResponse(200, body=sync(event, context))


seen: list[Any] = []


def note() -> None:
    seen.append(trace.get_current_span().get_span_context())


@pytest.mark.parametrize("handler", [asynchronous, sync, written, written_async, events, http])
def test_the_body_is_produced_within_the_span(told: Telemetry, handler: Any) -> None:
    seen.clear()
    invoke(streaming_handler(handler), {})
    assert seen == [told.span.context] * 2
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_body_that_fails_is_an_error_of_the_span(told: Telemetry) -> None:
    @streaming_handler
    def handler(event: Any, context: Any) -> Iterator[str]:
        yield "some"
        raise KeyError("late")

    invoke(handler, {}, raise_errors=False)
    span, said = told.span, attributes(told)
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "'late'")
    assert (said["error.type"], said["streamify.outcome"], said["streamify.bytes_sent"]) == (
        "KeyError",
        "failed",
        4,
    )
    assert [event.name for event in span.events] == ["streamify.first_byte", "exception"]


def test_an_error_that_is_answered_is_one_from_500_on(told: Telemetry) -> None:
    @streaming_handler(middlewares=[http_error_handler(logger=False)])
    def handler(event: Any, context: Any) -> None:
        raise HttpError(event["status"], expose=True)

    for status in (404, 503):
        invoke(handler, {**function_url(), "status": status})
    found = [(s.status.status_code, (s.attributes or {}).get("error.type")) for s in told.spans]
    assert found == [(StatusCode.UNSET, None), (StatusCode.ERROR, "503")]


def test_what_ends_the_process_ends_the_span(told: Telemetry) -> None:
    @streaming_handler
    def handler(event: Any, context: Any) -> Iterator[str]:
        yield "some"
        raise SystemExit(3)

    with pytest.raises(SystemExit), posting_through(Poster()):
        handler({}, Context())
    assert attributes(told)["error.type"] == "SystemExit"


def test_a_handler_inside_another_is_part_of_its_span(told: Telemetry) -> None:
    inner = streaming_handler(words)
    outer = streaming_handler(lambda event, context: inner(event, context))
    assert invoke(outer, {}).text == "onetwo"
    assert told.span.name == "test"


def test_beside_opentelemetrys_own_span_there_is_no_other(told: Telemetry) -> None:
    context = LambdaContext("id-1", {"w3c": {"traceparent": TRACEPARENT}}, None, in_a_minute())
    tracer = told.tracers.get_tracer("opentelemetry.instrumentation.aws_lambda")
    told_of = {"faas.invocation_id": "id-1"}
    with (
        tracer.start_as_current_span("fn", kind=SpanKind.SERVER, attributes=told_of),
        posting_through(Poster()),
    ):
        streaming_handler(words)({}, context)
    assert (told.span.name, len(told.spans)) == ("fn", 1)
    assert attributes(told)["streamify.bytes_sent"] == 6
    assert [event.name for event in told.span.events] == ["streamify.first_byte"]
    assert [link.context.span_id for link in told.span.links] == [SPAN]


def test_below_a_span_of_the_processs_own_the_call_is_its_child(told: Telemetry) -> None:
    with told.active() as around:
        invoke(streaming_handler(words), function_url(headers={"traceparent": TRACEPARENT}))
    assert told.span.parent is not None
    assert told.span.parent.span_id == around.get_span_context().span_id


def test_histograms_have_seconds(told: Telemetry) -> None:
    invoke(streaming_handler(words), function_url())
    for name in ("faas.invoke_duration", "streamify.server.time_to_first_byte"):
        metric = told.histograms[name]
        (point,) = metric.data.data_points
        assert (metric.unit, point.count, point.attributes) == ("s", 1, {"faas.trigger": "http"})
        assert (point.explicit_bounds[0], point.explicit_bounds[-1]) == (0.005, 1800)


def test_spans_are_exported_before_the_process_is_frozen(
    told: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(told.tracers, "force_flush", flushed.append)
    invoke(streaming_handler(words), {})
    assert not flushed
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1")
    invoke(streaming_handler(words), {}, Context(timeout=2))
    assert 0 < flushed[0] <= 1000  # half of what is left, in milliseconds


def test_without_opentelemetry_in_the_process_none_is_imported() -> None:
    script = """
import sys
from streamify_server import streaming_handler
from streamify_server.testing import invoke
assert invoke(streaming_handler(lambda event, context: iter(["x"])), {}).text == "x"
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
