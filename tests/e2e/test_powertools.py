"""Powertools for AWS Lambda around and inside streaming handlers, in a function process of LocalLambda."""

import json
import queue
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamify_server.local import Event, LocalLambda, LogWritten
from support.local import boto3_client

APP = """
import asyncio, os
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.base import BaseProvider
from streamify_server import HttpResponse, streaming_handler

logger = Logger(service="rows")
metrics = Metrics(namespace="Rows", service="rows")
tracer = Tracer(service="rows")

class Environment(BaseProvider):
    def _get(self, name, **options):
        logger.info("fetched " + name)
        return os.environ[name]
    def _get_multiple(self, path, **options):
        raise NotImplementedError

environment = Environment()

@tracer.capture_method
def read(number):
    logger.info("read", row=number)
    metrics.add_metric(name="RowsRead", unit="Count", value=1)
    return f"{environment.get('GREETING', max_age=60)} {number}\\n"

@tracer.capture_method
def rows(count, fail):
    for number in range(count):
        yield read(number)
    if fail:
        raise RuntimeError("late")

async def rows_async(count, fail):
    for row in rows(count, fail):
        await asyncio.sleep(0)
        yield row

class Figures:
    def on_stream_end(self, request):
        end = request.stream_end
        metrics.add_dimension(name="outcome", value=end.outcome)
        metrics.add_metric(name="BytesSent", unit="Bytes", value=end.bytes_sent)
        metrics.add_metric(name="Duration", unit="Milliseconds", value=end.duration * 1000)
        metrics.add_metric(name="TimeToFirstByte", unit="Milliseconds", value=end.time_to_first_byte * 1000)
        tracer.put_annotation("outcome", end.outcome)
        logger.info("stream ended", outcome=end.outcome)

@logger.inject_lambda_context(correlation_id_path="order", clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=False)
@streaming_handler(middlewares=[Figures()])
def around(event, context):
    logger.append_keys(order_key=event["order"])
    produce = {"sync": rows, "async": rows_async}[event["how"]]
    body = produce(event["count"], event.get("fail", False))
    return HttpResponse(200, body=body) if event.get("http") else body

@streaming_handler
@logger.inject_lambda_context(correlation_id_path="order", clear_state=True)
@metrics.log_metrics
def inside(event, context):
    logger.append_keys(order_key=event["order"])
    metrics.add_metric(name="Started", unit="Count", value=1)
    return rows(event["count"], False)
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[socket.socket]:
    """Where the X-Ray daemon would listen."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(20)
        yield listening


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, daemon: socket.socket) -> Iterator[LocalLambda]:
    code = tmp_path_factory.mktemp("code")
    (code / "app.py").write_text(APP)
    port = daemon.getsockname()[1]
    environment = {"GREETING": "row", "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{port}"}
    with LocalLambda() as aws:
        for name in ("around", "inside"):
            aws.add_function(
                name, handler=f"app.{name}", code=Path(code), timeout=30, environment=environment
            )
        yield aws


class Log:
    """The lines that functions write, as they come."""

    def __init__(self, aws: LocalLambda) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.close = aws.subscribe(self._take)

    def _take(self, event: Event) -> None:
        if isinstance(event, LogWritten):
            self._lines.put(event.line)

    def until(self, metric: str) -> list[dict[str, Any]]:
        """The JSON lines up to the one with this metric, which an invocation writes last of all."""
        found: list[dict[str, Any]] = []
        while not metrics_of(found, metric):
            line = self._lines.get(timeout=20)
            if line.startswith("{"):
                found.append(json.loads(line))
        return found


@pytest.fixture
def log(aws: LocalLambda) -> Iterator[Log]:
    log = Log(aws)
    yield log
    log.close()


TRACE = "1-65f00000-0123456789abcdef01234567"


def traced(request: Any, **_: Any) -> None:
    request.headers["X-Amzn-Trace-Id"] = f"Root={TRACE};Parent=0123456789abcdef;Sampled=1"


def run(aws: LocalLambda, name: str, trace: bool = False, **event: Any) -> bytes:
    """The body that this function sends for this event."""
    with closing(boto3_client(aws)) as client:
        if trace:
            client.meta.events.register("before-sign.lambda.InvokeWithResponseStream", traced)
        answer = client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event))
        with closing(answer["EventStream"]) as stream:
            body = b"".join(item["PayloadChunk"]["Payload"] for item in stream if "PayloadChunk" in item)
    return body.rpartition(b"\0" * 8)[2]


