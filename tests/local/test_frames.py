"""Frames as AWS writes them."""

from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local.lambda_api.event_stream import invoke_complete, payload_chunk
from streamify_server.wire.frames import encode_frame

PAYLOAD_CHUNK = (
    "000000760000005a980e72ec0b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e74656e742d74797065"
    "0700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e74"
    "48656c6c6f20776f726c642033971fd8"
)
INVOKE_COMPLETE = (
    "00000066000000541f56c8690b3a6576656e742d7479706507000e496e766f6b65436f6d706c6574650d3a636f6e74656e742d7479"
    "70650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b7d7006d467"
)


def test_frames_are_byte_for_byte_those_of_aws() -> None:
    assert payload_chunk(b"Hello world ") == bytes.fromhex(PAYLOAD_CHUNK)
    assert invoke_complete() == bytes.fromhex(INVOKE_COMPLETE)


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=60), st.text(max_size=2000)), unique_by=lambda h: h[0]),
    st.binary(max_size=4096),
)
def test_botocore_reads_back_what_was_encoded(headers: list[tuple[str, str]], payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode_frame(headers, payload))
    message: Any = next(iter(buffer))
    assert message.payload == payload
    assert list(message.headers.items()) == headers


@pytest.mark.parametrize("header", [("", "x"), ("n" * 256, "x"), ("n", "v" * 32768)])
def test_a_header_that_does_not_fit_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_frame([header], b"")
