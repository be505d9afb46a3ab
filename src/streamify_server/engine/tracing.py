"""OpenTelemetry: a SERVER span for each invocation, which covers the body, and duration histograms.

Imported only if the process has already imported `opentelemetry.trace`. The names follow the semantic
conventions for functions (https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/) and for HTTP; names
that these do not define begin with ``streamify.``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as _context
from opentelemetry import metrics, propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streamify_server.events import header_of, method_of, path_of
from streamify_server.response import HttpResponse

from .deadline import remaining_seconds
from .version import version

if TYPE_CHECKING:
    from types import TracebackType

    from streamify_server.middleware import Request

_SCOPE = "streamify_server"
# Seconds. Up to 10 they are the conventions' boundaries for `faas.invoke_duration`.
_BOUNDARIES = [
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
    *(30, 60, 120, 300, 600, 900, 1800),
]
_FLUSH_TIMEOUT = "OTEL_INSTRUMENTATION_AWS_LAMBDA_FLUSH_TIMEOUT"  # milliseconds
_TRIGGERS = {
    "aws:sqs": "pubsub",
    "aws:sns": "pubsub",
    "aws:kinesis": "pubsub",
    "aws:kafka": "pubsub",
    "SelfManagedKafka": "pubsub",
    "aws:amq": "pubsub",
    "aws:rmq": "pubsub",
    "aws:s3": "datasource",
    "aws:dynamodb": "datasource",
}


def traced(request: Request, *, first: bool) -> CallSpan | None:
    """Return the span of a call; None if instrumentation is suppressed."""
    utils = sys.modules.get("opentelemetry.instrumentation.utils")
    if utils is not None and not utils.is_instrumentation_enabled():
        return None
    return CallSpan(request, first=first)


class CallSpan:
    """A context manager for the span of one call.

    If OpenTelemetry's own Lambda instrumentation has already created a span, the attributes are set on that
    one and no other is created.

    Args:
        request: The request, with the event as received.
        first: Whether it is the first request of this process.
    """

    def __init__(self, request: Request, *, first: bool) -> None:
        self._request = request
        self._trigger = _trigger(request.event)
        self._began = time.time_ns()
        self._token: Any = None
        parent = _context.get_current()
        around = trace.get_current_span(parent)
        self._is_ours = not _is_of_this_call(around, request.context)
        caller = _caller(request)
        if not self._is_ours:
            self._span = around
            _link(around, trace.get_current_span(caller).get_span_context())
            return
        if not around.get_span_context().is_valid:
            parent = caller
        self._span = (
            trace.get_tracer_provider()
            .get_tracer(_SCOPE, version())
            .start_span(
                _name(request),
                context=parent,
                kind=SpanKind.SERVER,
                attributes=self._attributes(first),
                start_time=self._began,
            )
        )
        self._within = trace.set_span_in_context(self._span, parent)

    def __enter__(self) -> CallSpan:
        if self._is_ours:
            self._token = _context.attach(self._within)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_ours:
            _context.detach(self._token)
            if "AWS_LAMBDA_RUNTIME_API" in os.environ and self._span.get_span_context().trace_flags.sampled:
                _flush(self._request.context)

    def end(self, error: BaseException | None) -> None:
        """Record the end of the response, and its error if it failed."""
        request, span, now = self._request, self._span, time.time_ns()
        status = request.response.status if isinstance(request.response, HttpResponse) else None
        figures: dict[str, Any] = {"http.response.status_code": status}
        failure = type(error).__name__ if error is not None else str(status) if (status or 0) >= 500 else None
        if failure is not None:
            figures["error.type"] = failure
            span.set_status(Status(StatusCode.ERROR, str(error) if error is not None else None))
        duration, first_byte = (now - self._began) / 1e9, None
        if (end := request.stream_end) is not None:
            duration, first_byte = end.duration, end.time_to_first_byte
            figures |= {
                "streamify.outcome": "failed" if error is not None else end.outcome,
                "streamify.bytes_sent": end.bytes_sent,
                "streamify.time_to_first_byte": first_byte,
                "streamify.part": request.part,
            }
        if first_byte is not None:
            span.add_event("streamify.first_byte", timestamp=self._began + int(first_byte * 1e9))
        if error is not None and self._is_ours:
            span.record_exception(error)
        span.set_attributes(_known(figures))
        if self._is_ours:
            span.end(now)
        _record(duration, first_byte, _known({"faas.trigger": self._trigger, "error.type": failure}))

    def _attributes(self, first: bool) -> dict[str, Any]:
        event, context = self._request.event, self._request.context
        arn = str(getattr(context, "invoked_function_arn", None) or "")
        parts = arn.split(":")
        version = getattr(context, "function_version", None)
        on_demand = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand") == "on-demand"
        attributes: dict[str, Any] = {
            "faas.trigger": self._trigger,
            "faas.invocation_id": getattr(context, "aws_request_id", None),
            "faas.coldstart": first and on_demand,
            "faas.name": getattr(context, "function_name", None),
            "faas.version": version,
            "cloud.provider": "aws",
        }
        if len(parts) >= 7:
            alias = [str(version)] if len(parts) > 7 and version is not None else parts[7:]
            attributes |= {
                "aws.lambda.invoked_arn": arn,
                "cloud.resource_id": ":".join(parts[:7] + alias),
                "cloud.account.id": parts[4],
                "cloud.region": parts[3],
            }
        if self._trigger == "http":
            attributes |= _of_http(event)
        return _known(attributes)


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Drop unknown values; attributes must be text or numbers, and events may contain anything."""
    return {name: v for name, v in attributes.items() if isinstance(v, str | int | float)}