def metrics_of(lines: list[dict[str, Any]], name: str) -> list[Any]:
    return [line[name] for line in lines if "_aws" in line and name in line]


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize("fail", [False, True])
def test_a_metric_added_in_mid_stream_is_flushed_with_its_invocation(
    how: str, http: bool, fail: bool, aws: LocalLambda, log: Log
) -> None:
    body = run(aws, "around", how=how, http=http, fail=fail, count=3, order="o-1")
    assert body == b"row 0\nrow 1\nrow 2\n"
    assert metrics_of(log.until("RowsRead"), "RowsRead") == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("fail", [False, True])
def test_the_figures_of_a_stream_are_metrics_log_lines_and_annotations(
    how: str, fail: bool, aws: LocalLambda, log: Log, daemon: socket.socket
) -> None:
    run(aws, "around", trace=True, how=how, fail=fail, count=3, order="o-8")
    lines = log.until("BytesSent")
    outcome = "failed" if fail else "whole"
    (emf,) = [line for line in lines if "_aws" in line]
    (duration,), (first_byte,) = emf["Duration"], emf["TimeToFirstByte"]
    assert (emf["BytesSent"], emf["outcome"]) == ([18.0], outcome)
    assert 0 <= first_byte <= duration
    assert [line["outcome"] for line in lines if line.get("message") == "stream ended"] == [outcome]
    assert segments(daemon, until="## around")["## around"]["annotations"]["outcome"] == outcome


@pytest.mark.parametrize("how", ["sync", "async"])
def test_the_logger_keeps_its_keys_during_the_body(how: str, aws: LocalLambda, log: Log) -> None:
    for order in ("o-2", "o-3"):
        run(aws, "around", how=how, count=2, order=order)
        reads = [line for line in log.until("RowsRead") if line.get("message") == "read"]
        assert [line["row"] for line in reads] == [0, 1]
        keys = {(line["order_key"], line["correlation_id"], line["function_name"]) for line in reads}
        assert keys == {(order, order, "around")}
        assert all(line["function_request_id"] for line in reads)


def test_parameters_are_cached_from_one_invocation_to_the_next(aws: LocalLambda, log: Log) -> None:
    run(aws, "around", how="sync", count=1, order="o-4")
    log.until("RowsRead")
    assert run(aws, "around", how="async", count=1, order="o-5") == b"row 0\n"
    assert not [line for line in log.until("RowsRead") if line.get("message") == "fetched GREETING"]


def segments(daemon: socket.socket, until: str) -> dict[str, dict[str, Any]]:
    """The subsegments that the daemon received, by name, up to this one."""
    found: dict[str, dict[str, Any]] = {}
    while until not in found:
        header, _, body = daemon.recv(65536).partition(b"\n")
        assert json.loads(header) == {"format": "json", "version": 1}
        segment = json.loads(body)
        found[segment["name"]] = segment
    return found


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("fail", [False, True])
def test_the_subsegment_of_the_handler_lasts_as_long_as_the_body_and_has_its_error(
    how: str, fail: bool, aws: LocalLambda, daemon: socket.socket
) -> None:
    run(aws, "around", trace=True, how=how, fail=fail, count=2, order="o-7")
    found = segments(daemon, until="## around")
    handler, rows, read = found["## around"], found["## app.rows"], found["## app.read"]
    assert handler["start_time"] <= read["start_time"] <= read["end_time"] <= handler["end_time"]
    assert read["trace_id"] == handler["trace_id"] == TRACE
    assert rows["parent_id"] == handler["id"]
    assert handler.get("fault", False) is fail


def test_decorators_below_end_before_the_body_begins(aws: LocalLambda, log: Log) -> None:
    run(aws, "inside", count=2, order="o-8")
    assert metrics_of(log.until("Started"), "RowsRead") == []  # they come too late: the order matters
    run(aws, "inside", count=2, order="o-9")
    lines = log.until("Started")
    assert metrics_of(lines, "RowsRead") == [[1.0, 1.0]]
    assert {line["order_key"] for line in lines if line.get("message") == "read"} == {"o-8"}
