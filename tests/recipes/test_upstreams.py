"""Models behind a handler: their answers as events, their refusals as a status, and no quiet end.

The upstreams are the recipes that speak the same APIs, so both ends are real; a server that misbehaves stands
in for one where an upstream refuses, breaks or stalls.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from streamify_client import FunctionError, HttpStatusError, StreamClient
from support.wire_server import Peer, WireServer

from .conftest import Serve

EVENTS = {"content-type": "text/event-stream"}


@pytest.fixture
def client() -> Iterator[StreamClient]:
    with StreamClient() as client:
        yield client


def openai_chain(serve: Serve, base: str, timeout: float = 30, refused: bool = False) -> str:
    return serve(
        "refused" if refused else "openai_upstream",
        timeout=timeout,
        OPENAI_BASE_URL=f"{base}v1",
        OPENAI_API_KEY="any",
        MODEL="echo",
        RECIPE="openai_upstream",
    )


def anthropic_chain(serve: Serve, base: str, timeout: float = 30, refused: bool = False) -> str:
    return serve(
        "refused" if refused else "anthropic_upstream",
        timeout=timeout,
        ANTHROPIC_BASE_URL=base,
        ANTHROPIC_API_KEY="any",
        MODEL="echo",
        RECIPE="anthropic_upstream",
    )


Chain = Callable[..., str]
BOTH = pytest.mark.parametrize(
    ("chain", "upstream"), [(openai_chain, "openai_compatible"), (anthropic_chain, "anthropic_compatible")]
)


@BOTH
def test_an_answer_arrives_as_events(serve: Serve, client: StreamClient, chain: Chain, upstream: str) -> None:
    url = chain(serve, serve(upstream))
    with client.stream(url, query={"prompt": "one two"}) as stream:
        told = [(event.event, json.loads(event.data)) for event in stream.iter_sse()]
    assert told[:2] == [("delta", {"text": "one "}), ("delta", {"text": "two "})]
    assert told[2][0] == "done"
    assert stream.result.verified


@BOTH
def test_an_upstream_that_fails_in_mid_stream_is_told_and_raises(
    serve: Serve, client: StreamClient, chain: Chain, upstream: str
) -> None:
    url = chain(serve, serve(upstream))
    told: list[str] = []
    with (
        client.stream(url, query={"prompt": "one fail"}) as stream,
        pytest.raises(FunctionError, match="gave up"),
    ):
        told.extend(event.event for event in stream.iter_sse())
    assert told == ["delta", "error"]


@pytest.mark.parametrize("chain", [openai_chain, anthropic_chain])
@pytest.mark.parametrize(("status", "seen"), [("401 Unauthorized", 502), ("429 Too Many Requests", 429)])
def test_a_refusal_is_a_status(
    serve: Serve, client: StreamClient, chain: Chain, status: str, seen: int
) -> None:
    def refuse(peer: Peer) -> None:
        peer.reply(status, b'{"error": {"message": "no"}}', {"content-type": "application/json"})

    with WireServer(refuse) as server:
        url = chain(serve, f"{server.url}/")
        with pytest.raises(HttpStatusError) as refused:
            client.stream(url, query={"prompt": "hi"}).open()
    assert refused.value.status_code == seen


@pytest.mark.parametrize("chain", [openai_chain, anthropic_chain])
@pytest.mark.parametrize("how", ["fin", "end", "stall"])
@pytest.mark.parametrize("verified", ["auto", "off"])
def test_an_upstream_that_breaks_off_is_never_a_quiet_end(
    serve: Serve, client: StreamClient, chain: Chain, how: str, verified: Literal["auto", "off"]
) -> None:
    def behave(peer: Peer) -> None:
        peer.head(EVENTS)
        peer.chunk(b": begun\n\n")
        if how == "stall":
            peer.wait_gone(60)
        else:
            getattr(peer, how)()

    with WireServer(behave) as server:
        url = chain(serve, f"{server.url}/", timeout=8 if how == "stall" else 30)
        told: list[str] = []
        raises = pytest.raises(FunctionError) if verified == "auto" else contextlib.nullcontext()
        with client.stream(url, query={"prompt": "hi"}, verified=verified) as stream, raises:
            told.extend(event.event for event in stream.iter_sse())
    assert told == ["error"]


@pytest.mark.parametrize("chain", [openai_chain, anthropic_chain])
def test_the_upstream_of_a_caller_who_is_refused_is_closed(
    serve: Serve, client: StreamClient, chain: Chain
) -> None:
    gone = threading.Event()

    def behave(peer: Peer) -> None:
        peer.head(EVENTS)
        if peer.wait_gone(20):
            gone.set()

    with WireServer(behave) as server:
        url = chain(serve, f"{server.url}/", refused=True)
        with pytest.raises(HttpStatusError, match="403"):
            client.stream(url, query={"prompt": "hi"}).open()
        assert gone.wait(20)


@pytest.mark.parametrize("chain", [openai_chain, anthropic_chain])
@pytest.mark.parametrize("begun", [False, True], ids=["before its head", "in mid-stream"])
def test_an_upstream_that_stalls_is_closed_when_time_is_up(
    serve: Serve, client: StreamClient, chain: Chain, begun: bool
) -> None:
    gone = threading.Event()

    def stall(peer: Peer) -> None:
        if begun:
            peer.head(EVENTS)
        if peer.wait_gone(20):
            gone.set()

    with WireServer(stall) as server:
        url = chain(serve, f"{server.url}/", timeout=6)
        with (
            pytest.raises(FunctionError if begun else HttpStatusError, match=r"TimeoutError|status 50\d"),
            client.stream(url, query={"prompt": "hi"}) as stream,
        ):
            list(stream.iter_sse())
        assert gone.wait(20)


def test_a_prompt_must_be_there(serve: Serve, client: StreamClient) -> None:
    url = openai_chain(serve, "http://127.0.0.1:9/")
    with pytest.raises(HttpStatusError, match="400"):
        client.stream(url).open()
