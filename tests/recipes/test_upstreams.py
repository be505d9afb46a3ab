"""Models behind a handler: their answers as events, their refusals as a status, and no quiet end.

The upstreams are the recipes that speak the same APIs, so both ends are real; a server that misbehaves stands
in for one where an upstream refuses, breaks or stalls.
"""

import json
import threading
from collections.abc import Callable, Iterator

import pytest

from streamify_client import FunctionError, HttpStatusError, StreamClient
from support.wire_server import Peer, WireServer

from .conftest import Serve

EVENTS = {"content-type": "text/event-stream"}


@pytest.fixture
def client() -> Iterator[StreamClient]:
    with StreamClient() as client:
        yield client


def openai_chain(serve: Serve, base: str, timeout: float = 30) -> str:
    return serve(
        "openai_upstream", timeout=timeout, OPENAI_BASE_URL=f"{base}v1", OPENAI_API_KEY="any", MODEL="echo"
    )


def anthropic_chain(serve: Serve, base: str, timeout: float = 30) -> str:
    return serve(
        "anthropic_upstream", timeout=timeout, ANTHROPIC_BASE_URL=base, ANTHROPIC_API_KEY="any", MODEL="echo"
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
def test_an_upstream_that_breaks_off_is_never_a_quiet_end(
    serve: Serve, client: StreamClient, chain: Chain
) -> None:
    def behave(peer: Peer) -> None:
        peer.head(EVENTS)
        peer.chunk(b": begun\n\n")
        peer.rst()

    with WireServer(behave) as server:
        url = chain(serve, f"{server.url}/")
        told: list[str] = []
        with client.stream(url, query={"prompt": "hi"}) as stream, pytest.raises(FunctionError):
            told.extend(event.event for event in stream.iter_sse())
    assert told == ["error"]


@pytest.mark.parametrize("chain", [openai_chain, anthropic_chain])
def test_an_upstream_is_closed_when_the_deadline_strikes(
    serve: Serve, client: StreamClient, chain: Chain
) -> None:
    gone = threading.Event()

    def stall(peer: Peer) -> None:
        peer.head(EVENTS)
        if peer.wait_gone(20):
            gone.set()

    with WireServer(stall) as server:
        url = chain(serve, f"{server.url}/", timeout=4)
        with (
            pytest.raises(FunctionError, match=r"time|deadline"),
            client.stream(url, query={"prompt": "hi"}) as stream,
        ):
            list(stream.iter_sse())
        assert gone.wait(20)


def test_a_prompt_must_be_there(serve: Serve, client: StreamClient) -> None:
    url = openai_chain(serve, "http://127.0.0.1:9/")
    with pytest.raises(HttpStatusError, match="400"):
        client.stream(url).open()
