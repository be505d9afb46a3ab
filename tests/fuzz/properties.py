"""What must hold for any bytes that reach a parser: one function for each, bytes in, AssertionError out.

The same properties serve the replay of the corpus and the coverage-guided run.
"""

import base64
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import h11

from streamify_client.wire.chunked import ChunkedDecoder
from streamify_client.wire.content import ContentDecoder
from streamify_client.wire.errors import WireError
from streamify_client.wire.events import EventDecoder
from streamify_client.wire.eventstream import FrameDecoder
from streamify_client.wire.eventstream import encode_frame as encode_as_client
from streamify_client.wire.jsonitems import JsonItemsDecoder
from streamify_client.wire.jsonl import JsonLinesDecoder
from streamify_client.wire.lines import LineDecoder
from streamify_client.wire.prelude import PreludeDecoder, parse_prelude
from streamify_client.wire.sse import SseDecoder
from streamify_client.wire.text import TextDecoder
from streamify_client.wire.verified import VerifiedDecoder
from streamify_server.errors import HttpError
from streamify_server.local.http.chunked import ChunkedDecoder as LocalChunkedDecoder
from streamify_server.local.http.chunked import ChunkedError
from streamify_server.local.http.head import MalformedRequestError, end_of_head, read_head
from streamify_server.middleware import Request
from streamify_server.middlewares import (
    _negotiate,
    http_json_body_parser,
    http_jwt,
    http_multipart_body_parser,
    http_urlencode_body_parser,
    partial_response,
)
from streamify_server.response import PRELUDE_END, PRELUDE_LIMIT, from_dict, prelude
from streamify_server.runtime.api import MalformedAnswerError, chunk, last_chunk, read_answer
from streamify_server.wire.errors import error_trailers
from streamify_server.wire.frames import encode_frame
from streamify_server.wire.verified import VerifiedSink
from support.decoding import Decoder, EachFrame, outcome
from support.posters import Poster

LIMIT = 200
"""Every size limit that can be set is set to this, so that inputs of a few hundred bytes go beyond it."""

_SLACK = 512  # fields of fixed size, an error's message

Property = Callable[[bytes], None]


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """Some splits of the data: single bytes, and two that depend on nothing but the data."""
    yield [data[i : i + 1] for i in range(len(data))]
    dice = random.Random(zlib.crc32(data))
    for most in (7, 64):
        pieces, rest = [], data
        while rest:
            size = dice.randint(0, most)
            pieces.append(rest[:size])
            rest = rest[size:]
        yield pieces


