"""Frames: golden bytes, every split, botocore as the reference, and nothing damaged handed on."""

import struct
import sys
import tracemalloc
from typing import Any
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.checksum import crc32_function
from streamify_client.wire.errors import CorruptInputError, TruncatedInputError
from streamify_client.wire.eventstream import FrameDecoder, encode_frame, parse_headers
from support.decoding import (
    EachFrame,
    checked_lengths,
    decode,
    every_split,
    outcome,
    raw_frame,
    raw_header,
    splits,
)

PAYLOAD_CHUNK = bytes.fromhex(
    "000000760000005a980e72ec0b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e74656e742d747970"
    "650700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e744865"
    "6c6c6f20776f726c642033971fd8"
)
INVOKE_COMPLETE = bytes.fromhex(
    "00000066000000541f56c8690b3a6576656e742d7479706507000e496e766f6b65436f6d706c6574650d3a636f6e74656e742d74"
    "7970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b7d7006d467"
)
CHUNK_HEADERS = {
    ":event-type": "PayloadChunk",
    ":content-type": "application/octet-stream",
    ":message-type": "event",
}
COMPLETE_HEADERS = {
    ":event-type": "InvokeComplete",
    ":content-type": "application/json",
    ":message-type": "event",
}


def botocore_frames(data: bytes) -> tuple[list[tuple[dict[str, Any], bytes]], Exception | None]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    frames: list[tuple[dict[str, Any], bytes]] = []
    try:
        for message in buffer:
            headers: Any = message.headers  # botocore annotates nothing
            frames.append((headers, message.payload))
    except (ParserError, struct.error, KeyError, UnicodeDecodeError) as error:
        return frames, error
    return frames, None


def test_the_frames_that_lambda_sends_are_read() -> None:
    frames, error = decode(EachFrame(), [PAYLOAD_CHUNK + INVOKE_COMPLETE])
    assert error is None
    assert frames == [(CHUNK_HEADERS, b"Hello world "), (COMPLETE_HEADERS, b"{}")]


@pytest.mark.parametrize(
    ("headers", "payload", "golden"),
    [(CHUNK_HEADERS, b"Hello world ", PAYLOAD_CHUNK), (COMPLETE_HEADERS, b"{}", INVOKE_COMPLETE)],
)
def test_the_encoder_makes_the_bytes_that_lambda_makes(
    headers: dict[str, str], payload: bytes, golden: bytes
) -> None:
    assert encode_frame(headers, payload) == golden


def test_a_header_too_long_for_a_frame_is_refused_by_the_encoder() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode_frame({"n" * 256: ""})
    with pytest.raises(ValueError, match="too long"):
        encode_frame({"name": "v" * 65_536})


def test_every_split_gives_the_same_frames() -> None:
    data = PAYLOAD_CHUNK + raw_frame() + INVOKE_COMPLETE
    whole = outcome(EachFrame(), [data])
    assert len(whole[0]) == 3
    for chunks in every_split(data):
        assert outcome(EachFrame(), chunks) == whole


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_taken(kind: type) -> None:
    assert EachFrame().receive(kind(PAYLOAD_CHUNK)) == [(CHUNK_HEADERS, b"Hello world ")]


def test_a_frame_does_not_change_with_the_bytes_it_was_read_from() -> None:
    data = bytearray(PAYLOAD_CHUNK)
    frames = FrameDecoder().receive(data)
    data[:] = bytes(len(data))
    assert [run.payloads for run in frames] == [[b"Hello world "]]


