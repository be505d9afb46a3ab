"""A function that prints the spans that OpenTelemetry's SDK exports, as JSON."""

import time
from collections.abc import Iterator
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from streamify_server import checkpoint, last_checkpoint, streaming_handler

exporter = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n")
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(exporter))  # so that nothing is printed before it is flushed
trace.set_tracer_provider(provider)


@streaming_handler
def handler(event: Any, context: Any) -> Iterator[Any]:
    if "queryStringParameters" in event:
        event = event["queryStringParameters"]
    with trace.get_tracer("function").start_as_current_span("making numbers"):
        for number in range(last_checkpoint(context) or 0, int(event["count"])):
            yield f"{number}\n"
            yield checkpoint(number + 1)
            time.sleep(event.get("pause", 0))
    if event.get("fail"):
        raise KeyError("late")
