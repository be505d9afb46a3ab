"""Faults on demand: the pure plan, and what it does to a real caller."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError, ResponseStreamingError
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as ReadTimeout

from streamify_client import StreamClient, TruncatedStreamError
from streamify_server.local import Fault, FaultInjected, LocalLambda
from streamify_server.local.faults import Action, Cut, Script, Send, Splitter, Stall
from streamify_server.local.lambda_api.event_stream import invoke_complete, payload_chunk
from support.local import add_steps, body_of, boto3_client, invoke, steps, stream

FRAMES = [b"abcd", b"efgh", b"ij"]


def perform(fault: Fault) -> list[Action]:
    script = Script(fault)
    actions = list(script.begin())
    for frame in FRAMES:
        actions += script.feed(frame)
    return actions if script.over else [*actions, *script.finish()]


def sent(*pieces: bytes) -> list[Action]:
    return [Send(piece) for piece in pieces]


TABLE: dict[str, tuple[Fault, list[Action]]] = {
    "none": (Fault(), sent(b"abcd", b"efgh", b"ij")),
    "cut before anything": (Fault(cut_after=0), [Cut("fin")]),
    "cut inside a frame": (Fault(cut_after=6, cut="rst"), [*sent(b"abcd", b"ef"), Cut("rst")]),
    "cut on a boundary": (Fault(cut_after=4), [*sent(b"abcd"), Cut("fin")]),
    "cut after all": (Fault(cut_after=10), [*sent(b"abcd", b"efgh", b"ij"), Cut("fin")]),
    "cut never reached": (Fault(cut_after=11), sent(b"abcd", b"efgh", b"ij")),
    "cut before the first frame": (Fault(cut_after_frames=0), [Cut("fin")]),
    "cut between frames": (Fault(cut_after_frames=2, cut="clean"), [*sent(b"abcd", b"efgh"), Cut("clean")]),
    "stall": (
        Fault(stall_after=5, stall_seconds=2.0),
        [*sent(b"abcd", b"e"), Stall(2.0), *sent(b"fgh", b"ij")],
    ),
    "stall, then cut": (
        Fault(stall_after=1, cut_after=2),
        [*sent(b"a"), Stall(None), *sent(b"b"), Cut("fin")],
    ),
    "flipped bit": (Fault(flip_bit=5 * 8 + 1), sent(b"abcd", b"edgh", b"ij")),
    "flipped bit beyond the end": (Fault(flip_bit=99 * 8), sent(b"abcd", b"efgh", b"ij")),
    "one byte at a time": (Fault(rechunk="bytes"), sent(*[bytes([byte]) for byte in b"abcdefghij"])),
    "coalesced": (Fault(rechunk="coalesced"), sent(b"abcdefghij")),
    "coalesced and cut": (Fault(rechunk="coalesced", cut_after=5), [*sent(b"abcde"), Cut("fin")]),
}


@pytest.mark.parametrize(("fault", "actions"), TABLE.values(), ids=TABLE.keys())
def test_a_plan_becomes_these_actions(fault: Fault, actions: list[Action]) -> None:
    assert perform(fault) == actions


@given(
    st.lists(st.binary(max_size=20_000), max_size=8),
    st.sampled_from([None, "bytes", "random", "coalesced"]),
    st.integers(),
)
def test_splitting_anew_loses_nothing_and_repeats(pieces: list[bytes], split: Any, seed: int) -> None:
    runs = []
    for _ in range(2):
        splitter = Splitter(split, seed)
        runs.append([*[part for piece in pieces for part in splitter.feed(piece)], *splitter.flush()])
    assert runs[0] == runs[1]
    assert b"".join(runs[0]) == b"".join(pieces)
    assert all(runs[0])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "negative count": ({"cut_after": -1}, "whole number from 0 on"),
    "unknown error": ({"error": "NoSuchException"}, "not an error of the Lambda API"),
    "status that is no error": ({"error": 204}, "400 to 599"),
    "unknown cut": ({"cut": "snip"}, "rst"),
    "unknown split": ({"rechunk": "halves"}, "coalesced"),
    "a count that is text": ({"cut_after": "2"}, "cut_after is a whole number from 0 on, not '2'"),
    "a negative wait": ({"retry_after": -1}, "retry_after is a whole number"),
    "a negative delay": ({"delay_headers": -1}, "delay_headers is seconds from 0 on, not -1"),
    "a stall without an end": ({"stall_seconds": float("inf")}, "stall_seconds is seconds"),
    "an exception without a message": ({"exception": "Kind"}, "exception is a pair"),
    "an error frame of numbers": ({"error_frame": (1, 2)}, "What is in error_frame must be text"),
}


@pytest.mark.parametrize(("fields", "words"), BAD.values(), ids=BAD.keys())
def test_a_plan_that_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Fault(**fields)


@pytest.fixture
def faulty(aws: LocalLambda) -> Iterator[LocalLambda]:
    yield aws
    aws.clear_faults("steps")


HELLO = steps(["write", "Hello "], ["write", "world"], ["end"])
WIRE = payload_chunk(b"Hello ") + payload_chunk(b"world") + invoke_complete()


def wire(aws: LocalLambda, payload: bytes = HELLO) -> tuple[bytes, BaseException | None]:
    """The raw bytes of a streamed response, HTTP chunks undone, and how the connection ended."""
    address = aws.endpoint_url.removeprefix("http://")
    host, port = address.split(":")
    path = "/2021-11-15/functions/steps/response-streaming-invocations"
    received, error = b"", None
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(payload)}\r\n".encode())
        raw.sendall(b"Connection: close\r\n\r\n" + payload)
        try:
            while data := raw.recv(65536):
                received += data
        except ConnectionResetError as reset:
            error = reset
    rest, body = received.partition(b"\r\n\r\n")[2], b""
    while rest and not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body, error or (None if rest else EOFError())


@pytest.mark.parametrize("after", [0, 1, 11, 40, len(payload_chunk(b"Hello ")), len(WIRE) - 1, len(WIRE)])
@pytest.mark.parametrize("cut", ["fin", "rst", "clean"])
def test_the_wire_is_cut_where_and_how_the_plan_says(faulty: LocalLambda, after: int, cut: Any) -> None:
    faulty.inject("steps", Fault(cut_after=after, cut=cut))
    body, error = wire(faulty)
    assert body == WIRE[:after]
    assert type(error) is {"fin": EOFError, "rst": ConnectionResetError, "clean": type(None)}[cut]


def test_a_flipped_bit_is_the_only_difference(faulty: LocalLambda) -> None:
    faulty.inject("steps", Fault(flip_bit=100 * 8 + 3))
    body, error = wire(faulty)
    assert error is None
    different = [(index, a ^ b) for index, (a, b) in enumerate(zip(body, WIRE, strict=True)) if a != b]
    assert different == [(100, 8)]


@pytest.mark.parametrize("split", ["bytes", "random", "coalesced"])
def test_rechunked_and_reframed_streams_are_whole(faulty: LocalLambda, client: Any, split: Any) -> None:
    faulty.inject("steps", Fault(rechunk=split, reframe=split, seed=7))
    events = stream(client, payload=HELLO)
    assert body_of(events) == b"Hello world"
    assert len(events) == {"bytes": 12, "random": len(events), "coalesced": 2}[split]


def test_a_cut_reaches_boto3_as_a_broken_connection(faulty: LocalLambda, client: Any) -> None:
    faulty.inject("steps", Fault(cut_after=20))
    with pytest.raises(ProtocolError):
        stream(client, payload=HELLO)


def test_a_dropped_end_event_goes_unnoticed_by_boto3(faulty: LocalLambda, client: Any) -> None:
    faulty.inject("steps", Fault(drop_end=True))
    events = stream(client, payload=HELLO)
    assert body_of(events) == b"Hello world"
    assert "InvokeComplete" not in events[-1]


def test_an_error_code_and_its_details_are_in_the_end_event(faulty: LocalLambda, client: Any) -> None:
    faulty.inject("steps", Fault(error_code="Function.Oops", error_details='{"errorMessage": "no"}'))
    end = stream(client, payload=HELLO)[-1]["InvokeComplete"]
    assert end == {"ErrorCode": "Function.Oops", "ErrorDetails": '{"errorMessage": "no"}'}


@pytest.mark.parametrize("field", ["exception", "error_frame"])
def test_an_exception_or_error_frame_ends_the_stream(faulty: LocalLambda, client: Any, field: str) -> None:
    plans: dict[str, Any] = {field: ("InternalFailure", "went wrong")}
    faulty.inject("steps", Fault(**plans))
    with pytest.raises(EventStreamError):
        stream(client, payload=HELLO)


def test_throttles_come_so_many_times_and_then_what_is_next(faulty: LocalLambda, client: Any) -> None:
    before = len(faulty.invocations("steps"))
    faulty.inject("steps", Fault(error="TooManyRequestsException", retry_after=7), times=2)
    faulty.inject("steps", Fault(error=503), times=1)
    seen = []
    for _ in range(3):
        with pytest.raises(ClientError) as raised:
            invoke(client, steps(["answer", "1"]))
        response = raised.value.response["ResponseMetadata"]
        seen.append((response["HTTPStatusCode"], response["HTTPHeaders"].get("retry-after")))
    assert seen == [(429, "7"), (429, "7"), (503, None)]
    assert len(faulty.invocations("steps")) == before
    assert invoke(client, steps(["answer", "1"]))["Payload"] == b"1"


def test_headers_are_held_back(faulty: LocalLambda) -> None:
    client = boto3_client(faulty, config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
    faulty.inject("steps", Fault(delay_headers=60.0))
    with pytest.raises(ReadTimeoutError):
        stream(client, payload=HELLO)
    client.close()


def test_a_stall_lasts_until_the_caller_hangs_up(faulty: LocalLambda) -> None:
    client = boto3_client(faulty, config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
    faulty.inject("steps", Fault(stall_after=len(payload_chunk(b"Hello "))))
    answer = client.invoke_with_response_stream(FunctionName="steps", Payload=HELLO)
    events = iter(answer["EventStream"])
    assert next(events) == {"PayloadChunk": {"Payload": b"Hello "}}
    with pytest.raises(ReadTimeout):
        next(events)
    answer["EventStream"].close()
    client.close()


def test_a_buffered_answer_can_be_cut_too(faulty: LocalLambda, client: Any) -> None:
    faulty.inject("steps", Fault(cut_after=3, cut="clean"))
    with pytest.raises(ResponseStreamingError):
        invoke(client, steps(["answer", json.dumps("x" * 10)]))


def test_a_plan_is_for_one_function_until_it_is_cleared(aws: LocalLambda, client: Any) -> None:
    add_steps(aws, "other")
    aws.inject("steps", Fault(error=500))
    assert invoke(client, steps(["answer", "1"]), "other")["Payload"] == b"1"
    aws.clear_faults("steps")
    assert invoke(client, steps(["answer", "1"]))["Payload"] == b"1"
    with pytest.raises(KeyError):
        aws.inject("nope", Fault())
    with pytest.raises(ValueError, match="times is a whole number from 1 on, not 0"):
        aws.inject("steps", Fault(), times=0)
    with pytest.raises(ValueError, match="inject takes a Fault"):
        aws.inject("steps", "cut")  # type: ignore[arg-type]


NOTHING = "did nothing: the response ended after 10 bytes in 3 frames"
EFFECTS: dict[str, tuple[Fault, bool, str]] = {
    "cut": (
        Fault(cut_after=6, cut="rst"),
        False,
        "cut the response after 6 bytes in 1 frame (connection reset)",
    ),
    "cut beyond the end": (Fault(cut_after=99), True, NOTHING),
    "stall and flip": (
        Fault(delay_headers=0.5, stall_after=4, stall_seconds=2.0, flip_bit=0),
        True,
        "held the head back for 0.5 s, flipped bit 0, stalled after 4 bytes in 1 frame for 2 s",
    ),
    "no end event": (
        Fault(drop_end=True, rechunk="bytes"),
        True,
        "sent no end event, split the body into other HTTP chunks (bytes)",
    ),
    "no end event in plain HTTP": (Fault(drop_end=True), False, NOTHING),
    "error frame": (
        Fault(error_frame=("a", "b")),
        True,
        "sent an error frame in place of the end event: a",
    ),
    "error code": (
        Fault(error_code="E", reframe="bytes"),
        True,
        "ended with ErrorCode E, split the payload into other frames (bytes)",
    ),
}


@pytest.mark.parametrize(("fault", "end_event", "effect"), EFFECTS.values(), ids=EFFECTS)
def test_a_plan_says_what_it_did(fault: Fault, end_event: bool, effect: str) -> None:
    script = Script(fault)
    list(script.begin())
    for frame in FRAMES:
        list(script.feed(frame))
    list(script.finish())
    assert script.effect(end_event) == effect


def test_a_plan_shows_only_what_it_sets() -> None:
    assert repr(Fault(cut_after=100, cut="rst")) == "Fault(cut_after=100, cut='rst')"


def test_observers_are_told_what_each_fault_did(client: Any, faulty: LocalLambda) -> None:
    told: list[FaultInjected] = []
    end = faulty.subscribe(lambda event: told.append(event) if isinstance(event, FaultInjected) else None)
    faulty.inject("steps", Fault(error=503), times=1)
    faulty.inject("steps", Fault(cut_after=3), times=2)
    with pytest.raises(ClientError):
        invoke(client, steps(["answer", "1"]))
    with pytest.raises(ResponseStreamingError):
        invoke(client, steps(["answer", '"four"']))
    url = faulty.function_url("steps", invoke_mode="RESPONSE_STREAM")
    with pytest.raises((OSError, HTTPException)), urllib.request.urlopen(url, timeout=30) as answer:
        answer.read()
    end()
    assert [(event.function, event.fault) for event in told] == [
        ("steps", Fault(error=503)), ("steps", Fault(cut_after=3)), ("steps", Fault(cut_after=3))
    ]  # fmt: skip
    assert told[0].effect == "refused the request with 503"
    assert told[1].effect.startswith("cut the response after 3 bytes")
    assert told[1].request_id == faulty.invocations("steps")[-2].request_id


HANDLER = """
from streamify_server import HttpResponse, streaming_handler

