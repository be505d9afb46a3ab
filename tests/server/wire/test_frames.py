"""Frames that are written many at a time are those that are written one by one."""

import pytest

from streamify_server.wire.frames import encode_frame, frame_writer


def test_a_writer_of_frames_writes_what_is_encoded_one_by_one_whatever_its_size() -> None:
    written: list[bytes] = []
    write, count = frame_writer(":event-type", "data", written.append)
    payloads = [bytes(size) for size in (1, 255, 256, 257, 70_000, *range(1, 1100), 255)]
    for payload in payloads:
        write(payload)
    assert written == [encode_frame([(":event-type", "data")], payload) for payload in payloads]
    assert count() == (sum(map(len, payloads)), len(payloads))


def test_a_payload_that_could_not_be_written_does_not_count() -> None:
    def refuse(frame: bytes) -> None:
        raise ConnectionError(len(frame))

    write, count = frame_writer(":event-type", "data", refuse)
    with pytest.raises(ConnectionError):
        write(b"lost")
    assert count() == (0, 0)
