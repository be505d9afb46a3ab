"""A verified stream in an event stream: one pass gives what the two decoders give one after the other."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamify_client.wire import BytesLike
from streamify_client.wire.errors import CorruptInputError, TruncatedInputError, WireError
from streamify_client.wire.events import EventDecoder, InvokeComplete
from streamify_client.wire.eventstream import encode_frame
from streamify_client.wire.nested import NestedDecoder
from streamify_client.wire.verified import End, VerifiedDecoder
from support.decoding import checked_lengths, splits

INVOKE_COMPLETE = encode_frame({":message-type": "event", ":event-type": "InvokeComplete"}, b"{}")
HEADERS = {":message-type": "event", ":event-type": "PayloadChunk"}


def inner(kind: str, payload: object) -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return encode_frame({":event-type": kind}, data)


def outer(payload: bytes, **more: str) -> bytes:
    return encode_frame(HEADERS | {f":{name}": value for name, value in more.items()}, payload)


HEAD = inner("head", {"contentType": "text/plain"})
KEEPALIVE = inner("keepalive", b"")


def end(chunks: Sequence[bytes]) -> bytes:
    return inner("end", {"bytes": sum(map(len, chunks)), "chunks": len(chunks)})


def checkpoint(count: int) -> bytes:
    return inner("checkpoint", {"token": "here", "bytes": count})


def paired(chunks: Sequence[bytes]) -> list[bytes]:
    """A whole response, each of whose frames carries one of the verified stream."""
    frames = [HEAD, *(inner("data", chunk) for chunk in chunks), end(chunks)]
    return [*map(outer, frames), INVOKE_COMPLETE]


class OneAfterTheOther:
    """The two decoders as they are."""

    def __init__(self) -> None:
        self.events, self.verified = EventDecoder(), VerifiedDecoder()

    def receive_each(self, pieces: Sequence[BytesLike]) -> list[bytes]:
        return self.verified.receive_each(self.events.receive_each(pieces))


class InOnePass(OneAfterTheOther):
    """Both behind a NestedDecoder."""

    def __init__(self) -> None:
        super().__init__()
        self.events.frames.views = True
        self.nested = NestedDecoder(self.events, self.verified)

    def receive_each(self, pieces: Sequence[BytesLike]) -> list[bytes]:
        return self.nested.receive_each(pieces)


def read(decoder: OneAfterTheOther, reads: Sequence[Sequence[BytesLike]]) -> tuple[list[bytes], Any]:
    """Hand over what each read brought; return the chunks, and what else a program can see."""
    chunks: list[bytes] = []
    failed: WireError | None = None
    for pieces in reads:
        try:
            chunks += decoder.receive_each(pieces)
        except WireError as error:
            failed = error
            break
        if decoder.events.error or decoder.verified.error:
            break
    failed = decoder.verified.error or decoder.events.error or failed
    if failed is None:
        for stage in (decoder.verified, decoder.events):
            try:
                stage.finish()
            except WireError as error:
                failed = failed or error
    assert all(type(chunk) is bytes or chunk == b"" for chunk in chunks)
    return chunks, (
        decoder.verified.head,
        decoder.verified.last,
        None if failed else decoder.events.last,
        type(failed),
        getattr(failed, "offset", None),
        getattr(failed, "message", None),
    )


payloads = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"", b"x" * 100, b"y" * 100, b"z" * 3000, b"large" * 5000, b"other" * 5000, b"x" * 70_000]
    ),
)
steps = st.one_of(
    st.tuples(st.just("data"), payloads),
    st.tuples(st.just("data"), payloads),
    st.tuples(
        st.sampled_from(["keepalive", "checkpoint", "end", "head", "garbage", "complete"]), st.just(b"")
    ),
)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A response that is nearly right: most frames are pairs, some are cut, some do not belong there."""
    chunks: list[bytes] = []
    verified, sent = [HEAD], []
    for kind, payload in draw(st.lists(steps, max_size=14)):
        if kind == "data":
            chunks.append(payload)
        odd = {
            "keepalive": KEEPALIVE,
            "checkpoint": checkpoint(sum(map(len, chunks))),
            "end": end(chunks),
            "head": HEAD,
            "garbage": b"no frame",
            "complete": INVOKE_COMPLETE,
        }
        verified.append(inner("data", payload) if kind == "data" else odd[kind])
    if draw(st.booleans()):
        verified.append(end(chunks))
    for frame in verified:
        if frame == INVOKE_COMPLETE:
            sent.append(frame)
            continue
        parts = draw(splits(frame)) if draw(st.integers(0, 9)) == 0 else [frame]
        more = {"content-type": "x"} if draw(st.integers(0, 9)) == 0 else {}
        sent += [outer(part, **more) for part in parts]
    if draw(st.booleans()):
        sent.append(INVOKE_COMPLETE)
    data = bytearray(b"".join(sent))
    if data and draw(st.integers(0, 3)) == 0:
        data[draw(st.integers(0, len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@given(responses(), st.data())
@settings(max_examples=300)
@example(b"".join(paired([b"x" * 70_000] * 4)), None)
@example(b"".join(paired([b"one", b"two", b"sixth"])), None)
def test_one_pass_gives_what_two_decoders_give(sent: bytes, data: st.DataObject | None) -> None:
    reads: list[Any] = [[sent[at : at + 65_536]] for at in range(0, len(sent), 65_536)]
    if data is not None:
        reads = [
            [memoryview(piece) if data.draw(st.booleans()) else piece for piece in data.draw(splits(part))]
            for part in data.draw(splits(sent))
        ]
    assert read(InOnePass(), reads) == read(OneAfterTheOther(), [[sent]])


def test_pairs_are_read_at_every_split() -> None:
    chunks = [b"one", b"two", b"", b"six", b"seventh", b"two"]
    sent = b"".join(paired(chunks))
    for cut in range(len(sent)):
        decoder = InOnePass()
        assert read(decoder, [[sent[:cut]], [sent[cut:]]])[0] == chunks
        assert decoder.verified.last == End(19, 6)
        assert decoder.events.last == InvokeComplete()
    assert read(InOnePass(), [[sent[at : at + 1]] for at in range(len(sent))])[0] == chunks


KNOWN = [outer(HEAD), *(outer(inner("data", b"known")) for _ in range(3))]
THREE = [b"known"] * 3


@pytest.mark.parametrize("last", [outer(end(THREE)), outer(end(THREE)) + INVOKE_COMPLETE, INVOKE_COMPLETE])
def test_a_known_pair_after_the_last_event_is_corrupt(last: bytes) -> None:
    sent = [[frame] for frame in (*KNOWN, last, KNOWN[-1], KNOWN[-1])]
    chunks, (*_, error, _, message) = read(InOnePass(), sent)
    assert chunks == THREE
    assert error is CorruptInputError
    assert (chunks, message) == (THREE, read(OneAfterTheOther(), sent)[1][-1])


def test_what_looks_like_a_pair_inside_of_a_frame_is_data() -> None:
    """As a function has them that passes another one's stream on, in pieces."""
    within = inner("data", b"known")
    data = b"before" + within + b"after"
    frame = inner("data", data)
    cut = frame.index(within)
    pieces = [frame[:cut], within, frame[cut + len(within) :]]
    sent = [[each] for each in (*KNOWN, *map(outer, pieces), outer(end([*THREE, data])))]
    assert read(InOnePass(), sent)[0] == [*THREE, data]


@pytest.mark.parametrize("size", [3, 20_000])
def test_every_flipped_bit_of_a_known_pair_is_found(size: int) -> None:
    """That the outer checksum is not computed from its bytes must not make it worth less."""
    chunks = [bytes([number]) * size for number in range(4)]
    frames = paired(chunks)
    before, pair, after = b"".join(frames[:3]), frames[3], b"".join(frames[4:])
    bits = (
        range(len(pair) * 8) if size < 100 else [*range(150 * 8), *range((len(pair) - 9) * 8, len(pair) * 8)]
    )
    for bit in bits:
        damaged = bytearray(pair)
        damaged[bit // 8] ^= 1 << bit % 8
        found, (_, last, _, error, _, _) = read(InOnePass(), [[before], [bytes(damaged) + after]])
        assert found == chunks[:2]
        assert last is None
        assert error in (CorruptInputError, TruncatedInputError)


def test_a_payload_is_checked_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = [b"x" * 20_000] * 100
    sent = b"".join(paired(chunks))
    reads = [[sent[at : at + 65_536]] for at in range(0, len(sent), 65_536)]
    checked = checked_lengths(monkeypatch)
    assert read(InOnePass(), reads)[0] == chunks
    assert sum(checked) < 1.15 * len(sent)  # two decoders have the first reads


def test_what_is_remembered_of_a_stream_of_any_sizes_is_bounded() -> None:
    chunks = [b"x" * size for size in [*range(700), *range(20_000, 20_700)]]
    decoder = InOnePass()
    assert read(decoder, [[frame] for frame in paired(chunks)])[0] == chunks
    assert len(decoder.nested._pairs) <= 64
    assert len(decoder.nested._met) <= 64
