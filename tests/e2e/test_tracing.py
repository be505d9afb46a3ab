"""Spans of both ends of a stream, over the whole wire: one trace, and the right parents."""

import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamify_client import FunctionError, StreamClient
from streamify_server.local import Event, LocalLambda, LogWritten
from support.telemetry import Telemetry, telemetry

FUNCTIONS = Path(__file__).parent / "functions"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        aws.add_function("traced", handler="traced.handler", code=FUNCTIONS, timeout=2, memory_size=512)
        yield aws


@pytest.fixture
def lines(aws: LocalLambda) -> Iterator["queue.SimpleQueue[str]"]:
    found: queue.SimpleQueue[str] = queue.SimpleQueue()

    def take(event: Event) -> None:
        if isinstance(event, LogWritten):
            found.put(event.line)

    unsubscribe = aws.subscribe(take)
    yield found
    unsubscribe()


@pytest.fixture
def told() -> Iterator[Telemetry]:
    with telemetry() as told:
        yield told


def servers(lines: "queue.SimpleQueue[str]", count: int) -> list[dict[str, Any]]:
    """The SERVER spans of so many invocations; each one's own spans come before it."""
    found: list[dict[str, Any]] = []
    inner: list[dict[str, Any]] = []
    while len(found) < count:
        line = lines.get(timeout=20)
        if line.startswith('{"name"'):
            span = json.loads(line)
            (found if span["kind"] == "SpanKind.SERVER" else inner).append(span)
    assert [span["parent_id"] for span in inner] == [span["context"]["span_id"] for span in found]
    return found


def caller(told: Telemetry) -> tuple[str, str]:
    context = told.span.context
    assert context is not None
    return f"0x{context.trace_id:032x}", f"0x{context.span_id:016x}"


@pytest.mark.parametrize("way", ["name", "url"])
def test_the_functions_span_is_a_child_of_the_clients_and_ends_before_it(
    aws: LocalLambda, lines: "queue.SimpleQueue[str]", told: Telemetry, way: str
) -> None:
    with StreamClient(**aws.client_kwargs) as client:
        if way == "name":
            client.stream("traced", {"count": 3}).read()
        else:
            url = aws.function_url("traced", invoke_mode="RESPONSE_STREAM")
            client.stream(url, query={"count": 3}).read()
    (server,) = servers(lines, 1)
    assert (server["context"]["trace_id"], server["parent_id"]) == caller(told)
    assert server["attributes"]["faas.trigger"] == {"name": "other", "url": "http"}[way]
    assert server["attributes"]["streamify.bytes_sent"] == 6
    assert server["name"] == "traced"


def test_a_late_error_is_on_both_spans(
    aws: LocalLambda, lines: "queue.SimpleQueue[str]", told: Telemetry
) -> None:
    with StreamClient(**aws.client_kwargs) as client, pytest.raises(FunctionError):
        client.stream("traced", {"count": 3, "fail": True}).read()
    (server,) = servers(lines, 1)
    assert server["status"] == {"status_code": "ERROR", "description": "'late'"}
    assert told.span.attributes is not None
    assert told.span.attributes["error.type"] == "FunctionError"


def test_the_parts_of_a_stream_are_children_of_its_one_span(
    aws: LocalLambda, lines: "queue.SimpleQueue[str]", told: Telemetry
) -> None:
    with StreamClient(**aws.client_kwargs) as client:
        stream = client.stream("traced", {"count": 6, "pause": 0.3})
        stream.read()
    found = servers(lines, len(stream.result.parts))
    assert len(found) >= 2
    assert {(span["context"]["trace_id"], span["parent_id"]) for span in found} == {caller(told)}
    assert [span["attributes"]["streamify.part"] for span in found] == list(range(1, len(found) + 1))
    assert [span["attributes"]["streamify.outcome"] for span in found][:-1] == ["continues"] * (
        len(found) - 1
    )
    assert told.span.attributes is not None
    assert told.span.attributes["streamify.parts"] == len(found)