@streaming_handler
def text(event, context):
    yield from ("one ", "two ", "three")

@streaming_handler
def page(event, context):
    return HttpResponse(200, {"content-type": "text/plain"}, body=iter(["one ", "two ", "three"]))
"""


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLambda]:
    folder = tmp_path_factory.mktemp("chunked")
    (folder / "app.py").write_text(HANDLER)
    with LocalLambda() as running:
        for name in ("text", "page"):
            running.add_function(name, handler=f"app.{name}", code=folder, timeout=30)
        yield running


@pytest.mark.parametrize("verified", ["require", "off"])
@pytest.mark.parametrize("function", ["text", "page"])
@pytest.mark.parametrize("split", [None, "bytes", "coalesced"])
def test_a_cut_after_chunks_delivers_each_of_them_whole(
    chunked: LocalLambda, function: str, verified: Any, split: Any
) -> None:
    chunked.inject(function, Fault(cut_after_chunks=2, reframe=split), times=1)
    received: list[str] = []
    with StreamClient(**chunked.client_kwargs, verified=verified) as client:
        with pytest.raises(TruncatedStreamError):
            received.extend(client.stream(function))
        assert "".join(received) == "one two "
        assert client.stream(function).text() == "one two three"


@pytest.mark.parametrize("cut", ["fin", "rst"])
def test_a_function_url_is_cut_after_chunks_too(chunked: LocalLambda, cut: Any) -> None:
    url = chunked.function_url("page", invoke_mode="RESPONSE_STREAM")
    chunked.inject("page", Fault(cut_after_chunks=1, cut=cut), times=1)
    with StreamClient(**chunked.client_kwargs, verified="off") as client:
        with pytest.raises(TruncatedStreamError) as cut_short:
            client.stream(url).text()
        assert cut_short.value.bytes_received <= len("one ")


def test_a_cut_after_more_chunks_than_there_are_does_nothing(chunked: LocalLambda) -> None:
    told: list[str] = []
    end = chunked.subscribe(
        lambda event: told.append(event.effect) if isinstance(event, FaultInjected) else None
    )
    chunked.inject("text", Fault(cut_after_chunks=4), times=1)
    chunked.inject("text", Fault(cut_after_chunks=0), times=1)
    with StreamClient(**chunked.client_kwargs) as client:
        assert client.stream("text").text() == "one two three"
        with pytest.raises(TruncatedStreamError):
            client.stream("text").text()
    end()
    assert told[0].startswith("did nothing")
    assert told[1] == "cut the response after 0 chunks (connection closed)"


def test_a_verified_stream_is_whole_without_the_end_event_which_stands_behind_it(
    chunked: LocalLambda,
) -> None:
    chunked.inject("text", Fault(drop_end=True), times=2)
    with StreamClient(**chunked.client_kwargs, verified="require") as client:
        assert client.stream("text").text() == "one two three"
    with StreamClient(**chunked.client_kwargs, verified="off") as client, pytest.raises(TruncatedStreamError):
        client.stream("text").text()
