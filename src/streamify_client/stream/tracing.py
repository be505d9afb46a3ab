"""OpenTelemetry: a CLIENT span for each stream, and histograms of how long streams take.

If the process has not imported `opentelemetry.trace` itself, nothing is imported and nothing is done. The
names are those of the semantic conventions for called functions
(https://opentelemetry.io/docs/specs/semconv/faas/faas-spans/), for AWS's SDKs and for HTTP; other names begin
with ``streamify.``.
"""

import contextvars
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from streamify_client.errors import HttpStatusError, StreamifyError
from streamify_client.models import StreamResult
from streamify_client.request.invocation import Invocation
from streamify_client.request.url import lambda_host

_SCOPE = "streamify_client"
_UTILS = "opentelemetry.instrumentation.utils"
# Seconds. Up to 10 they are those that the conventions have for durations; a stream may take half an hour.
_BOUNDARIES = [
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
    *(30, 60, 120, 300, 600, 900, 1800),
]

Attributes = dict[str, Any]


def prepared(invocation: Invocation, region: Callable[[], str | None]) -> "StreamSpan | None":
    """Return the span of a stream, which begins with its first invocation; None without OpenTelemetry.

    Args:
        invocation: The invocation.
        region: Returns the region of functions called by name, once it is known.
    """
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry import context

    utils = sys.modules.get(_UTILS)
    if utils is not None and not utils.is_instrumentation_enabled():
        return None
    return StreamSpan(invocation, region, context.get_current())


class StreamSpan:
    """The span of one stream.

    Args:
        invocation: The invocation.
        region: As for `prepared`.
        parent: OpenTelemetry's context at the call of `stream()`.

    Attributes:
        within: The context in which to invoke the function: the span is the current one, and instrumentations
            of the libraries below are suppressed, since their spans would be redundant and end with the
            headers.
    """

    def __init__(self, invocation: Invocation, region: Callable[[], str | None], parent: Any) -> None:
        self.within: contextvars.Context | None = None
        self._invocation = invocation
        self._region = region
        self._parent = parent
        self._span: Any = None
        self._began = 0

    def begin(self) -> Mapping[str, str]:
        """Begin; return the W3C trace context for the function."""
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._began = time.time_ns()
        self._span = (
            trace.get_tracer_provider()
            .get_tracer(_SCOPE, _version())
            .start_span(
                _name(self._invocation),
                context=self._parent,
                kind=trace.SpanKind.CLIENT,
                attributes=self._called() | _transport(self._invocation),
                start_time=self._began,
            )
        )
        current = self._parent
        if self._span.get_span_context().is_valid:  # without a provider, older APIs give an empty span
            current = trace.set_span_in_context(self._span, self._parent)
        self.within = contextvars.copy_context()
        self.within.run(_enter, current)
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, current)
        return carrier

    def end(
        self, result: StreamResult, outcome: str, error: StreamifyError | None, status_code: int | None
    ) -> None:
        """The stream is over.

        Args:
            result: Its figures.
            outcome: How it ended: "whole", "closed" or "cancelled" by the caller, or "failed".
            error: Why it failed.
            status_code: The HTTP status of the response, or of the error response.
        """
        from opentelemetry.trace import Status, StatusCode

        span, self._span = self._span, None
        if span is None:
            return
        called = self._called()
        failure = _error_type(error, status_code)
        if failure is not None:
            called["error.type"] = failure
            span.set_status(Status(StatusCode.ERROR, None if error is None else error.message))
        ended = self._began + _nanoseconds(result.duration)
        if (first := result.time_to_first_byte) is not None:
            span.add_event("streamify.first_byte", timestamp=self._began + _nanoseconds(first))
        if error is not None:
            span.record_exception(error, timestamp=ended)
        span.set_attributes(called | _figures(result, outcome, status_code))
        span.end(ended)
        _record(result, called | {"streamify.outcome": outcome})

    def _called(self) -> Attributes:
        """Return the attributes of the function, as in the conventions."""
        name, region = _function(self._invocation)
        called: Attributes = {"faas.invoked_name": name, "faas.invoked_provider": "aws"}
        if region is None and self._invocation.request is None:
            region = self._region()
        if region is not None:
            called["faas.invoked_region"] = region
        return called


def _enter(current: Any) -> None:
    from opentelemetry import context

    context.attach(current)
    if (utils := sys.modules.get(_UTILS)) is not None:
        with utils.suppress_instrumentation():  # what it sets has no public name
            current = context.get_current()
        context.attach(current)


def _name(invocation: Invocation) -> str:
    return _function(invocation)[0] if invocation.request is None else invocation.request.method


def _function(invocation: Invocation) -> tuple[str, str | None]:
    """Return name and region of the function; for a URL, whose function is unknown, its id or its host."""
    if (request := invocation.request) is not None:
        return lambda_host(request) or (request.host, None)
    parts = invocation.function.split(":")
    region = parts[3] if parts[0] == "arn" and len(parts) > 3 else None
    if "function" in parts[:-1]:
        return parts[parts.index("function") + 1], region
    return parts[0], region


def _transport(invocation: Invocation) -> Attributes:
    if (request := invocation.request) is None:
        return {
            "rpc.system": "aws-api",
            "rpc.service": "Lambda",
            "rpc.method": "InvokeWithResponseStream",
        }
    return {
        "http.request.method": request.method,
        "url.full": f"{request.origin}{request.path}",  # its query may hold secrets
        "server.address": request.host,
        "server.port": request.port or {"http": 80, "https": 443}[request.scheme],
    }


def _figures(result: StreamResult, outcome: str, status_code: int | None) -> Attributes:
    figures: Attributes = {
        "aws.request_id": result.request_id,
        "http.response.status_code": status_code,
        "streamify.outcome": outcome,
        "streamify.bytes_received": result.bytes_received,
        "streamify.chunks": result.chunks,
        "streamify.time_to_first_byte": result.time_to_first_byte,
        "streamify.attempts": result.attempts.count,
        "streamify.parts": len(result.parts),
        "streamify.verified": result.verified,
    }
    return {name: value for name, value in figures.items() if value is not None}


def _error_type(error: StreamifyError | None, status_code: int | None) -> str | None:
    if isinstance(error, HttpStatusError) or (error is None and (status_code or 0) >= 400):
        return str(status_code)
    return None if error is None else type(error).__name__


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)


_lock = threading.Lock()
_instruments: tuple[Any, Any, Any] = (None, None, None)  # a meter provider, and what was made of it


def _record(result: StreamResult, attributes: Attributes) -> None:
    from opentelemetry import metrics

    global _instruments
    provider = metrics.get_meter_provider()
    with _lock:  # an instrument may be made once
        if _instruments[0] is not provider:
            meter = provider.get_meter(_SCOPE, _version())

            def histogram(name: str, description: str) -> Any:
                name = f"streamify.client.{name}"
                try:
                    return meter.create_histogram(
                        name, "s", description, explicit_bucket_boundaries_advisory=_BOUNDARIES
                    )
                except TypeError:  # before opentelemetry-api 1.30
                    return meter.create_histogram(name, "s", description)

            _instruments = (
                provider,
                histogram("duration", "How long streams took, to the last byte or the failure."),
                histogram("time_to_first_byte", "How long it took until the first byte of a body came."),
            )
        _, duration, first_byte = _instruments
    duration.record(result.duration, attributes)
    if result.time_to_first_byte is not None:
        first_byte.record(result.time_to_first_byte, attributes)


@lru_cache(maxsize=1)
def _version() -> str | None:
    try:
        return version("streamify")
    except PackageNotFoundError:
        return None