def held(value: Any, seen: set[int] | None = None) -> int:
    """How many bytes and characters an object of this package keeps, whatever it keeps them in."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, bytes | bytearray | str):
        return len(value)
    if isinstance(value, list | tuple | set | frozenset):
        return sum(held(item, seen) for item in value)
    if isinstance(value, dict):
        return sum(held(item, seen) for pair in value.items() for item in pair)
    if type(value).__module__.startswith("streamify_client"):
        return held(getattr(value, "__dict__", {}), seen)
    return 0


def decoding(make: Callable[[], Decoder], *, most: int, join: Callable[[list[Any]], Any] = list) -> Property:
    """Any split gives what the whole gives, and no more than `most` bytes are kept between two feeds.

    Every exception but a WireError comes through `outcome` and is a finding.
    """

    def check(data: bytes) -> None:
        whole = outcome(make(), [data], join)
        for pieces in cuts(data):
            decoder = make()
            assert outcome(decoder, watched(decoder, pieces, most), join) == whole

    return check


def watched(decoder: Decoder, pieces: list[bytes], most: int) -> Iterator[bytes]:
    """The pieces; before each the decoder is looked at."""
    for number, piece in enumerate(pieces):
        if number % 16 == 0:
            assert held(decoder) <= most + _SLACK, f"the decoder keeps {held(decoder)} bytes"
        yield piece


def joined(items: list[Any]) -> Any:
    """Pieces of one body, whose limits mean nothing."""
    return ("" if items and isinstance(items[0], str) else b"").join(items)


def shown(items: list[Any]) -> str:
    """Values in a form in which NaN is itself."""
    try:
        return repr(items)
    except RecursionError:
        return "deeply nested"


def content(coding: str, largest: int = 512 * 1024) -> Property:
    """However the compressed bytes are split, they expand to the same, in pieces of a bounded size.

    Of a damaged body more or less may come out before the error: a codec loses what it made in the call that
    fails.
    """

    def check(data: bytes) -> None:
        pieces, error, _ = outcome(Expanding(coding), [data])
        assert max(map(len, pieces), default=0) <= largest
        if sum(map(len, pieces)) > 1 << 20:
            return
        whole = b"".join(pieces)
        for split in cuts(data):
            other, other_error, _ = outcome(Expanding(coding), split, joined)
            assert other_error is error
            assert other == whole or (error and (other.startswith(whole) or whole.startswith(other)))

    return check


class Expanding:
    """A ContentDecoder that is asked for all that the bytes expand to."""

    def __init__(self, coding: str) -> None:
        self._decoder = ContentDecoder(coding)

    @property
    def error(self) -> WireError | None:
        return self._decoder.error

    def receive(self, data: bytes) -> list[bytes]:
        pieces = self._decoder.receive(data)
        while self._decoder.pending and not self.error:
            pieces += self._decoder.more()
        return pieces

    def finish(self) -> list[bytes]:
        return self._decoder.finish()


def server_frames(data: bytes) -> None:
    """What the server's encoder makes is what the client's makes, and what its decoder reads."""
    name, _, rest = data.partition(b"\n")
    value, _, payload = rest.partition(b"\n")
    header = (name.decode("latin-1"), value.decode("latin-1"))
    try:
        frame = encode_frame([header], payload)
    except ValueError:
        return
    assert frame == encode_as_client(dict([header]), payload)
    (read,) = FrameDecoder().receive(frame)
    assert (dict(read.headers), read.payloads) == (dict([header]), [payload])


def verified_frames(data: bytes) -> None:
    """Chunks go through a verified stream and keep their boundaries; a flipped bit never comes out good."""
    chunks = [piece for piece in data.split(b"\n") if piece]
    poster = Poster()
    sink = VerifiedSink(poster, "text/plain", None)
    for piece in chunks:
        sink.write(piece)
    sink.end()
    sent = b"".join(poster.chunks)
    items, error, _ = outcome(VerifiedDecoder(), [sent])
    assert error is None
    assert items == chunks
    at = zlib.crc32(data) % len(sent)
    damaged = sent[:at] + bytes([sent[at] ^ 1 << len(data) % 8]) + sent[at + 1 :]
    assert outcome(VerifiedDecoder(), [damaged])[1] is not None


def chunk_writer(data: bytes) -> None:
    """Chunks and trailers as the server writes them, read by h11: the same chunks, the error whole."""
    message, *pieces = data.split(b"\n")
    chunks = [piece for piece in pieces if piece]
    trailers = error_trailers(RuntimeError(message.decode("utf-8", "surrogateescape")))
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    reader.next_event()
    reader.receive_data(b"".join(map(chunk, chunks)) + last_chunk(trailers, b"farewell"))
    body, event = [], reader.next_event()
    while isinstance(event, h11.Data):
        body.append(bytes(event.data))
        event = reader.next_event()
    assert isinstance(event, h11.EndOfMessage)
    assert b"".join(body) == b"".join(chunks) + b"farewell"
    sent = {name.decode(): value.decode() for name, value in event.headers}
    assert sent == {name.lower(): value for name, value in trailers.items()}


class _Pieces:
    """A socket that gives these pieces and then its end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter([piece for piece in pieces if piece])

    def recv(self, size: int) -> bytes:
        return next(self._pieces, b"")


def runtime_api_answer(data: bytes) -> None:
    """An answer of the Runtime API is the same however it arrives, or an error of the connection."""
    whole = _answer([data])
    for pieces in cuts(data):
        assert _answer(pieces) == whole


def _answer(pieces: list[bytes]) -> Any:
    try:
        answer = read_answer(_Pieces(pieces))
    except (MalformedAnswerError, ConnectionResetError) as error:
        return type(error)
    return answer.status, answer.headers, answer.body


