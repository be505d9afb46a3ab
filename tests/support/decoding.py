"""Feeding decoders in every way in which bytes can arrive."""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import pytest
from hypothesis import strategies as st

from streamify_client.wire import BytesLike
from streamify_client.wire.checksum import crc32_function
from streamify_client.wire.errors import WireError
from streamify_client.wire.eventstream import FrameDecoder


class Decoder(Protocol):
    """The shape that all decoders of the wire share."""

    @property
    def error(self) -> WireError | None: ...

    def receive(self, data: bytes, /) -> list[Any]: ...

    def finish(self) -> list[Any]: ...


def decode(decoder: Decoder, chunks: Iterable[bytes]) -> tuple[list[Any], WireError | None]:
    """Hand the chunks over and finish: what came out, and the error that ended it."""
    items: list[Any] = []
    try:
        for chunk in chunks:
            items += decoder.receive(chunk)
        items += decoder.finish()
    except WireError as error:
        return items, error
    return items, decoder.error


class EachFrame:
    """A FrameDecoder whose frames come one by one, as headers and payload."""

    def __init__(self, **limits: int) -> None:
        self._decoder = FrameDecoder(**limits)

    @property
    def error(self) -> WireError | None:
        return self._decoder.error

    def receive(self, data: BytesLike) -> list[tuple[dict[str, Any], bytes]]:
        return [
            (dict(frames.headers), payload)
            for frames in self._decoder.receive(data)
            for payload in frames.payloads
        ]

    def finish(self) -> list[tuple[dict[str, Any], bytes]]:
        assert self._decoder.finish() == []
        return []


def every_split(data: bytes) -> Iterator[list[bytes]]:
    """In one piece, in single bytes, and cut in two at every place."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    for cut in range(len(data) + 1):
        yield [data[:cut], data[cut:]]


@st.composite
def splits(draw: st.DrawFn, data: Any) -> list[Any]:
    """Any split of the data, or of a list, empty parts included."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


Outcome = tuple[Any, type[WireError] | None, int | None]


def outcome(decoder: Decoder, chunks: Iterable[bytes], join: Callable[[list[Any]], Any] = list) -> Outcome:
    """What a split may not change: the items (joined, where their limits mean nothing) and the error."""
    items, error = decode(decoder, chunks)
    return join(items), type(error) if error else None, error.offset if error else None


def raw_header(name: str, kind: int, value: bytes) -> bytes:
    """One header of a frame, its value as it is."""
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value


def raw_frame(headers: bytes = b"", payload: bytes = b"") -> bytes:
    """One event-stream frame with right checksums around any header block."""
    lengths = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack("!I", zlib.crc32(lengths)) + headers + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event_frame(event_type: str, payload: bytes = b"", message_type: str = "event", **more: str) -> bytes:
    """A frame with string headers as Lambda sends it; `more` names headers without their colon."""
    headers = {":event-type": event_type, ":message-type": message_type}
    headers |= {":" + name.replace("_", "-"): value for name, value in more.items()}
    encoded = (
        (name, struct.pack("!H", len(value.encode())) + value.encode()) for name, value in headers.items()
    )
    return raw_frame(b"".join(raw_header(name, 7, value) for name, value in encoded), payload)


def checked_lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each CRC-32 went over, of decoders that are made from now on."""
    lengths: list[int] = []
    real = crc32_function()

    def counting(data: bytes, value: int) -> int:
        lengths.append(len(data))
        return real(data, value)

    for module in ("eventstream", "nested"):
        monkeypatch.setattr(f"streamify_client.wire.{module}.crc32_function", lambda: counting)
    return lengths
