"""Content negotiation by table (RFC 9110, 12.5)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server import HttpError
from streamify_server.middlewares import _negotiate


@pytest.mark.parametrize(
    ("field", "available", "found"),
    [
        (None, None, ["*/*"]),
        (None, ["text/csv"], ["text/csv"]),
        ("text/html, application/json;q=0.5", None, ["text/html", "application/json"]),
        ("application/json;q=0.5, text/html", None, ["text/html", "application/json"]),
        ("text/*;q=0.3, text/html;q=0.7, */*;q=0.1", ["image/png", "text/csv", "text/html"], None),
        ("text/html;q=0, */*", ["text/html", "text/csv"], ["text/csv"]),
        ("text/html;level=1, text/html;q=0.4", ["text/html", "text/html;level=1"], None),
        ("application/json", ["text/csv"], []),
        ("APPLICATION/JSON", ["application/json"], ["application/json"]),
        ("", ["text/csv"], []),
        ("text/csv;q=x, ;;, text/html;q=2", ["text/csv", "text/html"], []),
        ("text/csv;q=nan", ["text/csv"], []),
        ('a/b;p="x,y";q=0, text/csv', ["a/b", "text/csv"], ["text/csv"]),
        ('a/b;p="x;q=0,y";q=0.5, text/csv', None, ["text/csv", "a/b"]),
        ('text/csv, a/b;p="', None, ["text/csv", "a/b"]),
    ],
)
def test_media_types(field: str | None, available: list[str] | None, found: list[str] | None) -> None:
    expected = found if found is not None else list(reversed(available or []))
    assert _negotiate.media_types(field, available) == expected


@pytest.mark.parametrize(
    ("field", "available", "found"),
    [
        (None, None, ["identity"]),
        (None, ["gzip", "identity"], ["identity"]),
        ("gzip", ["gzip", "br", "identity"], ["gzip", "identity"]),
        ("gzip, br", ["br", "gzip", "identity"], ["gzip", "br", "identity"]),
        ("gzip;q=0.5, br", ["gzip", "br"], ["br", "gzip"]),
        ("*", ["br", "gzip", "identity"], ["br", "gzip", "identity"]),
        ("*;q=0", ["br", "identity"], []),
        ("identity;q=0, gzip", ["gzip", "identity"], ["gzip"]),
        ("identity, gzip;q=0.5", ["gzip", "identity"], ["identity", "gzip"]),
        ("gzip;q=0", ["gzip", "identity"], ["identity"]),
        ("zstd;q=1.0, *;q=0.1", ["gzip", "zstd"], ["zstd", "gzip"]),
        ("gzip;x=1;q=0.5, br", ["gzip", "br"], ["br", "gzip"]),
        ("gzip;x=1", None, ["gzip", "identity"]),
    ],
)
def test_encodings(field: str | None, available: list[str] | None, found: list[str]) -> None:
    assert _negotiate.encodings(field, available) == found


@pytest.mark.parametrize(
    ("field", "available", "found"),
    [
        (None, ["de", "en"], ["de", "en"]),
        ("en-GB, en;q=0.8, fr;q=0.2", ["fr", "en"], ["en", "fr"]),
        ("en", ["en-US", "en"], ["en", "en-US"]),
        ("de-CH", ["de"], ["de"]),
        ("da, en;q=0", ["en"], []),
        ("DA", ["da"], ["da"]),
        ("*;q=0.1, fr", ["en", "fr"], ["fr", "en"]),
    ],
)
def test_languages(field: str | None, available: list[str], found: list[str]) -> None:
    assert _negotiate.languages(field, available) == found


def test_charsets() -> None:
    assert _negotiate.charsets("utf-8;q=0.2, iso-8859-1", ["utf-8", "iso-8859-1"]) == ["iso-8859-1", "utf-8"]


def test_a_header_too_long_to_be_meant_is_refused() -> None:
    with pytest.raises(HttpError) as refused:
        _negotiate.media_types("a/b," * 3000, ["a/b"])
    assert refused.value.status_code == 400


@given(st.text(alphabet='ab/*;,=q01. "\n\0', max_size=60))
@settings(max_examples=200)
def test_any_header_gives_a_choice_among_what_is_available(field: str) -> None:
    available = ["a/b", "b/a"]
    for negotiate in (
        _negotiate.media_types,
        _negotiate.encodings,
        _negotiate.languages,
        _negotiate.charsets,
    ):
        assert set(negotiate(field, available)) <= set(available)
        negotiate(field, None)