def http_response(data: bytes) -> None:
    """A dict of a handler becomes a prelude that the client reads, without line breaks, or is refused."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(fields, dict) or "statusCode" not in fields:
        return
    for multi_value in (False, True):
        try:
            made = prelude(from_dict(fields), multi_value=multi_value)
        except (ValueError, TypeError):
            continue
        assert len(made) <= PRELUDE_LIMIT
        text = made.removesuffix(PRELUDE_END)
        assert b"\0" not in text
        read = parse_prelude(text)
        assert 100 <= read.status_code <= 599
        for value in (*(part for pair in read.headers for part in pair), *read.cookies):
            assert not set(value) & set("\r\n\0")


def local_request(data: bytes) -> None:
    """A request as LocalLambda reads it: h11 understands the same of what is not refused."""
    try:
        end = end_of_head(data)
        head = read_head(data[:end]) if end else None
    except MalformedRequestError:
        return
    if head is None:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data[:end])
    try:
        event = reader.next_event()
    except h11.RemoteProtocolError:
        return  # it is stricter in places: bytes of a header's value, the form of a Host
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (head.request.method.encode(), head.request.target.encode())
    read = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
    assert [name for name, _ in read] == [name for name, _ in head.request.headers]
    if head.length is None:
        local_chunks(data[end:])


def local_chunks(data: bytes) -> None:
    """A chunked body gives the same bytes, trailers and rest however it is split."""
    outcomes: list[tuple[bytes, bool, dict[str, str]] | None] = []
    for pieces in ([data], *cuts(data)):
        decoder, body = LocalChunkedDecoder(), b""
        try:
            for piece in pieces:
                body += b"".join(decoder.receive(piece))
        except ChunkedError:
            outcomes.append(None)
        else:
            # What lies behind the end is kept only if it came with the end.
            outcomes.append((body, decoder.ended, decoder.trailers))
    assert all(each == outcomes[0] for each in outcomes)


def refused_or(parse: Callable[[], Any]) -> Any:
    """What a parser of requests makes of its input, or the 4xx with which it refuses it."""
    try:
        return parse()
    except HttpError as refused:
        if refused.status_code >= 500:
            raise AssertionError("refused with a failure of ours") from refused
        return refused.status_code


def request(data: bytes, content_type: str) -> Request:
    body = base64.b64encode(data).decode()
    headers = {"content-type": content_type}
    return Request({"headers": headers, "body": body, "isBase64Encoded": True}, None)


def multipart_form(data: bytes) -> None:
    """A form becomes text and files that were all in the body, or is refused."""
    seen = request(data, "multipart/form-data; boundary=cut")
    if refused_or(lambda: http_multipart_body_parser().before(seen)) is not None:
        return
    values = [
        v for value in seen.event["body"].values() for v in (value if isinstance(value, list) else [value])
    ]
    for value in values:
        in_utf_8 = isinstance(value, str) and b"charset" not in data.lower()
        assert isinstance(value, str) or value.content in data
        assert not in_utf_8 or value.encode() in data
        assert isinstance(value, str) or "/" not in value.filename


def request_bodies(data: bytes) -> None:
    """JSON and forms become plain values that JSON can carry, or are refused."""
    for parser, content_type in (
        (http_json_body_parser(max_depth=20), "application/json"),
        (http_urlencode_body_parser(max_fields=50), "application/x-www-form-urlencoded"),
    ):
        seen = request(data, content_type)
        if refused_or(lambda parser=parser, seen=seen: parser.before(seen)) is None:  # type: ignore[misc]
            json.dumps(seen.event["body"], allow_nan=False, ensure_ascii=False).encode()


def accept_fields(data: bytes) -> None:
    """What is chosen is among what is available, and in the order of the header or of what is available."""
    field = data.decode("latin-1")
    available = ["text/html", "text/plain", "gzip", "br", "identity", "en", "en-US", "utf-8"]
    for negotiate in (
        _negotiate.media_types,
        _negotiate.encodings,
        _negotiate.languages,
        _negotiate.charsets,
    ):
        chosen = refused_or(lambda negotiate=negotiate: negotiate(field, available))  # type: ignore[misc]
        assert isinstance(chosen, int) or (set(chosen) <= set(available) and len(set(chosen)) == len(chosen))
        refused_or(lambda negotiate=negotiate: negotiate(field, None))  # type: ignore[misc]


def field_mask(data: bytes) -> None:
    """A mask picks a part of a value that is in the value, and picks the same part of that part."""
    value = {"a": {"b": [{"c": 1, "d": "x"}], "c": {"b": 2}}, "b": "text", "id": [{"a": 1}, {"b": 2}]}
    try:
        mask = partial_response.parse(data.decode("latin-1"))
    except ValueError:
        return
    picked = partial_response.apply(mask, value)
    assert partial_response.apply(mask, picked) == picked
    assert set(picked) <= set(value)


def tokens(data: bytes) -> None:
    """Only a token that was signed with the key gets through."""
    seen = Request({"headers": {"authorization": f"Bearer {data.decode('latin-1')}"}}, None)
    assert refused_or(lambda: _AUTH.before(seen)) == 401


_AUTH = http_jwt(key="a secret of the fuzzer, which signs nothing, 64 bytes and longer", algorithm="HS256")


PROPERTIES: dict[str, Property] = {
    "frames": decoding(lambda: EachFrame(max_headers=LIMIT, max_payload=LIMIT), most=5 * LIMIT),
    "events": decoding(
        lambda: EventDecoder(FrameDecoder(max_headers=LIMIT, max_payload=LIMIT)), most=6 * LIMIT
    ),
    "prelude": decoding(lambda: PreludeDecoder(max_size=LIMIT), most=3 * LIMIT, join=joined),
    "chunked": decoding(ChunkedDecoder, most=1 << 16, join=joined),
    "verified": decoding(VerifiedDecoder, most=1 << 16),
    "text": decoding(TextDecoder, most=LIMIT, join=joined),
    "text_utf16": decoding(lambda: TextDecoder("utf-16"), most=LIMIT, join=joined),
    "lines": decoding(lambda: LineDecoder(max_size=LIMIT), most=2 * LIMIT),
    "json_lines": decoding(lambda: JsonLinesDecoder(max_size=LIMIT), most=2 * LIMIT, join=shown),
    "json_items": decoding(lambda: JsonItemsDecoder("item"), most=1 << 16, join=shown),
    "sse": decoding(lambda: SseDecoder(max_size=LIMIT), most=4 * LIMIT),
    "content_gzip": content("gzip"),
    "content_deflate": content("deflate"),
    "content_br": content("br"),
    "content_zstd": content("zstd", 9 << 20),
    "server_frames": server_frames,
    "verified_frames": verified_frames,
    "chunk_writer": chunk_writer,
    "runtime_api_answer": runtime_api_answer,
    "http_response": http_response,
    "local_request": local_request,
    "local_chunks": local_chunks,
    "multipart_form": multipart_form,
    "request_bodies": request_bodies,
    "accept_fields": accept_fields,
    "field_mask": field_mask,
    "tokens": tokens,
}
