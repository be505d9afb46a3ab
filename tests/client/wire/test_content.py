"""Content codings, against the libraries that make them, for every split."""

import gzip
import sys
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_client.wire.content import BATCH, LARGEST_PIECE, ContentDecoder, UnsupportedCodingError
from streamify_client.wire.errors import CorruptInputError, TruncatedInputError
from support.decoding import decode, every_split, splits

TEXT = b"a stream of words, a stream of words, " * 3


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


CODINGS: dict[str, tuple[str, Any]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "two frames": ("zstd", lambda data: zstandard.compress(data[:9]) + zstandard.compress(data[9:])),
    "one in another": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "identity": ("identity", bytes),
}


@pytest.mark.parametrize("name", CODINGS)
def test_however_it_is_split_the_body_is_the_same(name: str) -> None:
    header, compress = CODINGS[name]
    for chunks in every_split(compress(TEXT)):
        items, error = decode(ContentDecoder(header), chunks)
        assert (b"".join(items), error) == (TEXT, None)


@given(st.data(), st.binary(max_size=2000), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
@settings(max_examples=60)
def test_any_body_survives_any_split(data: st.DataObject, body: bytes, name: str) -> None:
    header, compress = CODINGS[name]
    items, error = decode(ContentDecoder(header), data.draw(splits(compress(body))))
    assert (b"".join(items), error) == (body, None)


@pytest.mark.parametrize("name", [name for name in CODINGS if name != "identity"])
def test_a_body_that_ends_early_is_truncated(name: str) -> None:
    header, compress = CODINGS[name]
    items, error = decode(ContentDecoder(header), [compress(TEXT)[:-1]])
    assert isinstance(error, TruncatedInputError)
    assert TEXT.startswith(b"".join(items))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_is_not_compressed_is_corrupt_and_stays_so(coding: str) -> None:
    decoder = ContentDecoder(coding)
    for _ in range(2):
        with pytest.raises(CorruptInputError):
            decoder.receive(b"this was never compressed")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_was_compressed_and_flushed_is_there_at_once(coding: str) -> None:
    compressors: dict[str, Any] = {
        "gzip": zlib.compressobj(wbits=31),
        "deflate": zlib.compressobj(),
        "br": brotli.Compressor(),
        "zstd": zstandard.ZstdCompressor().compressobj(),
    }
    compressor = compressors[coding]
    if coding == "br":
        sent = compressor.process(b"first") + compressor.flush()
    else:
        mode = zstandard.COMPRESSOBJ_FLUSH_BLOCK if coding == "zstd" else zlib.Z_SYNC_FLUSH
        sent = compressor.compress(b"first") + compressor.flush(mode)
    assert b"".join(ContentDecoder(coding).receive(sent)) == b"first"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_no_piece_is_huge_however_much_a_few_bytes_expand_to(coding: str) -> None:
    bomb = CODINGS[coding][1](bytes(20_000_000))
    decoder = ContentDecoder(coding)
    pieces, total = decoder.receive(bomb), 0
    while pieces:
        assert max(map(len, pieces)) <= LARGEST_PIECE
        assert sum(map(len, pieces)) < BATCH + LARGEST_PIECE
        total += sum(map(len, pieces))
        assert decoder.pending or total == 20_000_000
        pieces = decoder.more()
    assert total == 20_000_000


def test_an_empty_body_needs_no_compressed_data() -> None:
    assert decode(ContentDecoder("gzip"), [b""]) == ([], None)


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(UnsupportedCodingError) as caught:
        ContentDecoder("gzip, compress")
    assert (caught.value.coding, caught.value.package) == ("compress", None)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    with pytest.raises(UnsupportedCodingError) as caught:
        ContentDecoder("br")
    assert caught.value.package == "streamify[compress]"
