"""Heads of HTTP messages: read strictly, written whole."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.local.http.head import MalformedRequestError, end_of_head, read_head, write_head

GET = b"GET /a%20b?x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def head(*fields: bytes, first: bytes = GET) -> bytes:
    return first + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def test_a_head_is_read_with_names_in_lower_case_and_values_as_they_came() -> None:
    read = read_head(head(b"X-Two:  a b\t", b"X-Empty:", b"x-two: c"))
    assert (read.request.method, read.request.target) == ("GET", "/a%20b?x=1")
    assert read.request.headers == (("host", "127.0.0.1"), ("x-two", "a b"), ("x-empty", ""), ("x-two", "c"))
    assert (read.length, read.keep_alive, read.chunks_allowed) == (0, True, True)


FRAMED = {
    "length": ([b"Content-Length: 12"], 12),
    "the same length twice": ([b"Content-Length: 12", b"Content-Length: 12"], 12),
    "chunks": ([b"Transfer-Encoding: Chunked"], None),
    "nothing": ([], 0),
}


@pytest.mark.parametrize(("fields", "length"), FRAMED.values(), ids=FRAMED.keys())
def test_a_body_is_framed_as_its_head_says(fields: list[bytes], length: int | None) -> None:
    assert read_head(head(*fields)).length == length


BAD = {
    "no request line": (b"nonsense\r\n\r\n", 400),
    "another version": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "bytes in the target": (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (head(b"Host: evil.example"), 400),
    "a folded header": (head(b"X-A: b", b" c"), 400),
    "a space before the colon": (head(b"X-A : b"), 400),
    "a NUL": (head(b"X-A: \0"), 400),
    "a line feed": (head(b"X-A: b\nX-C: d"), 400),
    "two lengths": (head(b"Content-Length: 1", b"Content-Length: 2"), 400),
    "a length that is none": (head(b"Content-Length: +1"), 400),
    "a length of other digits": (head("Content-Length: ²".encode("latin-1")), 400),
    "length and chunks": (head(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
    "another coding": (head(b"Transfer-Encoding: gzip, chunked"), 501),
}


@pytest.mark.parametrize(("data", "status"), BAD.values(), ids=BAD.keys())
def test_a_head_that_could_be_read_in_two_ways_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(MalformedRequestError) as raised:
        read_head(data)
    assert raised.value.status == status


def test_a_head_without_an_end_is_refused_once_it_is_too_long() -> None:
    assert end_of_head(b"GET / HTTP/1.1\r\n" + b"x" * 1000) == 0
    with pytest.raises(MalformedRequestError):
        end_of_head(b"x" * (1 << 18))


def test_a_head_that_is_too_long_is_refused_though_it_came_in_one_read() -> None:
    with pytest.raises(MalformedRequestError) as raised:
        end_of_head(head(b"X-A: " + b"x" * (1 << 18)))
    assert raised.value.status == 431


@pytest.mark.parametrize(
    ("line", "keep"), [(b"Connection: close", False), (b"Connection: Keep-Alive", True), (b"X: close", True)]
)
def test_a_connection_lives_on_unless_its_peer_says_otherwise(line: bytes, keep: bool) -> None:
    assert read_head(head(line)).keep_alive is keep
    assert read_head(b"GET / HTTP/1.0\r\n\r\n").keep_alive is False


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_a_refusal(data: bytes) -> None:
    try:
        assert read_head(data + b"\r\n\r\n").request.method
    except MalformedRequestError:
        pass


RESERVED = ("content-length", "transfer-encoding", "connection", "expect")
TOKENS = st.text("abcXYZ-09", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=30)


@given(st.integers(200, 599), st.lists(st.tuples(TOKENS, VALUES.map(str.strip)), max_size=5))
def test_a_written_head_is_what_another_library_reads(status: int, headers: list[tuple[str, str]]) -> None:
    headers = [header for header in headers if header[0].lower() not in RESERVED]
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    reader.receive_data(write_head(status, headers))
    event = reader.next_event()
    assert isinstance(event, h11.Response)
    assert event.status_code == status
    read = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
    assert read == [(name.lower(), value) for name, value in headers]


@pytest.mark.parametrize("header", [("a", "b\r\nc: d"), ("a\r\n", "b"), ("a", "b\0")])
def test_a_header_that_would_begin_another_is_not_written(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="line break"):
        write_head(200, [header])
