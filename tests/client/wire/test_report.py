"""Lambda's report of a failure, told from a body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_client.wire.report import FailureReportDetector
from streamify_client.wire.verified import HandlerError
from support.decoding import every_split

REQUEST = "8e942123-ca41-4575-905f-06f581a1519d"
KILLED = {
    "errorType": "Runtime.ExitError",
    "errorMessage": f"RequestId: {REQUEST} Error: Runtime exited with error: signal: killed",
}
RAISED = {"errorMessage": "no", "errorType": "LookupError", "requestId": REQUEST, "stackTrace": ["here"]}
UNIMPORTABLE = {
    "errorMessage": "no",
    "errorType": "Runtime.ImportModuleError",
    "requestId": "",
    "stackTrace": [],
}
BROKEN_MODULE = {"errorMessage": "no", "errorType": "KeyError", "requestId": "", "stackTrace": ["here"]}
NO_ENTRYPOINT = {"errorType": "Runtime.InvalidEntrypoint", "errorMessage": "no"}


def look(*pieces: bytes) -> tuple[bytes, HandlerError | None]:
    """What is passed on as body, and the failure that was found."""
    detector = FailureReportDetector(REQUEST)
    body = b"".join(part for piece in pieces for part in detector.receive(piece))
    return body + b"".join(detector.finish()), detector.failure


@pytest.mark.parametrize("fields", [KILLED, RAISED, UNIMPORTABLE, BROKEN_MODULE, NO_ENTRYPOINT])
def test_a_report_is_a_failure_in_every_split(fields: dict[str, object]) -> None:
    for pieces in every_split(json.dumps(fields).encode()):
        body, failure = look(*pieces)
        assert body == b""
        assert failure is not None
        assert (failure.error_type, failure.message) == (fields["errorType"], fields["errorMessage"])


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(RAISED | {"requestId": "another", "errorType": "Runtime.ExitError"}).encode(),
        json.dumps(RAISED | {"requestId": "another"}).encode(),
        json.dumps(UNIMPORTABLE | {"more": 1}).encode(),
        json.dumps({"errorType": "KeyError", "errorMessage": "no"}).encode(),
        json.dumps({"errorMessage": REQUEST}).encode(),
        json.dumps(KILLED).encode() + b"\n{}",
        json.dumps(KILLED).encode()[:-1],
        b'{"error"',
        b"",
        b'[{"errorType": 1}]',
    ],
)
def test_any_other_body_is_a_body(body: bytes) -> None:
    for pieces in every_split(body):
        assert look(*pieces) == (body, None)


def test_a_body_that_cannot_be_a_report_is_not_held_back() -> None:
    detector = FailureReportDetector(REQUEST)
    assert detector.receive(b'{"e') == []
    assert detector.receive(b"vent") == [b'{"event']
    assert detector.receive(b'{"errorType":"') == [b'{"errorType":"']


@pytest.mark.parametrize(
    "body", [b'{"errors": []}', b'{"error": ', b'{"errorType": null', b'{"errorMessage":1']
)
def test_a_body_that_only_begins_like_a_report_is_let_go_once_that_shows(body: bytes) -> None:
    detector = FailureReportDetector(REQUEST)
    passed = [part for at in range(len(body)) for part in detector.receive(body[at : at + 1])]
    assert b"".join(passed) == body


def test_the_first_line_of_json_lines_is_let_go_with_its_line_feed() -> None:
    line = json.dumps({"errorType": "KeyError", "row": 1}).encode()
    detector = FailureReportDetector(REQUEST)
    assert detector.receive(line) == []
    assert detector.receive(b"\n") == [line + b"\n"]
    assert detector.receive(line) == [line]


def test_what_is_held_back_can_be_let_go_at_any_moment() -> None:
    detector = FailureReportDetector(REQUEST)
    assert detector.receive(b'{"errorMessage": "slow') == []
    assert detector.release() == [b'{"errorMessage": "slow']
    assert detector.receive(b'ly"}') == [b'ly"}']
    assert detector.finish() == []


@pytest.mark.parametrize(("body", "held"), [(b"", False), (b'{"error', True), (b'{"errors"', False)])
def test_a_detector_says_whether_it_holds_bytes_back(body: bytes, held: bool) -> None:
    detector = FailureReportDetector(REQUEST)
    detector.receive(body)
    assert detector.holds is held


def test_what_is_held_back_is_bounded() -> None:
    detector = FailureReportDetector(REQUEST)
    held = b'{"errorType":"' + b" " * 262_144
    assert detector.receive(held) == [held]


@given(st.lists(st.binary()))
def test_no_byte_of_a_body_is_lost(pieces: list[bytes]) -> None:
    assert look(*pieces) == (b"".join(pieces), None)
