"""Compressors: every chunk can be read as soon as it was written, however the body is cut."""

from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server.middlewares import _codecs
from support.decoders import DECODERS


def test_every_coding_has_a_decoder_here() -> None:
    assert set(_codecs.CODINGS) == set(DECODERS)


@pytest.mark.parametrize("coding", DECODERS)
@given(chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=6))
@settings(max_examples=30)
def test_a_chunk_can_be_read_before_the_next_is_written(coding: str, chunks: list[bytes]) -> None:
    compressor, decode = _codecs.compressor(coding, {}), DECODERS[coding]()
    for chunk in chunks:
        assert decode(compressor.feed(chunk)) == chunk
    assert decode(compressor.finish()) == b""


@pytest.mark.parametrize("coding", DECODERS)
def test_a_whole_body_compresses_better_without_flushes(coding: str) -> None:
    lines = [b"line %d of a report\n" % number for number in range(500)]

    def size(flush: bool) -> int:
        compressor = _codecs.compressor(coding, {}, flush=flush)
        compressed = b"".join(map(compressor.feed, lines)) + compressor.finish()
        assert DECODERS[coding]()(compressed) == b"".join(lines)
        return len(compressed)

    assert size(flush=False) < size(flush=True)


def test_the_window_of_zstd_is_one_that_browsers_take() -> None:
    compressor = _codecs.compressor("zstd", {"level": 22})
    frame = compressor.feed(bytes(1000)) + compressor.finish()
    assert zstandard.get_frame_parameters(frame).window_size <= 8 * 1024 * 1024  # RFC 9659


@pytest.mark.parametrize(
    ("coding", "options", "problem"),
    [
        ("gzip", {"levle": 1}, TypeError),
        ("gzip", {"level": 99}, ValueError),
        ("br", {"quality": 99}, ValueError),
        ("zstd", {"level": "high"}, ValueError),
    ],
)
def test_wrong_settings_are_refused(coding: str, options: dict[str, Any], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        _codecs.check(coding, options)
