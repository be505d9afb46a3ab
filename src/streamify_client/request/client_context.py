"""The client context: the caller's own, our offer of a verified stream, and the trace context.

awslambdaric 4.2 gives handlers the trace context that stands in ``w3c`` (``context.w3c()``); before that,
OpenTelemetry's instrumentations looked into ``custom``, where it still stands as well.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

from streamify_client.errors import ConfigurationError
from streamify_client.wire.verified import LARGEST_TOKEN

from .offer import CONTINUE, OFFER_KEY, STATE_KEY, is_offered

MAX_BYTES = 3583  # of the base64 text: https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
_TOKEN_SIZE = 4 * (LARGEST_TOKEN + len(f',"{STATE_KEY}":""')) // 3 + 4  # bytes that a token takes in base64

ClientContext = Mapping[str, Any] | str | None
"""A mapping, or as boto3 takes it: base64 of a JSON object."""


def encode_client_context(
    context: ClientContext,
    *,
    offer: Sequence[str] = (),
    offer_required: bool = False,
) -> str | None:
    """Return the value of the X-Amz-Client-Context header, or None where there is nothing to say.

    The offer is merged into ``custom``. It replaces no key of the caller's, and is left out where it would
    not fit: first that of a stream that goes on, which takes room for the token of a later part, then that
    of a verified stream.

    Raises:
        ConfigurationError: The caller's context is not a JSON object or is too long, or a required offer does
            not fit.
    """
    if context is None:  # nearly every call
        return _offer_alone(tuple(offer))
    own = _read(context)
    if CONTINUE in offer:
        text, added = _longest(own, _offered(own, offer), reserve=_TOKEN_SIZE)
        if _has_offer(added):
            return text
    text, added = _longest(own, _offered(own, [each for each in offer if each != CONTINUE]))
    if offer_required and not _has_offer(added):
        raise ConfigurationError(
            "verified='require' needs room for its offer in client_context.custom: the context is too "
            f"long, or its custom is not a JSON object, or has the key {OFFER_KEY!r} already."
        )
    return text


def with_token(encoded: str | None, token: str) -> str:
    """Return a client context that offered to go on, with the token of the next part."""
    context = _read(encoded) or {}
    return _encode({**context, "custom": {**context.get("custom", {}), STATE_KEY: token}})


def with_trace(encoded: str | None, trace: Mapping[str, str]) -> str | None:
    """Return a client context with the trace context in ``w3c`` and in ``custom``.

    It replaces no key of the caller's, and is left out where it would not fit, together with the token of a
    later part where one may come.
    """
    own = _read(encoded)
    additions = [_Addition(into, trace) for into in ("w3c", "custom")]
    custom = (own or {}).get("custom")
    continues = isinstance(custom, Mapping) and is_offered(custom.get(OFFER_KEY), CONTINUE)
    possible = [addition for addition in additions if addition.possible(own)]
    return _longest(own, possible, reserve=_TOKEN_SIZE if continues else 0)[0]


@dataclass(frozen=True, slots=True)
class _Addition:
    """Fields for one of the objects in the client context."""

    into: str
    fields: Mapping[str, str]

    def possible(self, context: Mapping[str, Any] | None) -> bool:
        """Whether no key of the caller's is in the way."""
        if self.into == "w3c":
            return self.into not in (context or {})
        there = (context or {}).get(self.into, {})
        return isinstance(there, Mapping) and not any(key in there for key in self.fields)

    def merged(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return {**context, self.into: {**context.get(self.into, {}), **self.fields}}


def _offered(own: Mapping[str, Any] | None, offer: Sequence[str]) -> list[_Addition]:
    addition = _Addition("custom", {OFFER_KEY: ", ".join(offer)})
    return [addition] if offer and addition.possible(own) else []


def _has_offer(added: Sequence[_Addition]) -> bool:
    return any(OFFER_KEY in addition.fields for addition in added)


def _longest(
    own: Mapping[str, Any] | None, additions: Sequence[_Addition], reserve: int = 0
) -> tuple[str | None, Sequence[_Addition]]:
    """Encode the context with as many of the additions as fit, the first ones first.

    Args:
        own: The caller's.
        additions: What may go into it.
        reserve: Bytes that additions leave free.
    """
    for count in range(len(additions), -1, -1):
        if not count and own is None:
            return None, ()
        added = additions[:count]
        text = _encode(reduce(lambda context, addition: addition.merged(context), added, dict(own or {})))
        if len(text) <= MAX_BYTES - (reserve if count else 0):
            return text, added
    raise ConfigurationError(
        f"client_context is too long: {len(text):,} bytes in base64, and Lambda takes {MAX_BYTES:,}."
    )


def _read(context: ClientContext) -> dict[str, Any] | None:
    if context is None:
        return None
    if isinstance(context, str):
        try:
            context = json.loads(base64.b64decode(context, validate=True))
        except (binascii.Error, ValueError) as error:
            raise ConfigurationError(
                f"client_context as a string must be base64 of a JSON object: {error}."
            ) from error
    if not isinstance(context, Mapping):
        raise ConfigurationError(
            f"client_context must be a mapping (a JSON object), not {type(context).__name__}."
        )
    return dict(context)


def _encode(context: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(context, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"client_context cannot be encoded as JSON: {error}.") from error
    return base64.b64encode(text.encode("ascii")).decode("ascii")


@lru_cache(maxsize=8)
def _offer_alone(offer: tuple[str, ...]) -> str | None:
    return _longest(None, _offered(None, offer))[0]
