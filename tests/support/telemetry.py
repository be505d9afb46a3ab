"""What OpenTelemetry is told, kept in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Telemetry:
    """Spans that have ended, and what histograms have recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The only span of ours."""
        (span,) = [span for span in self.spans if span.instrumentation_scope.name != "test"]  # type: ignore[union-attr]
        return span

    @contextmanager
    def active(self, name: str = "caller") -> Iterator[Any]:
        """A span of the test's own, which is the current one."""
        with self.tracers.get_tracer("test").start_as_current_span(name) as span:
            yield span

    @property
    def histograms(self) -> dict[str, Any]:
        """Each histogram with its points."""
        data = self._reader.get_metrics_data()
        scopes = (
            [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        )
        return {metric.name: metric for scope in scopes for metric in scope.metrics}


@contextmanager
def telemetry() -> Iterator[Telemetry]:
    """OpenTelemetry set up for a while, as an application sets it up for good."""
    told = Telemetry()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer_provider", lambda: told.tracers)
        patch.setattr(metrics, "get_meter_provider", lambda: told.meters)
        yield told
    told.meters.shutdown()
    told.tracers.shutdown()
