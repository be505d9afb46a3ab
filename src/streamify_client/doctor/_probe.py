"""Invoke a function, if requested: how its bytes arrive, and what its failures look like to a caller.

streamify_server answers a probe itself, without running the function's own code. A caller requests one in
``custom["streamify-probe"]`` of the client context, or in the HTTP header ``streamify-probe``: "stream" is
three lines of JSON 300 ms apart, "error-before" fails before the first byte, "error-after" after one line.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from streamify_client.client import StreamClient
from streamify_client.errors import (
    ConnectError,
    FunctionError,
    HttpStatusError,
    InvocationError,
    StreamError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
)
from streamify_client.request.payload import Payload

from ._facts import Facts, Integration, Unread
from ._report import Finding

PROBE = "streamify-probe"
_GAP = 0.3  # seconds between two lines of a probe
_STREAMED = _GAP  # seconds between the first and the last arrival; together two gaps are there
_PATIENCE = 30.0  # seconds beyond the function's timeout


@dataclass(frozen=True, slots=True)
class Arrival:
    """How one response arrived.

    Attributes:
        times: Seconds from the call to the arrival of each piece.
        body: Its first 64 KiB.
        verified: Whether the stream was verified.
        error: The error that ended it, if any.
    """

    times: tuple[float, ...]
    body: bytes
    verified: bool
    error: StreamifyError | None

    @property
    def spread(self) -> float:
        """Seconds between the first and the last arrival."""
        return self.times[-1] - self.times[0] if self.times else 0.0

    @property
    def answered_probe(self) -> Mapping[str, Any] | None:
        """Return the first line of the response to a probe; None: the function did not answer the probe."""
        try:
            said = json.loads(self.body.partition(b"\n")[0])
        except ValueError:
            return None
        return said if isinstance(said, Mapping) and "streamify" in said else None


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to call the function: by its name or by a URL."""

    label: str
    check: str
    target: str
    probe_argument: str  # the argument of `StreamClient.stream` that carries a probe
    auth: str | None = None  # whether requests to a URL are signed, where its host does not say

    @property
    def arguments(self) -> dict[str, Any]:
        return {"auth": self.auth} if self.auth else {}

    def ask(self, mode: str) -> dict[str, Any]:
        if self.probe_argument == "headers":
            return {"headers": {PROBE: mode}, **self.arguments}
        return {"client_context": {"custom": {PROBE: mode}}}