def _trigger(event: Any) -> str:
    if method_of(event):
        return "http"
    if not isinstance(event, Mapping):
        return "other"
    if event.get("detail-type") == "Scheduled Event":
        return "timer"
    records = event.get("Records")
    first = records[0] if isinstance(records, list) and records else event
    source = (first.get("eventSource") or first.get("EventSource")) if isinstance(first, Mapping) else None
    return _TRIGGERS.get(source, "other") if isinstance(source, str) else "other"


def _name(request: Request) -> str:
    function = getattr(request.context, "function_name", None)
    return _route(request.event) or (function if isinstance(function, str) and function else "lambda")


def _route(event: Any) -> str | None:
    """Return the route as configured in API Gateway; None if there is none."""
    if not isinstance(event, Mapping) or not isinstance(event.get("requestContext"), Mapping):
        return None
    resource, key = event.get("resource"), event.get("routeKey")
    if isinstance(resource, str) and "httpMethod" in event:
        return resource
    return key.partition(" ")[2] or None if isinstance(key, str) else None


def _of_http(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of the HTTP conventions, without the query, which may contain secrets."""
    context = event.get("requestContext")
    context = context if isinstance(context, Mapping) else {}
    http, identity = (context.get(key) for key in ("http", "identity"))
    client = http if isinstance(http, Mapping) else identity if isinstance(identity, Mapping) else {}
    return {
        "http.request.method": method_of(event),
        "http.route": _route(event),
        "url.path": path_of(event),
        "url.scheme": header_of(event, "x-forwarded-proto") or "https",
        "server.address": context.get("domainName") or header_of(event, "host"),
        "client.address": client.get("sourceIp"),
        "user_agent.original": header_of(event, "user-agent"),
    }


class _EventHeaders(Getter[Any]):
    """Case-insensitive access to the header fields of an event."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        value = header_of(carrier, key.lower())
        return None if value is None else [value]

    def keys(self, carrier: Any) -> list[str]:
        headers = carrier.get("headers") if isinstance(carrier, Mapping) else None
        return [str(name) for name in headers] if isinstance(headers, Mapping) else []


def _caller(request: Request) -> Any:
    """Return the caller's span context, from the client context or HTTP headers."""
    found = TraceContextTextMapPropagator().extract(_client_context(request.context), _context.Context())
    if trace.get_current_span(found).get_span_context().is_valid:
        return found
    return propagate.extract(request.event, _context.Context(), _EventHeaders())


def _client_context(context: Any) -> dict[str, str]:
    """Return `LambdaContext.w3c()` or, before awslambdaric 4.2, ``custom`` of the client context."""
    w3c = getattr(context, "w3c", None)
    found = w3c() if callable(w3c) else None
    if not found:
        found = getattr(getattr(context, "client_context", None), "custom", None)
    if not isinstance(found, Mapping):
        return {}
    return {name: v for name, v in found.items() if isinstance(name, str) and isinstance(v, str)}


def _is_of_this_call(span: Any, context: Any) -> bool:
    """Whether OpenTelemetry's Lambda instrumentation created this span for this call."""
    attributes = getattr(span, "attributes", None) or {}
    request_id = getattr(context, "aws_request_id", None)
    return request_id is not None and attributes.get("faas.invocation_id") == request_id


def _link(span: Any, caller: Any) -> None:
    """Link a span to its caller, if it was created without looking into the client context."""
    if caller.is_valid and caller.trace_id != span.get_span_context().trace_id:
        span.add_link(caller)


def _flush(context: Any) -> None:
    """Export all pending telemetry before the process is frozen."""
    left = remaining_seconds(context)
    wanted = float(os.environ.get(_FLUSH_TIMEOUT) or 30_000)
    until = time.monotonic() + min(wanted / 1000, *([left / 2] if left is not None else []))
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        if (flush := getattr(provider, "force_flush", None)) is not None:
            flush(max(0, int((until - time.monotonic()) * 1000)))


_lock = threading.Lock()
_instruments: tuple[Any, Any, Any] = (None, None, None)  # a meter provider, and its instruments


def _record(duration: float, first_byte: float | None, attributes: Mapping[str, Any]) -> None:
    global _instruments
    provider = metrics.get_meter_provider()
    with _lock:  # an instrument must be created only once
        if _instruments[0] is not provider:
            meter = provider.get_meter(_SCOPE, version())

            def histogram(name: str, description: str) -> Any:
                try:
                    return meter.create_histogram(
                        name, "s", description, explicit_bucket_boundaries_advisory=_BOUNDARIES
                    )
                except TypeError:  # before opentelemetry-api 1.30
                    return meter.create_histogram(name, "s", description)

            _instruments = (
                provider,
                histogram("faas.invoke_duration", "Measures the duration of the function's logic execution."),
                histogram(
                    "streamify.server.time_to_first_byte", "How long it took to the first byte of a body."
                ),
            )
        _, durations, first_bytes = _instruments
    durations.record(duration, attributes)
    if first_byte is not None:
        first_bytes.record(first_byte, attributes)