def test_frames_with_the_same_headers_come_together_and_say_where_they_stand() -> None:
    data = PAYLOAD_CHUNK + encode_frame(CHUNK_HEADERS, b"") + PAYLOAD_CHUNK + INVOKE_COMPLETE
    chunks, complete = FrameDecoder().receive(data)
    assert (chunks.payloads, complete.payloads) == ([b"Hello world ", b"", b"Hello world "], [b"{}"])
    ends = [0, len(PAYLOAD_CHUNK), 2 * len(PAYLOAD_CHUNK) - 12, len(data) - len(INVOKE_COMPLETE)]
    assert [chunks.offset(index) for index in range(4)] == ends
    assert (complete.offset(0), complete.offset(1)) == (ends[3], len(data))


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (0, b"", True),
        (1, b"", False),
        (2, b"\xff", -1),
        (3, b"\x80\x00", -32_768),
        (4, b"\x7f\xff\xff\xff", 2_147_483_647),
        (5, b"\x80" + bytes(7), -(2**63)),
        (6, b"\x00\x03\x00\xff\x01", b"\x00\xff\x01"),
        (6, b"\x00\x00", b""),
        (7, "\0\5h\xe9\u2028".encode()[:1] + b"\x06" + "hé\u2028".encode(), "hé\u2028"),
        (7, b"\x00\x00", ""),
        (8, struct.pack("!q", 1_700_000_000_123), 1_700_000_000_123),
        (9, bytes(range(16)), UUID(bytes=bytes(range(16)))),
    ],
)
def test_all_ten_types_of_header_are_read(kind: int, raw: bytes, value: object) -> None:
    block = raw_header("before", 0, b"") + raw_header("it", kind, raw) + raw_header("after", 1, b"")
    headers = parse_headers(block)
    assert headers == {"before": True, "it": value, "after": False}
    assert type(headers["it"]) is type(value)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (raw_header("twice", 0, b"") * 2, "twice"),
        (raw_header("name", 10, b""), "unknown type 10"),
        (raw_header("name", 255, b""), "unknown type 255"),
        (raw_header("name", 7, b"\x00\x05four"), "beyond"),
        (raw_header("name", 6, b"\xff\xff"), "beyond"),
        (raw_header("name", 7, b"\x00"), "beyond"),
        (raw_header("name", 5, bytes(7)), "beyond"),
        (raw_header("name", 8, bytes(7)), "beyond"),
        (raw_header("name", 9, bytes(15)), "beyond"),
        (raw_header("name", 7, b"\x00\x01\xff"), "not UTF-8"),
        (b"\x02\xff\xfe\x00", "not UTF-8"),
        (b"\x04nam", "beyond"),
        (b"\x04name", "no value"),
    ],
)
def test_a_header_that_breaks_the_format_is_corrupt(block: bytes, message: str) -> None:
    with pytest.raises(CorruptInputError, match=message):
        FrameDecoder().receive(raw_frame(block))


def lengths(total: int, headers: int) -> bytes:
    raw = struct.pack("!II", total, headers)
    return raw + struct.pack("!I", crc32_function()(raw, 0))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (lengths(0xFFFFFFFF, 0), "payload, the limit is 25165824"),
        (lengths(0xFFFFFFFF, 0xFFFFFFF0), "of headers, the limit is 131072"),
        (lengths(16 + 128 * 1024 + 1, 128 * 1024 + 1), "of headers"),
        (lengths(16 + 24 * 1024 * 1024 + 1, 0), "of payload"),
        (lengths(0, 0), "contradict"),
        (lengths(15, 0), "contradict"),
        (lengths(20, 5), "contradict"),
        (b"\xff\xff\xff\xff" + lengths(16, 0)[4:], "checksum of a frame's lengths"),
    ],
)
def test_lengths_that_lie_are_refused_before_anything_is_waited_for(head: bytes, message: str) -> None:
    frames, error = decode(EachFrame(), [PAYLOAD_CHUNK + head])
    assert len(frames) == 1
    assert isinstance(error, CorruptInputError)
    assert message in error.message
    assert error.offset == len(PAYLOAD_CHUNK)
    with pytest.raises(CorruptInputError, match=message):
        FrameDecoder().receive(head)


def test_the_largest_frame_is_read_and_its_limits_can_be_set() -> None:
    ((_, payload),) = EachFrame().receive(raw_frame(payload=bytes(24 * 1024 * 1024)))
    assert len(payload) == 24 * 1024 * 1024
    small = FrameDecoder(max_headers=7, max_payload=3)
    assert len(small.receive(raw_frame(raw_header("12345", 0, b""), b"123"))) == 1
    with pytest.raises(CorruptInputError):
        small.receive(raw_frame(payload=b"1234"))


def test_good_frames_before_a_bad_one_are_handed_on_and_the_error_stays() -> None:
    bad = bytearray(INVOKE_COMPLETE)
    bad[-1] ^= 1
    for chunks in every_split(PAYLOAD_CHUNK + bytes(bad)):
        decoder = EachFrame()
        frames, error = decode(decoder, chunks)
        assert frames == [(CHUNK_HEADERS, b"Hello world ")]
        assert isinstance(error, CorruptInputError)
        assert error.offset == len(PAYLOAD_CHUNK)
        for again in (lambda d=decoder: d.receive(PAYLOAD_CHUNK), decoder.finish):
            with pytest.raises(CorruptInputError):
                again()


