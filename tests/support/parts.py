"""Streams that go on in further parts, as their bytes: one behaviour of a server for each part."""

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from streamify_client.wire.eventstream import encode_frame

from .wire_server import Behaviour, Peer, Request, complete_frame, payload_frame

VERIFIED_TYPE = "application/vnd.streamify.eventstream"


def frame(kind: str, content: Any) -> bytes:
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    return encode_frame({":event-type": kind}, payload)


def token_of(request: Request) -> str | None:
    """The token that a request carries: in its client context, or in a header."""
    if (found := request.headers.get("streamify-state")) is not None:
        return found
    context = request.headers.get("x-amz-client-context")
    custom = json.loads(base64.b64decode(context)).get("custom", {}) if context else {}
    token: str | None = custom.get("streamify-state")
    return token


def head(request: Request, content_type: str | None = "text/plain", encoding: str | None = None) -> bytes:
    token = token_of(request)
    state = None if token is None else hashlib.sha256(token.encode()).hexdigest()
    return frame("head", {"contentType": content_type, "contentEncoding": encoding, "state": state})


class Sending:
    """The frames of one part; checkpoints and the end count for themselves."""

    def __init__(self, request: Request, base: int = 0, **said: Any) -> None:
        self.frames = [head(request, **said)]
        self.base = base
        self.bytes = self.chunks = 0

    def data(self, *chunks: bytes) -> "Sending":
        for chunk in chunks:
            self.frames.append(frame("data", chunk))
            self.bytes += len(chunk)
            self.chunks += 1
        return self

    def checkpoint(self, token: str) -> "Sending":
        self.frames.append(frame("checkpoint", {"token": token, "bytes": self.base + self.bytes}))
        return self

    def keepalive(self) -> "Sending":
        self.frames.append(frame("keepalive", b""))
        return self

    def end(self, **more: Any) -> "Sending":
        self.frames.append(frame("end", {"bytes": self.bytes, "chunks": self.chunks, **more}))
        return self

    def hand_over(self, token: str) -> "Sending":
        return self.checkpoint(token).end(continues=True)

    def error(self, error_type: str, message: str = "") -> "Sending":
        fields = {"errorType": error_type, "errorMessage": message, "stackTrace": []}
        self.frames.append(frame("error", fields))
        return self


def send(peer: Peer, frames: Iterable[bytes], *, by_name: bool, request_id: str = "req-1") -> None:
    """Begin a response and send these frames of it."""
    if by_name:
        peer.head({"x-amzn-remapped-content-type": VERIFIED_TYPE, "x-amzn-requestid": request_id})
    else:
        peer.head({"content-type": VERIFIED_TYPE, "x-amzn-requestid": request_id})
    for each in frames:
        peer.chunk(payload_frame(each) if by_name else each)


def finish(peer: Peer, *, by_name: bool) -> None:
    """End a response as its transport does."""
    if by_name:
        peer.chunk(complete_frame())
    peer.end()


def part(make: Any, *, by_name: bool, cut: bool = False, request_id: str = "req-1") -> Behaviour:
    """Make a behaviour: send what `make` says of the request; whole, or cut off behind it."""

    def behave(peer: Peer) -> None:
        send(peer, make(peer.request).frames, by_name=by_name, request_id=request_id)
        if cut:
            peer.fin()
        else:
            finish(peer, by_name=by_name)

    return behave
