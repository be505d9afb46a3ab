"""Bedrock's ConverseStream on 127.0.0.1: events in Amazon's event-stream framing, as boto3 reads them."""

import json
from typing import Any

from streamify_server.wire.frames import encode_frame

from .wire_server import Peer

CONTENT_TYPE = {"content-type": "application/vnd.amazon.eventstream"}


def event(kind: str, content: dict[str, Any], message_type: str = "event") -> bytes:
    """One event, or with "exception" one of the operation's exceptions."""
    headers = (
        (f":{message_type}-type", kind),
        (":content-type", "application/json"),
        (":message-type", message_type),
    )
    return encode_frame(headers, json.dumps(content).encode())


def answers(*words: str) -> Any:
    """Answer with these words and a regular end."""

    def behave(peer: Peer) -> None:
        peer.head(CONTENT_TYPE)
        peer.chunk(event("messageStart", {"role": "assistant"}))
        for word in words:
            peer.chunk(event("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0}))
        peer.chunk(event("contentBlockStop", {"contentBlockIndex": 0}))
        peer.chunk(event("messageStop", {"stopReason": "end_turn"}))
        peer.end()

    return behave


def fails_after(word: str) -> Any:
    """Answer with a word, then with an exception event."""

    def behave(peer: Peer) -> None:
        peer.head(CONTENT_TYPE)
        peer.chunk(event("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0}))
        peer.chunk(event("modelStreamErrorException", {"message": "the model gave up"}, "exception"))
        peer.end()

    return behave


def ends_after(word: str) -> Any:
    """Answer with a word, and end in good order without a last event."""

    def behave(peer: Peer) -> None:
        peer.head(CONTENT_TYPE)
        peer.chunk(event("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0}))
        peer.end()

    return behave


def stalls_after(word: str) -> Any:
    """Answer with a word, and say no more."""

    def behave(peer: Peer) -> None:
        peer.head(CONTENT_TYPE)
        peer.chunk(event("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0}))
        peer.wait_gone(60)

    return behave


def refuses(status: str, kind: str) -> Any:
    """Refuse with a status and the type of an exception."""

    def behave(peer: Peer) -> None:
        peer.reply(status, json.dumps({"message": "no"}).encode(), {"x-amzn-errortype": kind})

    return behave