def test_every_single_flipped_bit_is_found() -> None:
    good = INVOKE_COMPLETE + PAYLOAD_CHUNK
    for bit in range(len(good) * 8):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        frames, error = decode(EachFrame(), [bytes(damaged)])
        assert isinstance(error, CorruptInputError | TruncatedInputError)
        assert [payload for _, payload in frames] == ([] if bit < len(INVOKE_COMPLETE) * 8 else [b"{}"])


def test_an_end_between_frames_is_clean_and_one_inside_a_frame_is_not() -> None:
    for cut in range(1, len(PAYLOAD_CHUNK)):
        frames, error = decode(EachFrame(), [PAYLOAD_CHUNK + PAYLOAD_CHUNK[:cut]])
        assert len(frames) == 1
        assert isinstance(error, TruncatedInputError)
        assert error.offset == len(PAYLOAD_CHUNK)
    assert decode(EachFrame(), [PAYLOAD_CHUNK])[1] is None
    assert decode(EachFrame(), [])[1] is None


def test_a_large_frame_in_single_bytes_is_checked_once_and_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that grows with the square of the frame would show in bytes checked or in bytes held."""
    checked = checked_lengths(monkeypatch)
    size = 512 * 1024
    data = memoryview(raw_frame(payload=bytes(size)))
    decoder = EachFrame()
    tracemalloc.start()
    try:
        frames = [frame for i in range(len(data)) for frame in decoder.receive(data[i : i + 1])]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [len(payload) for _, payload in frames] == [size]
    assert sum(checked) == len(data) - 4 + 8
    assert peak < 3 * size


sizes = st.sampled_from([0, 1, 100, 16_000, 20_000, 70_000])


@given(st.lists(sizes, max_size=6), st.data())
@settings(max_examples=50)
def test_views_are_read_as_bytes_are(lengths: list[int], data: st.DataObject) -> None:
    payloads = [bytes([number]) * length for number, length in enumerate(lengths)]
    sent = b"".join(encode_frame({"kind": "x" * (n % 2)}, payload) for n, payload in enumerate(payloads))
    pieces = [memoryview(piece) if data.draw(st.booleans()) else piece for piece in data.draw(splits(sent))]
    for views in (False, True):
        decoder = FrameDecoder()
        decoder.views = views
        batches = data.draw(splits(pieces))
        found = [frames for batch in batches for frames in decoder.receive_each(batch)]
        assert decoder.finish() == []
        assert [bytes(payload) for frames in found for payload in frames.payloads] == payloads
        assert [frames.headers["kind"] for frames in found for _ in frames.payloads] == [
            "x" * (n % 2) for n in range(len(payloads))
        ]
        assert [frames.start for frames in found if frames.payloads[0] == payloads[0]][:1] in ([], [0])


def test_a_large_payload_is_not_copied_for_another_decoder() -> None:
    sent = encode_frame({}, bytes(70_000)) + encode_frame({}, b"small")
    decoder = FrameDecoder()
    decoder.views = True
    (frames,) = decoder.receive_each([memoryview(sent)])
    large, small = frames.payloads
    assert isinstance(large, memoryview)
    assert large.obj is sent
    assert small == b"small"


def test_damage_in_a_view_is_found_behind_the_good_frames() -> None:
    good, bad = encode_frame({}, bytes(70_000)), bytearray(encode_frame({}, bytes(70_000)))
    bad[40_000] ^= 1
    for cut in (0, 30_000):
        decoder = FrameDecoder()
        sent = memoryview(good + bytes(bad))
        found = decoder.receive_each([sent[:cut], sent[cut:]])
        assert [len(payload) for frames in found for payload in frames.payloads] == [70_000]
        assert isinstance(decoder.error, CorruptInputError)
        assert decoder.error.offset == len(good)


def test_a_length_that_lies_within_the_limits_allocates_nothing() -> None:
    decoder = FrameDecoder()
    tracemalloc.start()
    try:
        assert decoder.receive(lengths(16 + 24 * 1024 * 1024, 0)) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


names = st.text(min_size=1, max_size=8)
strings = st.text(max_size=20)
frames_made = st.lists(
    st.tuples(st.dictionaries(names, strings, max_size=4), st.binary(max_size=60)), max_size=4
)


@given(frames_made, st.data())
@settings(max_examples=100)
def test_botocore_reads_what_is_encoded_and_so_does_the_decoder_in_any_split(
    frames: list[tuple[dict[str, str], bytes]], data: st.DataObject
) -> None:
    encoded = b"".join(encode_frame(headers, payload) for headers, payload in frames)
    assert botocore_frames(encoded) == (frames, None)
    read, error = decode(EachFrame(), data.draw(splits(encoded)))
    assert error is None
    assert read == frames


values = st.one_of(
    st.sampled_from([(0, b""), (1, b"")]),
    st.binary(min_size=1, max_size=1).map(lambda raw: (2, raw)),
    st.binary(min_size=2, max_size=2).map(lambda raw: (3, raw)),
    st.binary(min_size=4, max_size=4).map(lambda raw: (4, raw)),
    st.tuples(st.sampled_from([5, 8]), st.binary(min_size=8, max_size=8)),
    st.binary(max_size=9).map(lambda raw: (6, struct.pack("!H", len(raw)) + raw)),
    strings.map(lambda text: (7, struct.pack("!H", len(text.encode())) + text.encode())),
    st.binary(min_size=16, max_size=16).map(lambda raw: (9, raw)),
)
header_blocks = st.lists(st.tuples(names, values), max_size=4).map(
    lambda headers: b"".join(raw_header(name, kind, raw) for name, (kind, raw) in headers)
)


@given(st.one_of(header_blocks, st.binary(max_size=40)), st.binary(max_size=20))
@settings(max_examples=200)
def test_header_blocks_mean_what_they_mean_to_botocore(block: bytes, payload: bytes) -> None:
    theirs, their_error = botocore_frames(raw_frame(block, payload))
    ours, error = decode(EachFrame(), [raw_frame(block, payload)])
    if their_error is not None:
        assert isinstance(error, CorruptInputError)
    elif error is None:
        headers, payload = ours[0]
        plain = {k: v.bytes if isinstance(v, UUID) else v for k, v in headers.items()}
        assert [(plain, payload)] == theirs
    else:  # botocore takes bytes and strings that their frame cuts short
        assert "beyond the headers" in str(error)


@given(st.data(), st.binary(max_size=200))
@settings(max_examples=100)
def test_any_bytes_in_any_split_give_the_same_frames_or_errors_of_the_wire(
    data: st.DataObject, noise: bytes
) -> None:
    given_bytes = data.draw(st.sampled_from([b"", PAYLOAD_CHUNK, INVOKE_COMPLETE])) + noise
    assert outcome(EachFrame(), data.draw(splits(given_bytes))) == outcome(EachFrame(), [given_bytes])


def test_the_checksum_of_zlib_serves_where_isal_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = crc32_function()
    crc32_function.cache_clear()
    monkeypatch.setitem(sys.modules, "isal", None)
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    try:
        assert crc32_function()(b"123456789", 0) == fast(b"123456789", 0) == 0xCBF43926
        assert crc32_function() is not fast
    finally:
        crc32_function.cache_clear()


@pytest.mark.parametrize("size", [0, 100, 16_300, 20_000])
def test_what_a_frame_misses_is_known_once_its_head_is_there(size: int) -> None:
    sent = encode_frame({"kind": "x"}, bytes(size))
    head = len(sent) - size - 4
    decoder = FrameDecoder()
    for at in range(len(sent)):
        assert decoder.receive(sent[at : at + 1]) == [] or at == len(sent) - 1
        assert decoder.wanted == (len(sent) - at - 1 if at + 1 >= head else 0)


def test_a_frame_that_is_cut_between_large_pieces_is_one_of_its_own_kind() -> None:
    large, small = encode_frame({"kind": "a"}, bytes(70_000)), encode_frame({"kind": "b"}, b"small")
    decoder = FrameDecoder()
    found = decoder.receive_each([large + small[:40], small[40:] + large])
    assert [frames.headers["kind"] for frames in found for _ in frames.payloads] == ["a", "b", "a"]
