"""Invokes a function, on request: how its bytes arrive, and what its failures look like to a caller.

streamify_server answers a probe itself, without running the function's own code. A caller asks for one in
``custom["streamify-probe"]`` of the client context, or in the HTTP header ``streamify-probe``: "stream" is
three lines of JSON 300 ms apart, "error-before" fails before the first byte, "error-after" after one line.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamify_client.client import StreamClient
from streamify_client.errors import FunctionError, StreamError, StreamifyError
from streamify_client.request.payload import Payload

from ._facts import Facts, Unread
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
        error: What ended it, if it did not end well.
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
        """What the first line of a probe's answer says; None: something else answered."""
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

    def ask(self, mode: str) -> dict[str, Any]:
        if self.probe_argument == "headers":
            return {"headers": {PROBE: mode}}
        return {"client_context": {"custom": {PROBE: mode}}}


def probe(facts: Facts, payload: Payload, session: Any, options: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Invoke the examined function by every way that is known, and return what was seen."""
    ours = is_ours(facts)
    if not ours and payload is None:
        seen = "The function was not invoked: it is not known to use streamify, so its handler would run."
        return (Finding("unknown", "invoke", seen, "Give its handler an event: --payload."),)
    own = None if payload is not None else True
    limit = _timeout(facts) + _PATIENCE
    with StreamClient(
        session=session, **{**options, "region_name": facts.region}, total_timeout=limit
    ) as client:
        return tuple(
            finding
            for way in _ways(facts)
            for finding in (_of_probe(client, way) if own else _of_handler(client, way, payload))
        )


def is_ours(facts: Facts) -> bool:
    """Whether a probe is safe: the handler's own module uses streamify_server."""
    package = facts.package
    return package is not None and not isinstance(package, Unread) and bool(package.handler_uses_streamify)


def _ways(facts: Facts) -> Iterator[_Way]:
    target = facts.target
    if target.function is not None:
        yield _Way("By name", "invoke", target.function, "client_context")
    if target.kind != "function":
        yield _Way("Through the URL", "invoke.url", target.text, "headers")
    elif facts.urls and not isinstance(facts.urls, Unread):
        yield _Way("Through the URL", "invoke.url", str(facts.urls[0].get("FunctionUrl")), "headers")


def _timeout(facts: Facts) -> float:
    found = facts.configuration
    return 900.0 if found is None or isinstance(found, Unread) else float(found.get("Timeout", 3))


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
    arrival = _arrival(client, way.target, payload)
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
    return Finding("FAIL", way.check, f"{way.label}: {type(error).__name__}: {error}")


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
