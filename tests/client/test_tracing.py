"""OpenTelemetry: one CLIENT span for each stream, from the call to its end, whatever that is."""

import base64
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from streamify_client import StreamClient, StreamClosedError, StreamifyError
from support.boto_models import WARNINGS_ARE_ERRORS
from support.callers import URL_WAYS, WAYS, Caller, answer
from support.clients import stream_client
from support.http_peers import plain
from support.telemetry import Telemetry, telemetry
from support.wire_server import WireServer, stalled, truncated, whole


@pytest.fixture
def told() -> Iterator[Telemetry]:
    with telemetry() as told:
        yield told


def attributes(told: Telemetry) -> dict[str, Any]:
    return dict(told.span.attributes or {})


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_is_one_span_with_the_names_of_the_conventions(told: Telemetry, way: str) -> None:
    with WireServer(answer(way, b"one", b"two")) as server, Caller(way, server.url) as caller:
        with told.active() as parent:
            stream = caller.stream(
                "/path", {"a": 1}, **({} if caller.by_name else {"query": {"key": "secret"}})
            )
        assert caller.run(stream.read()) == b"onetwo"
        port = server.port
    span, said = told.span, attributes(told)
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is not None
    assert span.parent.span_id == parent.get_span_context().span_id
    result = stream.result
    expected = {
        "faas.invoked_provider": "aws",
        "aws.request_id": "req-1",
        "http.response.status_code": 200,
        "streamify.outcome": "whole",
        "streamify.bytes_received": 6,
        "streamify.chunks": result.chunks,
        "streamify.time_to_first_byte": result.time_to_first_byte,
        "streamify.attempts": 1,
        "streamify.parts": 1,
        "streamify.verified": False,
    }
    if caller.by_name:
        assert span.name == "fn"
        expected |= {
            "faas.invoked_name": "fn",
            "faas.invoked_region": "us-east-1",
            "rpc.system": "aws-api",
            "rpc.service": "Lambda",
            "rpc.method": "InvokeWithResponseStream",
        }
    else:
        assert span.name == "POST"
        expected |= {
            "faas.invoked_name": "127.0.0.1",
            "http.request.method": "POST",
            "url.full": f"http://127.0.0.1:{port}/path",
            "server.address": "127.0.0.1",
            "server.port": port,
        }
    assert said == expected
    (first,) = span.events
    assert first.name == "streamify.first_byte"
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time <= first.timestamp <= span.end_time
    assert span.end_time - span.start_time == pytest.approx(result.duration * 1e9, abs=1000)


@pytest.mark.parametrize("way", WAYS)
def test_the_function_is_told_that_this_span_is_its_caller(told: Telemetry, way: str) -> None:
    with WireServer(answer(way)) as server, Caller(way, server.url) as caller, told.active():
        caller.read()
    headers = server.requests[0].headers
    if caller.by_name:
        context = json.loads(base64.b64decode(headers["x-amz-client-context"]))
        assert context["w3c"]["traceparent"] == context["custom"]["traceparent"]
        headers = context["w3c"]
    _, trace, span, _ = headers["traceparent"].split("-")
    assert told.span.context is not None
    assert (int(trace, 16), int(span, 16)) == (told.span.context.trace_id, told.span.context.span_id)


@pytest.mark.parametrize("way", URL_WAYS)
def test_the_callers_own_traceparent_stays(told: Telemetry, way: str) -> None:
    with WireServer(answer(way)) as server, Caller(way, server.url) as caller:
        caller.read(headers={"Traceparent": "mine"})
    assert server.requests[0].headers["traceparent"] == "mine"


@pytest.mark.parametrize(
    ("function", "name", "region"),
    [
        ("fn:live", "fn", "us-east-1"),
        ("123456789012:function:fn", "fn", "us-east-1"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:fn", "fn", "eu-west-1"),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:fn:7", "fn", "cn-north-1"),
    ],
)
def test_the_span_has_the_name_of_the_function_and_its_region(
    told: Telemetry, function: str, name: str, region: str
) -> None:
    with WireServer(whole()) as server, stream_client(server.url) as client:
        client.stream(function).read()
    said = attributes(told)
    assert (told.span.name, said["faas.invoked_name"], said["faas.invoked_region"]) == (name, name, region)


def test_a_function_url_says_its_id_and_its_region(told: Telemetry) -> None:
    with StreamClient() as client:
        stream = client.stream("https://abc123.lambda-url.eu-west-1.on.aws/x?key=secret")
        stream._core.begin()
        stream.close()
    said = attributes(told)
    assert (said["faas.invoked_name"], said["faas.invoked_region"]) == ("abc123", "eu-west-1")
    assert said["url.full"] == "https://abc123.lambda-url.eu-west-1.on.aws/x"


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_stream_is_an_error_with_its_reason(told: Telemetry, way: str) -> None:
    behaviour = truncated(b"some") if way.endswith("name") else cut_off
    with (
        WireServer(behaviour) as server,
        Caller(way, server.url) as caller,
        pytest.raises(StreamifyError) as caught,
    ):
        caller.read()
    span, said = told.span, attributes(told)
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == caught.value.message
    assert said["error.type"] == "TruncatedStreamError"
    assert (said["streamify.outcome"], said["streamify.bytes_received"]) == ("failed", 4)
    assert [event.name for event in span.events] == ["streamify.first_byte", "exception"]
    exception = span.events[1].attributes
    assert exception is not None
    assert exception["exception.type"] == "streamify_client.errors.TruncatedStreamError"
    duration = told.histograms["streamify.client.duration"].data.data_points[0]
    assert duration.attributes["error.type"] == "TruncatedStreamError"


