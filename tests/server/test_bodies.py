"""Every kind of body as a stream of chunks, and what is refused."""

import io
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server import HttpResponse, streaming_handler
from streamify_server.posting import posting_through
from streamify_server.testing import Result
from support.answers import outcome
from support.posters import Leaving, Poster


def sent(body: Any, **options: Any) -> Result:
    return outcome(streaming_handler(**options)(lambda event, context: body))


class Iterable:
    """A body with an iterator of its own, as a database cursor has."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "b"])

    def close(self) -> None:
        self.closed += 1


class AsyncIterable:
    def __init__(self) -> None:
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    "body",
    [
        ["a", "b"],
        ("a", b"b"),
        iter(["a", "b"]),
        deque(["a", "b"]),
        map(str, ["a", "b"]),
        [bytearray(b"a"), memoryview(b"b")],
        ["a", "", None, b"", "b"],
    ],
)
def test_an_iterable_is_sent_item_by_item(body: Any) -> None:
    assert sent(body).chunks == [b"a", b"b"]


@pytest.mark.parametrize("make", [Iterable, AsyncIterable])
def test_an_iterable_is_closed_once(make: Any) -> None:
    body = make()
    assert sent(body).body == b"ab"
    assert body.closed == 1


@pytest.mark.parametrize(
    "wrong", [{"a": 1}, 1, 1.5, True, object(), {"a"}, frozenset(), SimpleNamespace(), {"statusCode": 0}, len]
)
@pytest.mark.parametrize("place", ["bare", "http", "chunk"])
def test_what_is_no_body_is_refused_before_a_byte_leaves(wrong: Any, place: str) -> None:
    body = HttpResponse(200, body=wrong) if place == "http" else iter([wrong]) if place == "chunk" else wrong
    result = sent(body)
    assert isinstance(result.error, TypeError)
    assert type(wrong).__name__ in str(result.error)
    assert "json.dumps" in str(result.error)
    if place != "http" or not isinstance(wrong, object):
        assert result.content_type is None


@pytest.mark.parametrize("wrong", [{"a": 1}, 1, ["a"]])
def test_a_wrong_chunk_in_mid_stream_is_an_error_that_says_what_to_do(wrong: Any) -> None:
    result = sent(iter(["a", wrong]))
    assert result.chunks == [b"a"]
    assert "as a chunk; encode it first, for example with json.dumps" in str(result.error)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("a", "text/plain; charset=utf-8"),
        (b"a", "application/octet-stream"),
        (None, "text/plain; charset=utf-8"),
        ([], "text/plain; charset=utf-8"),
        (["a", b"b"], "text/plain; charset=utf-8"),
        ([b"a", "b"], "application/octet-stream"),
        (["", None, b"", b"a"], "application/octet-stream"),
        (io.BytesIO(b"a"), "application/octet-stream"),
        (io.StringIO("a"), "text/plain; charset=utf-8"),
    ],
)
def test_the_content_type_is_that_of_the_first_chunk(body: Any, kind: str) -> None:
    assert sent(body).content_type == kind


def test_the_content_type_of_the_decorator_wins() -> None:
    assert sent("a", content_type="text/csv").content_type == "text/csv"
    assert sent(HttpResponse(200, body="a"), content_type="text/csv").headers == {"content-type": "text/csv"}


@pytest.mark.parametrize("wrong", ["", "text/csv\r\nx: y"])
def test_a_content_type_that_is_none_is_refused_at_once(wrong: str) -> None:
    with pytest.raises(ValueError, match="content"):
        streaming_handler(content_type=wrong)


@settings(max_examples=50)
@given(st.lists(st.text() | st.binary()))
def test_all_that_is_yielded_arrives_in_order_and_no_chunk_is_empty(chunks: list[str | bytes]) -> None:
    expected = [chunk.encode() if isinstance(chunk, str) else chunk for chunk in chunks]
    assert sent(iter(chunks)).chunks == [chunk for chunk in expected if chunk]


@settings(max_examples=30)
@given(st.text(st.sampled_from("aä☃😀"), min_size=1), st.integers(1, 20_000))
def test_a_long_text_is_cut_between_characters(text: str, times: int) -> None:
    whole = text * times
    chunks = sent(whole).chunks
    assert "".join(chunk.decode() for chunk in chunks) == whole
    assert all(len(chunk.decode()) <= 16 * 1024 for chunk in chunks)


def test_a_huge_chunk_is_sent_in_pieces_of_a_mebibyte_at_most() -> None:
    for chunk in ("😀" * 600_000, b"x" * 2_500_000, memoryview(b"x" * 2_500_000)):
        result = sent(iter([chunk]))
        assert max(map(len, result.chunks)) <= 2**20
        assert result.body == (chunk.encode() if isinstance(chunk, str) else bytes(chunk))


def test_a_memoryview_of_any_shape_is_its_bytes() -> None:
    import array

    numbers = array.array("I", [1, 2, 3])
    assert sent(memoryview(numbers)).body == numbers.tobytes()
    assert sent(memoryview(b"abcdef")[::2]).body == b"ace"


def test_a_pipe_is_read_as_it_fills_and_not_until_a_buffer_is_full() -> None:
    reading, writing = os.pipe()

    def take(chunk: bytes) -> None:
        if chunk == b"first":
            os.write(writing, b"second")
            os.close(writing)

    poster = Poster(take)
    os.write(writing, b"first")
    with posting_through(poster), open(reading, "rb") as pipe:
        streaming_handler(lambda event, context: pipe)({}, None)
    assert poster.chunks == [b"first", b"second"]


def test_a_file_is_closed_also_when_the_stream_fails(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 200_000)
    file = (tmp_path / "data").open("rb")

    with posting_through(Leaving()), pytest.raises(ConnectionResetError):
        streaming_handler(lambda event, context: file)({}, None)
    assert file.closed


def test_a_temporary_file_wrapper_is_a_file() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"abc")
        file.seek(0)
        assert sent(file).body == b"abc"


def test_an_error_while_closing_is_an_error_of_the_stream() -> None:
    class Fails(Iterable):
        def close(self) -> None:
            raise ValueError("cannot close")

    result = sent(Fails())
    assert result.body == b"ab"
    assert str(result.error) == "cannot close"


def test_an_error_while_closing_does_not_hide_the_one_before_it() -> None:
    class Fails:
        def __iter__(self) -> Iterator[str]:
            yield "a"
            raise KeyError("first")

        def close(self) -> None:
            raise ValueError("second")

    error = sent(Fails()).error
    assert isinstance(error, KeyError)
    assert isinstance(error.__context__, ValueError)


def test_a_lone_surrogate_is_an_error_and_not_a_question_mark() -> None:
    assert isinstance(sent("\ud83d").error, UnicodeEncodeError)


@pytest.mark.parametrize("options", [{"streamifyResponse": True}, {"contenttype": "x"}])
def test_an_unknown_option_is_a_type_error_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(options))):
        streaming_handler(**options)


@pytest.mark.parametrize("wrong", ["handler", 1])
def test_what_is_no_function_is_not_decorated(wrong: Any) -> None:
    with pytest.raises(TypeError, match="decorates a function"):
        streaming_handler(wrong)


def test_an_unknown_way_to_respond_is_refused() -> None:
    with pytest.raises(ValueError, match="respond takes auto, stream, buffered"):
        streaming_handler(respond="streaming")  # type: ignore[call-overload]
