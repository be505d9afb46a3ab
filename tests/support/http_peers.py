"""What the server behind a URL does, for `WireServer`, and a check of signatures as AWS documents it."""

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from urllib.parse import quote, unquote

from support.wire_server import Behaviour, Peer, Request, read_request

PLAIN = {"content-type": "text/plain; charset=utf-8"}
NULS = b"\0" * 8


def plain(*chunks: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Make a behaviour: a whole chunked response."""

    def behave(peer: Peer) -> None:
        peer.head({**PLAIN, **(headers or {})}, status=status)
        for chunk in chunks:
            peer.chunk(chunk)
        peer.end()

    return behave


def in_one_piece(body: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Make a behaviour: a response with a Content-Length."""
    return lambda peer: peer.reply(status, body, {**PLAIN, **(headers or {})})


def refuses(status: str, error_type: str, body: bytes, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Make a behaviour: Lambda answers instead of the function."""
    return in_one_piece(body, status, {"x-amzn-errortype": error_type, **(headers or {})})


def cut(how: str) -> Behaviour:
    """Make a behaviour: the connection is lost after a chunk."""

    def behave(peer: Peer) -> None:
        peer.head(PLAIN)
        peer.chunk(b"some")
        getattr(peer, how)()

    return behave


def stalls(peer: Peer) -> None:
    """Send a chunk, and then nothing."""
    peer.head(PLAIN)
    peer.chunk(b"some")
    peer.wait_gone()


def says_nothing(peer: Peer) -> None:
    """Let the caller wait for headers."""
    peer.wait_gone()


def tunnels_to(context: ssl.SSLContext, behaviour: Behaviour, seen: list[Request]) -> Behaviour:
    """Make a behaviour: a proxy behind whose tunnel every host is played by this behaviour, over TLS."""

    def behave(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(peer.sock, server_side=True) as secure:
            request = read_request(secure, peer.request.connection)
            assert request is not None
            seen.append(request)
            behaviour(Peer(secure, request))
        peer.keep = False

    return behave


def signature_of(request: Request, secret: str, service: str = "lambda") -> tuple[str, str]:
    """Return the signature that a request has, and the one that it must have.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    kind, _, rest = request.headers["authorization"].partition(" ")
    assert kind == "AWS4-HMAC-SHA256"
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    _, date, region, service_signed, _ = fields["Credential"].split("/")
    assert service_signed == service
    names = fields["SignedHeaders"].split(";")
    path, _, query = request.target.partition("?")
    pairs = sorted(
        (quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
        for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)
    )
    canonical = "\n".join(
        [
            request.method,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    scope = f"{date}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, hashed])
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return fields["Signature"], hmac.digest(key, to_sign.encode(), "sha256").hex()
