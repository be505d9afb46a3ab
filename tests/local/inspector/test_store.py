import json
import tracemalloc
from typing import Any

from streamify_server.local.events import LogWritten
from streamify_server.local.inspector.store import Cursor, Store
from streamify_server.local.inspector.waterfall import Limits
from support.waterfalls import http, invocation


def store_of(*events: Any, **options: Any) -> Store:
    store = Store(**options)
    for event in events:
        store.observe(event)
    return store


def only(changes: dict[str, Any]) -> dict[str, Any]:
    (found,) = changes["invocations"]
    assert isinstance(found, dict)
    json.dumps(found)
    return found


def test_an_invocation_is_told_with_its_chunks_and_their_text() -> None:
    found = only(store_of(*invocation(1, 100.0, [(0.5, b"he"), (0.75, b"llo")])).changes({}))
    assert found["bars"] == [[0.5, 0.5, 2, 1, "he"], [0.75, 0.75, 3, 1, "llo"]]
    assert (found["firstByte"], found["lastByte"], found["bytes"], found["chunks"]) == (0.5, 0.75, 5, 2)
    assert (found["status"], found["payload"], found["error"]) == ("success", '{"prompt": "hi"}', None)


def test_a_reader_is_given_only_what_is_new() -> None:
    *begin, last, end = invocation(1, 100.0, [(0.1, b"a"), (0.2, b"b"), (0.3, b"c")])
    store, cursor = store_of(*begin), Cursor()
    assert only(store.changes(cursor))["from"] == 0
    store.observe(last)
    change = only(store.changes(cursor))
    assert (change["from"], change["bars"]) == (2, [[0.3, 0.3, 1, 1, "c"]])
    assert store.changes(cursor) == {"kept": [1], "invocations": []}
    store.observe(end)
    assert only(store.changes(cursor))["bars"] == []


def test_a_reader_is_given_all_bars_again_when_they_were_merged() -> None:
    events = list(invocation(1, 100.0, [(0.1 * n, b"x") for n in range(5)]))
    store, cursor = store_of(*events[:6], limits=Limits(bars=4)), Cursor()
    store.changes(cursor)
    store.observe(events[6])
    change = only(store.changes(cursor))
    assert change["from"] == 0
    assert [bar[3] for bar in change["bars"]] == [2, 2, 1]


def test_two_readers_do_not_take_from_each_other() -> None:
    store = store_of(*invocation(1, 100.0, [(0.1, b"a")]))
    assert store.changes({}) == store.changes({})


def test_only_the_last_invocations_are_kept() -> None:
    store, cursor = Store(limits=Limits(invocations=2)), Cursor()
    for number in range(1, 5):
        for event in invocation(number, 100.0, [(0.1, b"a")]):
            store.observe(event)
        store.changes(cursor)
    assert store.changes(cursor)["kept"] == [3, 4]
    assert set(cursor) == {3, 4}


def test_events_of_what_is_forgotten_change_nothing() -> None:
    events = list(invocation(1, 100.0, [(0.1, b"a")]))
    store = store_of(*events[:2])
    store.clear()
    notified: list[bool] = []
    store.on_change.add(lambda: notified.append(True))
    for event in events[2:]:
        store.observe(event)
    store.observe(LogWritten("fn", 1.0, "a line"))
    assert store.changes({}) == {"kept": [], "invocations": []}
    assert not notified


def test_without_payloads_no_text_is_kept_but_times_sizes_and_status_are() -> None:
    head = http(200, "text/html").replace(b'"headers": {', b'"headers": {"set-cookie": "secret=1", ')
    chunks = [(0.1, head), (0.2, b"secret")]
    content_type = "application/vnd.awslambda.http-integration-response"
    events = invocation(1, 100.0, chunks, payload=b'"secret"', content_type=content_type)
    found = only(store_of(*events, payloads=False).changes({}))
    assert "secret" not in json.dumps(found)
    assert (found["httpStatus"], found["bytes"]) == (200, len(head) + 6)


def test_an_error_of_a_verified_stream_is_told_with_message_and_trace() -> None:
    from streamify_server.frames import encode_frame

    error = b'{"errorType": "KeyError", "errorMessage": "gone", "stackTrace": ["line 1\\n", "line 2\\n"]}'
    frames = encode_frame([(":event-type", "head")], b"{}") + encode_frame([(":event-type", "error")], error)
    events = invocation(
        1, 100.0, [(0.1, frames)], content_type="application/vnd.streamify.eventstream", status="error",
        error_type="Function.KeyError",
    )  # fmt: skip
    found = only(store_of(*events).changes({}))
    assert found["error"] == {"type": "KeyError", "message": "gone", "trace": "line 1\nline 2"}
    assert found["verified"]


def test_an_error_that_only_lambda_knows_is_told_by_its_type() -> None:
    events = invocation(1, 100.0, [], status="timeout", error_type="Sandbox.Timedout", duration=3.0)
    assert only(store_of(*events).changes({}))["error"] == {"type": "Sandbox.Timedout"}


def test_an_error_is_told_with_what_the_function_said() -> None:
    error = b'{"errorType": "KeyError", "errorMessage": "secret"}'
    events = list(invocation(1, 100.0, [], status="error", error=error))
    found = only(store_of(*events).changes({}))
    assert found["error"] == {"type": "KeyError", "message": "secret", "trace": ""}
    quiet = only(store_of(*events, payloads=False).changes({}))
    assert quiet["error"] == {"type": "KeyError"}


def test_large_payloads_and_errors_are_not_kept() -> None:
    tracemalloc.start()
    try:
        store = Store()
        for number in range(20):
            error = json.dumps({"errorType": "E", "errorMessage": "x" * 1_000_000}).encode()
            payload = b"x" * 1_000_000
            for event in invocation(number, 100.0, [], status="error", payload=payload, error=error):
                store.observe(event)
        assert tracemalloc.get_traced_memory()[0] < 6_000_000
        assert len(store.changes({})["kept"]) == 20
    finally:
        tracemalloc.stop()


def test_memory_is_bounded_however_much_comes() -> None:
    limits = Limits(invocations=2, bars=10, text=50, payload=5)
    chunks = [(0.001 * n, b"0123456789") for n in range(1000)]
    store = Store(limits=limits)
    for number in range(5):
        for event in invocation(number, 100.0, chunks, payload=b'"0123456789"'):
            store.observe(event)
    for found in store.changes({})["invocations"]:
        assert len(found["bars"]) <= 10
        assert sum(len(bar[4]) for bar in found["bars"]) == 50
        assert found["textTruncated"]
        assert (found["payload"], found["payloadTruncated"]) == ('"0123', True)
        assert found["bytes"] == 10_000
