"""The W3C trace context of the caller, if OpenTelemetry is at work in this process."""

import sys


def trace_headers() -> dict[str, str]:
    """Return ``traceparent`` and ``tracestate`` of the active span; nothing without OpenTelemetry."""
    if "opentelemetry" not in sys.modules:
        return {}
    try:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return {}
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier
