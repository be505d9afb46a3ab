import json
import tracemalloc
from typing import Any

from streamify_server.local import Fault
from streamify_server.local.events import FaultInjected, LogWritten
from streamify_server.local.inspector.store import Cursor, Limits, Store
from streamify_server.local.stream_parts import StreamPart
from support.waterfalls import VERIFIED, frame, http, invocation


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
    assert found["bars"] == [[0.5, 0.5, 2, 1, "he", "data"], [0.75, 0.75, 3, 1, "llo", "data"]]
    assert (found["firstByte"], found["lastByte"], found["bytes"], found["chunks"]) == (0.5, 0.75, 5, 2)
    assert (found["status"], found["payload"], found["error"]) == ("success", '{"prompt": "hi"}', None)


def test_a_reader_is_given_only_what_is_new() -> None:
    *begin, last, end = invocation(1, 100.0, [(0.1, b"a"), (0.2, b"b"), (0.3, b"c")])
    store, cursor = store_of(*begin), Cursor()
    assert only(store.changes(cursor))["from"] == 0
    store.observe(last)
    change = only(store.changes(cursor))
    again = [0.2, 0.2, 1, 1, "b", "data"]  # more might have come to it
    assert (change["from"], change["bars"]) == (1, [again, [0.3, 0.3, 1, 1, "c", "data"]])
    assert store.changes(cursor) == {"kept": [1], "invocations": []}
    store.observe(end)
    assert only(store.changes(cursor))["from"] == 2


def test_a_bar_to_which_chunks_come_is_told_again() -> None:
    events = list(invocation(1, 100.0, [(0.1 * n, b"x") for n in range(7)]))
    store, cursor = store_of(*events[:8], limits=Limits(bars=4)), Cursor()
    assert [bar[3] for bar in only(store.changes(cursor))["bars"]] == [2, 2, 2]
    store.observe(events[8])
    change = only(store.changes(cursor))
    assert (change["from"], [bar[3] for bar in change["bars"]]) == (2, [2, 1])


def test_a_reader_is_given_all_bars_again_when_they_were_merged() -> None:
    events = list(invocation(1, 100.0, [(0.1 * n, b"x") for n in range(5)]))
    store, cursor = store_of(*events[:6], limits=Limits(bars=4)), Cursor()
    store.changes(cursor)
    store.observe(events[6])
    change = only(store.changes(cursor))
    assert change["from"] == 0
    assert [bar[3] for bar in change["bars"]] == [2, 2, 1]


def logged(number: int, *lines: tuple[float, str]) -> list[Any]:
    """The events of an invocation that logs these lines."""
    return list(invocation(number, 100.0, [(0.1, b"a")], log=list(lines)))


def test_log_lines_are_told_once_with_the_invocation_they_belong_to() -> None:
    begin, *rest = logged(1, (0.25, "first"), (0.5, "second"))
    other = list(logged(2, (0.1, "of another")))
    store, cursor = store_of(begin, other[0], *other[3:4], rest[2]), Cursor()
    first, second = store.changes(cursor)["invocations"]
    assert (first["linesFrom"], first["lines"]) == (0, [[0.25, "first"]])
    assert second["lines"] == [[0.1, "of another"]]
    store.observe(rest[3])
    change = only(store.changes(cursor))
    assert (change["linesFrom"], change["lines"]) == (1, [[0.5, "second"]])


def test_log_lines_are_kept_up_to_a_number_and_a_length() -> None:
    few = store_of(*logged(1, *((0.1, str(number)) for number in range(5))), limits=Limits(lines=3))
    found = only(few.changes({}))
    assert ([line for _, line in found["lines"]], found["logTruncated"]) == (["0", "1", "2"], True)
    short = store_of(*logged(1, (0.1, "abcd"), (0.1, "efgh"), (0.1, "i")), limits=Limits(log=6))
    found = only(short.changes({}))
    assert ([line for _, line in found["lines"]], found["logTruncated"]) == (["abcd", "ef"], True)
    whole = only(store_of(*logged(1, (0.1, "abcd")), limits=Limits(lines=1, log=4)).changes({}))
    assert whole["logTruncated"] is False


def test_what_an_injected_fault_did_is_told() -> None:
    events = list(invocation(1, 100.0, [(0.1, b"a")]))
    request_id = str(events[0].request_id)
    fault = FaultInjected("fn", request_id, 101.0, Fault(drop_end=True), "sent no end event")
    assert only(store_of(*events, fault).changes({}))["fault"] == "sent no end event"


def test_an_export_names_everything_that_is_known() -> None:
    store = store_of(*logged(1, (0.25, "first")))
    found = store.find(1)
    assert found
    known = json.loads(json.dumps(found.export()))
    assert known["bars"] == [{"at": 0.1, "until": 0.1, "size": 1, "chunks": 1, "text": "a", "kind": "data"}]
    assert known["lines"] == [{"at": 0.25, "line": "first"}]
    assert (known["payload"], known["status"]) == ('{"prompt": "hi"}', "success")
    assert store.find(2) is None


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
    log = [(0.1, "secret")]
    events = invocation(1, 100.0, chunks, payload=b'"secret"', content_type=content_type, log=log)
    found = only(store_of(*events, payloads=False).changes({}))
    assert "secret" not in json.dumps(found)
    assert (found["httpStatus"], found["bytes"]) == (200, len(head) + 6)


def test_an_error_of_a_verified_stream_is_told_with_message_and_trace() -> None:
    from streamify_server.wire.frames import encode_frame

    error = b'{"errorType": "KeyError", "errorMessage": "gone", "stackTrace": ["line 1\\n", "line 2\\n"]}'
    head, report = (
        encode_frame([(":event-type", "head")], b"{}"),
        encode_frame([(":event-type", "error")], error),
    )
    chunks = [(0.1, head), (0.2, report)]
    content_type = "application/vnd.streamify.eventstream"
    options: dict[str, Any] = {"status": "error", "error_type": "Function.KeyError"}
    events = invocation(1, 100.0, chunks, content_type=content_type, **options)
    found = only(store_of(*events).changes({}))
    assert found["error"] == {"type": "KeyError", "message": "gone", "trace": "line 1\nline 2"}
    assert found["verified"]
    assert [bar[5] for bar in found["bars"]] == ["head", "error"]


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
    limits = Limits(invocations=2, bars=10, text=50, payload=5, lines=20, log=55)
    chunks = [(0.001 * n, b"0123456789") for n in range(1000)]
    log = [(0.1, "0123456789")] * 1000
    store = Store(limits=limits)
    for number in range(5):
        for event in invocation(number, 100.0, chunks, payload=b'"0123456789"', log=log):
            store.observe(event)
    for found in store.changes({})["invocations"]:
        assert len(found["bars"]) <= 10
        assert sum(len(bar[4]) for bar in found["bars"]) == 50
        assert found["textTruncated"]
        assert (sum(len(line) for _, line in found["lines"]), found["logTruncated"]) == (55, True)
        assert (found["payload"], found["payloadTruncated"]) == ('"0123', True)
        assert found["bytes"] == 10_000


def test_a_later_part_names_its_stream_as_the_first_part_is_named() -> None:
    end = [(0.1, frame("end", {"bytes": 0, "chunks": 0, "continues": True}))]
    first_events = list(invocation(1, 100.0, end, content_type=VERIFIED))
    stream = first_events[0].request_id or ""
    store = store_of(*first_events, *invocation(2, 101.0, [(0.1, b"a")], part=StreamPart(2, stream)))
    first, second = store.changes({})["invocations"]
    assert (first["part"], first["stream"], first["handedOver"]) == (1, first["id"], True)
    assert (second["part"], second["stream"], second["handedOver"]) == (2, first["id"], False)
    assert first["bars"][0][5] == "hand-over"