def probe(facts: Facts, payload: Payload, session: Any, options: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Invoke the examined function in every known way, and return the findings."""
    probes = payload is None
    if probes and not is_ours(facts):
        seen = "The function was not invoked: it is not known to use streamify, so its handler would run."
        return (Finding("unknown", "invoke", seen, "Give its handler an event: --payload."),)
    limit = _timeout(facts) + _PATIENCE
    with StreamClient(
        session=session, **{**options, "region_name": facts.region}, total_timeout=limit
    ) as client:
        return tuple(
            finding
            for way in _ways(facts)
            for finding in (_of_probe(client, way) if probes else _of_handler(client, way, payload))
        ) + tuple(_not_called(facts))


def is_ours(facts: Facts) -> bool:
    """Return whether a probe is safe: the handler's own module uses streamify_server."""
    package = facts.package
    return package is not None and not isinstance(package, Unread) and bool(package.handler_uses_streamify)


def _ways(facts: Facts) -> Iterator[_Way]:
    target = facts.target
    if target.function is not None:
        yield _Way("By name", "invoke", target.function, "client_context")
    urls: Sequence[Mapping[str, Any]] = () if isinstance(facts.urls, Unread) else facts.urls or ()
    signed = {_host(str(each.get("FunctionUrl"))) for each in urls if each.get("AuthType") == "AWS_IAM"}
    url = str(urls[0].get("FunctionUrl")) if urls and target.kind == "function" else target.text
    if (target.kind != "function" or urls) and not _is_guarded_api(facts):
        auth = "iam" if _host(url) in signed else None
        yield _Way("Through the URL", "invoke.url", url, "headers", auth)


def _not_called(facts: Facts) -> Iterator[Finding]:
    if _is_guarded_api(facts):
        seen = "Through the URL: not called, since the API's callers need authorization."
        yield Finding("unknown", "invoke.url", seen, "Call it with what it wants, and see how pieces arrive.")


def _is_guarded_api(facts: Facts) -> bool:
    return isinstance(facts.integration, Integration) and facts.integration.guarded


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()


def _timeout(facts: Facts) -> float:
    return float(facts.known.get("Timeout", 900))


def _of_probe(client: StreamClient, way: _Way) -> Iterator[Finding]:
    first = _arrival(client, way.target, None, **way.ask("stream"))
    if first.error is not None and not first.times:
        yield _failed(way, first.error)
        return
    said = first.answered_probe
    if said is None:
        what = "header" if way.probe_argument == "headers" else "client context"
        seen = f"{way.label}: the handler answered in place of the probe, so the {what} does not arrive."
        yield Finding(
            "FAIL", f"{way.check}.context", seen, f"Look for what drops the {what}: a proxy, an old layer."
        )
        return
    yield Finding(
        "ok", f"{way.check}.context", f"{way.label}: streamify {said['streamify']} answered the probe."
    )
    yield _pieces(way, first)
    yield _verified(way, first)
    second = _arrival(client, way.target, None, **way.ask("stream"))
    yield _first_byte(way, first, second, cold=bool(said.get("first")))
    yield _failure(
        way, "before the first byte", _arrival(client, way.target, None, **way.ask("error-before"))
    )
    yield _failure(way, "in mid-stream", _arrival(client, way.target, None, **way.ask("error-after")))
    yield _unverified(way, _arrival(client, way.target, None, **way.ask("error-after"), verified="off"))


def _of_handler(client: StreamClient, way: _Way, payload: Payload) -> Iterator[Finding]:
    arrival = _arrival(client, way.target, payload, **way.arguments)
    if arrival.error is not None:
        yield _failed(way, arrival.error)
    if not arrival.times:
        return
    if len(arrival.times) > 1 and arrival.spread > 0.05:
        seen = f"{way.label}: {len(arrival.times)} pieces in {arrival.spread:.2f} s."
        yield Finding("ok", f"{way.check}.streamed", seen)
    else:
        seen = f"{way.label}: everything arrived at once, after {arrival.times[0]:.2f} s."
        cure = "If the handler writes over a longer time, something buffers: see the lines above."
        yield Finding("unknown", f"{way.check}.streamed", seen, cure)
    yield _verified(way, arrival)


def _failed(way: _Way, error: StreamifyError) -> Finding:
    cure = next((cure for kind, cure in _CURES.items() if isinstance(error, kind)), "")
    refused = isinstance(error, HttpStatusError | InvocationError) and error.status_code == 403
    if refused and way.check == "invoke.url":
        cure = "The caller may not call it: see url.auth and url.permissions, and sign where it wants that."
    return Finding("FAIL", way.check, f"{way.label}: {type(error).__name__}: {error}", cure)


_CURES: dict[type[StreamifyError], str] = {
    ThrottledError: "Invoke it when fewer streams run, or reserve more concurrency.",
    InvocationError: "Allow lambda:InvokeFunction to this caller, if the error says that it may not.",
    FunctionError: "Read the function's log: aws logs tail /aws/lambda/FUNCTION.",
    HttpStatusError: "Read the function's log; a 502 or 500 comes from an answer that is no HTTP response.",
    StreamTimeoutError: "Look for what waits: the function's log tells how far it came.",
    ConnectError: "Check the URL, the network and proxies on the way.",
    StreamError: "Read the function's log: the function, or something on the way, ended too early.",
}


def _pieces(way: _Way, arrival: Arrival) -> Finding:
    gaps = [after - before for before, after in zip(arrival.times, arrival.times[1:], strict=False)]
    if arrival.spread >= _STREAMED:
        seen = f"{way.label}: it streams; pieces came {', '.join(f'{gap:.2f}' for gap in gaps)} s apart."
        return Finding("ok", f"{way.check}.streamed", seen)
    seen = f"{way.label}: three pieces sent {_GAP} s apart arrived at once, after {arrival.times[0]:.2f} s."
    cure = (
        "Something in between buffers: the invoke mode, the API's transfer mode, a proxy, STREAMIFY_RESPOND."
    )
    return Finding("FAIL", f"{way.check}.streamed", seen, cure)


def _verified(way: _Way, arrival: Arrival) -> Finding:
    if arrival.verified:
        return Finding(
            "ok", f"{way.check}.verified", f"{way.label}: the stream says itself that it is whole."
        )
    seen = f"{way.label}: the stream is not verified, so a cut may look like its end."
    return Finding(
        "warn", f"{way.check}.verified", seen, "Use streamify on both ends, and let its offer through."
    )


def _first_byte(way: _Way, first: Arrival, second: Arrival, *, cold: bool) -> Finding:
    start = "a cold start" if cold else "a warm start"
    warm = f", {second.times[0]:.2f} s on the second" if second.times else ""
    seen = f"{way.label}: first byte after {first.times[0]:.2f} s on the first call ({start}){warm}."
    return Finding("ok", f"{way.check}.first-byte", seen)


def _failure(way: _Way, when: str, arrival: Arrival) -> Finding:
    check = f"{way.check}.error-{'after' if 'mid' in when else 'before'}"
    if isinstance(arrival.error, FunctionError):
        return Finding("ok", check, f"{way.label}: an error {when} raises FunctionError.")
    if arrival.error is not None:
        kind = type(arrival.error).__name__
        level_ok = isinstance(arrival.error, StreamError)
        seen = f"{way.label}: an error {when} raises {kind}, without the function's own message."
        return Finding("ok" if level_ok else "warn", check, seen)
    seen = f"{way.label}: an error {when} looks like a normal end."
    return Finding("FAIL", check, seen, "Let the offer of verified streams through; see verified above.")


def _unverified(way: _Way, arrival: Arrival) -> Finding:
    check = f"{way.check}.unverified"
    if arrival.error is None:
        seen = f"{way.label}: a caller without verified streams sees an error in mid-stream as a normal end."
        return Finding(
            "warn", check, seen, "Read with streamify_client and verified='require' where it matters."
        )
    seen = (
        f"{way.label}: a caller without verified streams gets {type(arrival.error).__name__} in mid-stream."
    )
    return Finding("ok", check, seen)


def _arrival(client: StreamClient, target: str, payload: Payload, **arguments: Any) -> Arrival:
    times: list[float] = []
    body = bytearray()
    error: StreamifyError | None = None
    stream = client.stream(target, payload, raise_for_status=True, **arguments)
    begin = time.monotonic()
    try:
        with stream:
            for piece in stream.iter_bytes():
                times.append(time.monotonic() - begin)
                body += piece[: 65536 - len(body)]
            verified = stream.result.verified
    except StreamifyError as broken:
        error, verified = broken, False
    return Arrival(tuple(times), bytes(body), verified, error)
