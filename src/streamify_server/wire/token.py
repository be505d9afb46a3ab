"""The token that starts a later part of a stream: the stream's position, sealed against changes.

The bytes, integers big-endian, in base64url without padding:

    uint8 version (1) | uint8 seal (0: SHA-256, 1: HMAC-SHA256) | uint32 part | uint64 position
    uint64 time, ms since 1970
    uint16 length, stream | uint16 length, state | 32 bytes seal

The seal covers everything before it and, each prefixed with its length, what the token is bound to: the
function, the tenant and the payload. Without a key the seal is a plain digest, which detects a token sent to
another function or payload by mistake, but not a forged one.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from streamify_server.errors import TokenError

MAX_AGE = 24 * 60 * 60  # seconds
STATE_LIMIT = 1024  # bytes of a checkpoint's state as JSON

_VERSION = 1
_PLAIN, _KEYED = 0, 1
_FIXED = struct.Struct(">BBIQQ")
_LENGTH = struct.Struct(">H")
_SEAL_SIZE = 32
_CLOCK_SKEW = 5 * 60  # seconds by which the clocks of two machines may differ


class Token:
    """A stream's position.

    Attributes:
        stream: The request id of the stream's first part.
        part: The number of the part that the token starts; the second part is 2.
        position: How many bytes of the body were sent before, so that a later part counts on and a client can
            compare each checkpoint with what it has received.
        issued: When it was created, in seconds since 1970.
        state: The state of the producer, as compact ASCII JSON.
    """

    __slots__ = ("issued", "part", "position", "state", "stream")

    def __init__(self, stream: str, part: int, position: int, issued: float, state: str) -> None:
        self.stream: str = stream
        self.part: int = part
        self.position: int = position
        self.issued: float = issued
        self.state: str = state


class Binding:
    """What a token is valid for: this function, this tenant, this payload.

    Args:
        function_arn: Qualified or not; a new version of the function continues old streams.
        tenant_id: The tenant, for a function with tenant isolation.
        payload: A digest of the payload.
    """

    __slots__ = ("_parts",)

    def __init__(self, function_arn: str, tenant_id: str | None, payload: bytes) -> None:
        unqualified = ":".join(function_arn.split(":")[:7])
        self._parts = (unqualified.encode(), (tenant_id or "").encode(), payload)

    def covered(self, content: bytes) -> bytes:
        """Return the bytes that a seal is computed over."""
        parts = (content, *self._parts)
        return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def seal(token: Token, binding: Binding, keys: Sequence[bytes]) -> str:
    """Return a token as text, signed with the first key; without keys it only gets a digest.

    Raises:
        ValueError: The stream's id or the state is longer than the format allows.
    """
    stream, state = token.stream.encode(), token.state.encode()
    if len(state) > STATE_LIMIT:
        raise ValueError(
            f"A checkpoint's state is at most {STATE_LIMIT} bytes of JSON, and this has {len(state)}."
        )
    fixed = _FIXED.pack(
        _VERSION, _KEYED if keys else _PLAIN, token.part, token.position, int(token.issued * 1000)
    )
    content = b"".join((fixed, _LENGTH.pack(len(stream)), stream, _LENGTH.pack(len(state)), state))
    made = content + _digest(keys[0] if keys else None, binding.covered(content))
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def unseal(text: str, binding: Binding, keys: Sequence[bytes], now: float) -> Token:
    """Verify a token and return its content.

    Args:
        text: The result of `seal`.
        binding: The function, tenant and payload of this invocation.
        keys: One of them must have signed it; without keys it must not be signed.
        now: Seconds since 1970.

    Raises:
        TokenError: It is malformed, forged, too old, or for another function, tenant or payload.
    """
    content, found = _split(text)
    token, keyed = _parse(content)
    if keyed != bool(keys):
        reason = "is signed, and STREAMIFY_STATE_KEY is not set" if keyed else "is not signed"
        raise TokenError(f"The stream cannot continue: its token {reason}.")
    covered = binding.covered(content)
    if not any(hmac.compare_digest(found, _digest(key, covered)) for key in (keys or (None,))):
        raise TokenError(
            "The stream cannot continue: its token is of another function, tenant or payload"
            + (", or not signed with a key in STREAMIFY_STATE_KEY." if keys else ", or damaged.")
        )
    if not -_CLOCK_SKEW <= now - token.issued <= MAX_AGE:
        raise TokenError("The stream cannot continue: its token is older than 24 hours.")
    return token


def peek(text: str) -> Token:
    """Return a token's content without verifying it: for display only.

    Raises:
        TokenError: It is malformed.
    """
    return _parse(_split(text)[0])[0]


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a token in hexadecimal, as in the head frame of the part that it started."""
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(key: bytes | None, covered: bytes) -> bytes:
    if key is None:
        return hashlib.sha256(covered).digest()
    return hmac.digest(key, covered, "sha256")


def _split(text: str) -> tuple[bytes, bytes]:
    try:
        made = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        made = b""
    if urlsafe_b64encode(made).rstrip(b"=").decode() != text or len(made) < _FIXED.size + _SEAL_SIZE:
        raise _malformed()
    return made[:-_SEAL_SIZE], made[-_SEAL_SIZE:]


def _parse(content: bytes) -> tuple[Token, bool]:
    version, kind, part, position, issued = _FIXED.unpack_from(content)
    if version != _VERSION or kind not in (_PLAIN, _KEYED):
        raise TokenError("The stream cannot continue: its token was made by another version of streamify.")
    try:
        stream, at = _field(content, _FIXED.size)
        state, at = _field(content, at)
        if at == len(content):
            return Token(
                stream.decode(), part, position, issued / 1000, state.decode("ascii")
            ), kind == _KEYED
    except (struct.error, UnicodeDecodeError):
        pass
    raise _malformed()


def _field(content: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(content, at)
    end = at + _LENGTH.size + length
    if end > len(content):
        raise _malformed()
    return content[at + _LENGTH.size : end], end


def _malformed() -> TokenError:
    return TokenError("The stream cannot continue: its token is malformed.")