def cut_off(peer: Any) -> None:
    peer.head({"content-type": "text/plain"})
    peer.chunk(b"some")
    peer.fin()


@pytest.mark.parametrize("raises", [True, False])
def test_a_status_of_an_error_is_one(told: Telemetry, raises: bool) -> None:
    with (
        WireServer(plain(b"no", status="404 Not Found")) as server,
        stream_client(server.url) as client,
        suppress(StreamifyError),
    ):
        client.stream(server.url, raise_for_status=raises).read()
    said = attributes(told)
    assert told.span.status.status_code is StatusCode.ERROR
    assert (said["error.type"], said["http.response.status_code"]) == ("404", 404)
    assert said["streamify.outcome"] == ("failed" if raises else "whole")


def test_a_refusal_says_its_status(told: Telemetry) -> None:
    with (
        WireServer(lambda peer: peer.refuse("404 Not Found", "ResourceNotFoundException", "?")) as server,
        stream_client(server.url) as client,
        suppress(StreamifyError),
    ):
        client.stream("fn").read()
    said = attributes(told)
    assert (said["error.type"], said["http.response.status_code"]) == ("FunctionNotFoundError", 404)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_a_stream_that_is_left_ends_its_span_without_an_error(told: Telemetry, way: str, how: str) -> None:
    behaviour = stalled(b"some") if way.endswith("name") else stalls
    with WireServer(behaviour) as server, Caller(way, server.url) as caller:
        stream = caller.opened()
        if how == "cancelled":
            stream.cancel()
            with pytest.raises(StreamClosedError):
                caller.run(stream.read())
        caller.close(stream)
    assert told.span.status.status_code is StatusCode.UNSET
    assert attributes(told)["streamify.outcome"] == how


def stalls(peer: Any) -> None:
    peer.head({"content-type": "text/plain"})
    peer.chunk(b"some")
    assert peer.wait_gone()


def test_a_loop_that_is_left_and_a_stream_that_is_forgotten_end_their_spans(told: Telemetry) -> None:
    with WireServer(stalled(b"some")) as server, stream_client(server.url) as client:
        for _ in client.stream("fn"):
            break
        assert attributes(told)["streamify.outcome"] == "closed"
        stream = client.stream("fn").open()
        del stream
        gc.collect()
    assert len(told.spans) == 2


def test_a_stream_that_is_never_opened_has_no_span(told: Telemetry) -> None:
    with WireServer(whole()) as server, stream_client(server.url) as client:
        client.stream("fn").cancel()
    assert not told.spans


def test_attempts_belong_to_one_span(told: Telemetry) -> None:
    with WireServer(lambda peer: peer.rst(), whole(b"good")) as server, stream_client(server.url) as client:
        client.stream("fn", retries=1).read()
    said = attributes(told)
    assert (said["streamify.attempts"], said["streamify.outcome"]) == (2, "whole")
    contexts = [request.headers["x-amz-client-context"] for request in server.requests]
    assert contexts[0] == contexts[1]


def test_map_has_a_span_for_each_item_under_the_callers(told: Telemetry) -> None:
    with WireServer(whole(b"x")) as server, stream_client(server.url) as client, told.active() as parent:
        assert [item.value for item in client.map("fn", [1, 2, 3])] == ["x"] * 3
    spans = [span for span in told.spans if span.kind is SpanKind.CLIENT]
    assert len(spans) == 3
    assert {span.parent.span_id for span in spans if span.parent} == {parent.get_span_context().span_id}


def test_histograms_have_seconds_and_boundaries_for_long_streams(told: Telemetry) -> None:
    with WireServer(whole(b"x")) as server, stream_client(server.url) as client:
        for _ in range(2):
            stream = client.stream("fn")
            stream.read()
    for name in ("duration", "time_to_first_byte"):
        metric = told.histograms[f"streamify.client.{name}"]
        (point,) = metric.data.data_points
        assert metric.unit == "s"
        assert point.count == 2
        assert (point.explicit_bounds[0], point.explicit_bounds[-1]) == (0.005, 1800)
        assert point.attributes == {
            "faas.invoked_name": "fn",
            "faas.invoked_provider": "aws",
            "faas.invoked_region": "us-east-1",
            "streamify.outcome": "whole",
        }


def test_without_opentelemetry_in_the_process_none_is_imported() -> None:
    script = """
import sys
from streamify_client.testing import FakeLambda, Stream
fake = FakeLambda()
fake.on("fn", Stream(["x"]))
with fake.client() as client:
    assert client.stream("fn").text() == "x"
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, *WARNINGS_ARE_ERRORS, "-c", script], check=True)
