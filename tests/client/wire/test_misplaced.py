"""Finding a prelude in front of a body that should have none."""

import pytest

from streamify_client.wire.misplaced import SEARCHED, MisplacedPreludeDetector
from support.decoding import every_split

NULS = b"\0" * 8
PRELUDES = [
    b'{"statusCode": 200}',
    b' {"headers": {}, "x": 1}',
    b'{"cookies":[]}',
    b'{"statusCode":404,"a":"}"}',
]


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("prelude", PRELUDES)
def test_a_prelude_is_found_however_it_is_split(prelude: bytes, hold: bool) -> None:
    for chunks in every_split(prelude + NULS + b"body"):
        detector = MisplacedPreludeDetector(hold=hold)
        passed = b""
        for chunk in chunks:
            passed += b"".join(detector.receive(chunk))
            if detector.found:
                break
        assert detector.found
        assert passed == b"" if hold else (prelude + NULS).startswith(passed)


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize(
    "body", [b"", b"text", b'{"a": 1}', b'{"a": 1}' + NULS, b"{" + NULS, b"[" + NULS, b" " * 70 + b"{", NULS]
)
def test_every_other_body_passes_whole(body: bytes, hold: bool) -> None:
    for chunks in every_split(body):
        detector = MisplacedPreludeDetector(hold=hold)
        passed = b"".join(part for chunk in chunks for part in detector.receive(chunk))
        passed += b"".join(detector.finish())
        assert (passed, detector.found) == (body, False)


def test_nothing_is_kept_back_beyond_the_part_that_is_searched() -> None:
    detector = MisplacedPreludeDetector(hold=True)
    assert detector.receive(b"{" + b"x" * SEARCHED) == [b"{" + b"x" * SEARCHED]
    assert detector.receive(b"more") == [b"more"]


def test_a_stream_is_not_held_up() -> None:
    detector = MisplacedPreludeDetector(hold=False)
    assert detector.receive(b'{"statusCode"') == [b'{"statusCode"']
